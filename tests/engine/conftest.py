"""Two networks: one with random weights, and one that tells bright from dark."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_gpcis.model import NetworkConfig, SegmentationNetwork, build_network

SMALL = {"encoder": "test_resnet", "channels": 8, "feature_dim": 8, "fourier_features": 16}


class Brightness(nn.Module):
    """Deep features that are the brightness, as an angle."""

    grid_stride = 4
    size_divisor = 32
    pyramid_strides = (4, 8)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        return F.avg_pool2d(image, 4), F.avg_pool2d(image, 8)

    def decode(self, pyramid: tuple[Tensor, ...], maps: Tensor, previous: Tensor) -> Tensor:
        angle = 0.6 * pyramid[0].mean(1, keepdim=True)
        return torch.cat([angle.cos(), angle.sin()], 1)


@pytest.fixture
def seeing() -> SegmentationNetwork:
    """What resembles a positive click belongs to the object, the rest does not."""
    network = build_network(NetworkConfig(**{**SMALL, "feature_dim": 2}))
    network.fusion = Brightness()
    classifier = network.head.classifier
    with torch.no_grad():
        classifier.log_precision.fill_(math.log(10.0))
        classifier.target_mlp[-1].weight.zero_()
        classifier.target_mlp[-1].bias.fill_(2.0)
        prior = classifier.prior_path
        prior.theta.weight.zero_()
        prior.theta.bias.fill_(math.pi / 2)
        prior.omega.fill_(-1.0 / math.sqrt(2 * len(prior.omega)))
    return network.eval()


@pytest.fixture
def network() -> SegmentationNetwork:
    """Random weights; the masks mean nothing, the guarantees hold."""
    torch.manual_seed(0)
    return build_network(NetworkConfig(**SMALL))


def disk(
    shape: tuple[int, int], centre: tuple[float, float], diameter: float
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Mask of a disk, diameter in pixels."""
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= (diameter / 2) ** 2


class Watched:
    """An array that is read through `__getitem__` alone, and remembers how."""

    def __init__(self, array: np.ndarray[Any, np.dtype[Any]]) -> None:
        self._array = array
        self.shape = array.shape
        self.dtype = array.dtype
        self.reads: list[Any] = []

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, tuple) or not all(isinstance(part, (int, slice)) for part in key):
            raise TypeError(f"only integers and slices, as zarr has it, got {key}")
        self.reads.append(key)
        return self._array[key]
