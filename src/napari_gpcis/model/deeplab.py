"""DeepLabV3+ on a timm ResNet of output stride 8, with side features added after the stem.

Its modules nest so that a checkpoint of the GPCIS reference implementation fits them.

References
----------
Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation",
ECCV 2018.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.models.resnet import ResNet
from torch import Tensor, nn

from napari_gpcis.model.paper_parts import (
    conv_norm_relu,
    initialise_like_the_paper,
    side_branch,
    upsample,
)

OUTPUT_STRIDE = 8
ATROUS_RATES = (12, 24, 36)
WIDTH = 256
SKIP_WIDTH = 32
SIDE_WIDTH = 256


class DeepLab(nn.Module):
    """DeepLabV3+ whose first feature map takes side features on board.

    Parameters
    ----------
    encoder : str
        timm's name of a ResNet, such as ``resnet50s``.
    out_channels : int
    side_channels : int
        Channels of the auxiliary raster: previous mask and click disks.

    Raises
    ------
    ValueError
        If the encoder is not a ResNet of timm.
    """

    def __init__(self, encoder: str, out_channels: int, side_channels: int) -> None:
        super().__init__()
        self.side = side_branch(side_channels, SIDE_WIDTH, stride=2)
        resnet = _create_resnet(encoder)
        stage_channels = [stage["num_chs"] for stage in resnet.feature_info]
        self.skip = nn.Sequential(*conv_norm_relu(stage_channels[1], SKIP_WIDTH))
        self.aspp = _AtrousPyramid(stage_channels[-1])
        self.head = nn.Sequential(
            _separable_block(WIDTH + SKIP_WIDTH),
            _separable_block(WIDTH),
            nn.Conv2d(WIDTH, out_channels, 1),
        )
        self.apply(initialise_like_the_paper)
        self.encoder = resnet

    def forward(self, image: Tensor, auxiliary: Tensor) -> Tensor:
        """Compute the head's output at stride 4.

        Parameters
        ----------
        image : Tensor, shape (B, 3, H, W)
            Normalised with ImageNet's mean and standard deviation.
        auxiliary : Tensor, shape (B, side_channels, H, W)
            Previous mask and click disks.

        Returns
        -------
        Tensor, shape (B, out_channels, H / 4, W / 4)
        """
        resnet = self.encoder
        stem = resnet.act1(resnet.bn1(resnet.conv1(image)))
        # the reference crops its side features to the stem's channels; the rest stay unused
        stem = stem + self.side(auxiliary)[:, : stem.shape[1]]
        shallow = resnet.layer1(resnet.maxpool(stem))
        deep = resnet.layer4(resnet.layer3(resnet.layer2(shallow)))
        skip = self.skip(shallow)
        upsampled = upsample(self.aspp(deep), skip.shape[-2:])
        features: Tensor = self.head(torch.cat([upsampled, skip], 1))
        return features


class _AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling: four rates and the mean of the whole window."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.rates = nn.ModuleList(
            nn.Sequential(*conv_norm_relu(in_channels, WIDTH, rate)) for rate in (0, *ATROUS_RATES)
        )
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_norm_relu(in_channels, WIDTH))
        self.project = nn.Sequential(*conv_norm_relu(5 * WIDTH, WIDTH))

    def forward(self, features: Tensor) -> Tensor:
        branches = [branch(features) for branch in self.rates]
        branches.append(self.whole(features).expand(-1, -1, *features.shape[-2:]))
        projected: Tensor = self.project(torch.cat(branches, 1))
        return projected


def _create_resnet(name: str) -> Any:  # of its layers, timm declares no types
    # only names that timm knows: it would ask the network for others, such as 'hf-hub:…'
    if timm.is_model(name):
        network = timm.create_model(name, num_classes=0, output_stride=OUTPUT_STRIDE)
        if isinstance(network, ResNet):
            return network
    raise ValueError(
        f"expected a ResNet of timm as encoder of the paper fusion, got {name!r}; "
        "take 'resnet50s', 'hrnet_w18_small_v2' or 'segformer_b0', or the cached fusion, "
        "which works with any encoder"
    )


def _separable_block(in_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        *conv_norm_relu(in_channels, WIDTH),
    )
