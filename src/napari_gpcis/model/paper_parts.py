"""Parts that the networks of the `paper` fusion share: side features, blocks, initial values."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE_HIDDEN = 16


def side_branch(channels: int, width: int, stride: int) -> nn.Sequential:
    """Auxiliary raster → side features, which start all but invisible (times 0.05).

    Parameters
    ----------
    channels : int
        Channels of the auxiliary raster: previous mask and click disks.
    width : int
        Channels of the side features.
    stride : {2, 4}
        That of the feature map that they are added to.
    """
    return nn.Sequential(
        nn.Conv2d(channels, SIDE_HIDDEN, 3, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(SIDE_HIDDEN, width, 3, stride=stride // 2, padding=1),
        _AbsoluteScale(0.05),
    )


def upsample(features: Tensor, size: torch.Size) -> Tensor:
    """Bilinear interpolation that keeps the corner values in the corners, as the paper does."""
    return F.interpolate(features, size=size, mode="bilinear", align_corners=True)


def conv_norm_relu(in_channels: int, out_channels: int, rate: int = 0) -> list[nn.Module]:
    """1×1 convolution, or 3×3 where an atrous rate is given; batch norm; ReLU."""
    conv = (
        nn.Conv2d(in_channels, out_channels, 3, padding=rate, dilation=rate, bias=False)
        if rate
        else nn.Conv2d(in_channels, out_channels, 1, bias=False)
    )
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU()]


def initialise_like_the_paper(module: nn.Module) -> None:
    """Xavier-Gaussian weights and no bias, for `nn.Module.apply`."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_normal_(module.weight, gain=math.sqrt(2.0))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class _AbsoluteScale(nn.Module):
    """Multiply by the absolute value of one learned number."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), initial))

    def forward(self, features: Tensor) -> Tensor:
        return features * self.scale.abs()
