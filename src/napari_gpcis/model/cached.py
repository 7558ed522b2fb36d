"""The `cached` fusion: an encoder that runs once a slice, a small decoder that takes the clicks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_gpcis.gp.raster import upsample
from napari_gpcis.model.encoder import STRIDES, PyramidEncoder

AUXILIARY_CHANNELS = 6


class CachedFusion(nn.Module):
    """Encoder pyramid, and a top-down decoder that clicks and the previous mask enter.

    Parameters
    ----------
    encoder : str
        timm model name.
    channels : int
        Channels of the pyramid and of the decoder.
    feature_dim : int
        D, channels of the result.
    stride : int
        Pixels between the grid points of the result: 4, or less to have it upsampled.
    """

    size_divisor = 32
    pyramid_strides = STRIDES

    def __init__(self, encoder: str, channels: int, feature_dim: int, stride: int = 4) -> None:
        super().__init__()
        self.grid_stride = stride
        self.encoder = PyramidEncoder(encoder, channels)
        self.click_projections = nn.ModuleList(
            nn.Conv2d(AUXILIARY_CHANNELS, channels, 3, padding=1) for _ in STRIDES
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                SeparableBlock(channels, expansion=1 if stride == 4 else 2),
                SeparableBlock(channels, expansion=1 if stride == 4 else 2),
            )
            for stride in STRIDES
        )
        self.projection = nn.Conv2d(channels, feature_dim, 1)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) normalised → pyramid, finest level first."""
        levels: tuple[Tensor, ...] = self.encoder(image)
        return levels

    def decode(self, pyramid: tuple[Tensor, ...], maps: Tensor, previous: Tensor) -> Tensor:
        """Deep features on the grid.

        Parameters
        ----------
        pyramid : tuple of Tensor, each of shape (B, channels, H / s, W / s)
            Features from `encode`, cut to the window.
        maps : Tensor, shape (B, 2, H, W)
            Click disks.
        previous : Tensor, shape (B, 1, H, W)
            Previous probability.

        Returns
        -------
        Tensor, shape (B, D, H / stride, W / stride)
            Features of unit length at stride 4; upsampled from there, as in the paper, for a
            finer grid.
        """
        auxiliary = _auxiliary_pyramid(maps, previous)
        features: Tensor | None = None
        for level in reversed(range(len(STRIDES))):
            merged = pyramid[level] + self.click_projections[level](auxiliary[level])
            if features is not None:
                merged = merged + F.interpolate(features, scale_factor=2.0, mode="nearest")
            features = self.stages[level](merged)
        deep = F.normalize(self.projection(features), dim=1)
        return upsample(deep, STRIDES[0] // self.grid_stride)


class SeparableBlock(nn.Module):
    """Residual block: expand, depth-wise 5×5, project.

    Parameters
    ----------
    channels : int
    expansion : int
        1 leaves the expanding convolution out.
    """

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()]
        layers += [
            nn.Conv2d(inner, inner, 5, padding=2, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        ]
        self.body = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, H, W) → the same shape."""
        merged: Tensor = F.relu(features + self.body(features))
        return merged


def _auxiliary_pyramid(maps: Tensor, previous: Tensor) -> list[Tensor]:
    """Disks as mean and maximum of each cell, previous mask as its mean, at every stride.

    The last channel is 1 where there are clicks at all: it tells a place that is far from the
    clicks (not the object) from one of class mode, where all that looks alike belongs together.
    """
    any_click = maps.amax((1, 2, 3), keepdim=True)
    mean = F.avg_pool2d(torch.cat([maps, previous], 1), STRIDES[0])
    maximum = F.max_pool2d(maps, STRIDES[0])
    levels = []
    for level in range(len(STRIDES)):
        if level:
            mean, maximum = F.avg_pool2d(mean, 2), F.max_pool2d(maximum, 2)
        plane = any_click.expand(-1, 1, *mean.shape[-2:])
        levels.append(torch.cat([mean, maximum, plane], 1))
    return levels
