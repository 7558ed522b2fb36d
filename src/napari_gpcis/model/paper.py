"""The `paper` fusion: clicks enter after the stem, so all of the network runs per click.

References
----------
Zhou et al., "Interactive Segmentation as Gaussian Process Classification", CVPR 2023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_gpcis.model import deeplab, paper_networks
from napari_gpcis.model.encoder import is_hrnet, is_segformer
from napari_gpcis.model.paper_parts import upsample

if TYPE_CHECKING:
    from collections.abc import Callable

AUXILIARY_CHANNELS = 3


class PaperFusion(nn.Module):
    """A whole network over image, clicks and previous mask; deep features of every pixel.

    Parameters
    ----------
    encoder : str
        timm's name of a ResNet, such as ``resnet50s``, which becomes a DeepLabV3+, or of an
        HRNet, such as ``hrnet_w18_small_v2``, or ``segformer_b0``.
    feature_dim : int
        D, channels of the result.

    Raises
    ------
    ValueError
        If the encoder is none of these, or its package is missing.
    """

    grid_stride = 1
    pyramid_strides = (1,)

    def __init__(self, encoder: str, feature_dim: int) -> None:
        super().__init__()
        self.kind, self.size_divisor, create = _network_for(encoder)
        # under a name of its own, as checkpoints have it
        self.add_module(self.kind, create(encoder, feature_dim, AUXILIARY_CHANNELS))

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
            Features of unit length at stride 4, and as interpolated from there elsewhere.
        """
        (image,) = pyramid
        features = self.get_submodule(self.kind)(image, torch.cat([previous, maps], 1))
        return upsample(F.normalize(features, dim=1), image.shape[-2:])


def _network_for(encoder: str) -> tuple[str, int, Callable[[str, int, int], nn.Module]]:
    """Name, size divisor and class of the network around an encoder."""
    if is_segformer(encoder):
        return "segformer", paper_networks.OUTPUT_STRIDE, paper_networks.PaperSegFormer
    if is_hrnet(encoder):
        return "hrnet", paper_networks.OUTPUT_STRIDE, paper_networks.ContextHRNet
    return "deeplab", deeplab.OUTPUT_STRIDE, deeplab.DeepLab
