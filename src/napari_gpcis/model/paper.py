"""The `paper` fusion: clicks enter after the stem, so all of the network runs per click.

References
----------
Zhou et al., "Interactive Segmentation as Gaussian Process Classification", CVPR 2023.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_gpcis.model.deeplab import OUTPUT_STRIDE, DeepLab, upsample

AUXILIARY_CHANNELS = 3


class PaperFusion(nn.Module):
    """DeepLabV3+ over image, clicks and previous mask; deep features of every pixel.

    Parameters
    ----------
    encoder : str
        timm's name of a ResNet, such as ``resnet50s``.
    feature_dim : int
        D, channels of the result.

    Raises
    ------
    ValueError
        If the encoder is not a ResNet of timm.
    """

    grid_stride = 1
    size_divisor = OUTPUT_STRIDE
    pyramid_strides = (1,)

    def __init__(self, encoder: str, feature_dim: int) -> None:
        super().__init__()
        self.deeplab = DeepLab(encoder, feature_dim, AUXILIARY_CHANNELS)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """The image itself, as nothing can be computed before the clicks are known."""
        return (image,)

    def decode(self, pyramid: tuple[Tensor, ...], maps: Tensor, previous: Tensor) -> Tensor:
        """Deep features of every pixel.

        Parameters
        ----------
        pyramid : tuple of one Tensor, shape (B, 3, H, W)
            The normalised image.
        maps : Tensor, shape (B, 2, H, W)
            Click disks.
        previous : Tensor, shape (B, 1, H, W)
            Previous probability.

        Returns
        -------
        Tensor, shape (B, D, H, W)
            Of unit length at stride 4, and as interpolated from there elsewhere.
        """
        (image,) = pyramid
        features = self.deeplab(image, torch.cat([previous, maps], 1))
        return upsample(F.normalize(features, dim=1), image.shape[-2:])
