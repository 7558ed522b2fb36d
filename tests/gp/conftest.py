"""A small classifier and random features in float64, where moments can be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_gpcis.gp import GPClassifier

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="session")
def oracle() -> dict[str, Tensor]:
    """Numbers of the reference implementation."""
    with np.load(DATA / "gp_oracle.npz", allow_pickle=False) as numbers:
        return {name: torch.from_numpy(np.asarray(numbers[name])) for name in numbers.files}


@pytest.fixture
def classifier() -> GPClassifier:
    """Random classifier of 8 deep features, in evaluation mode, without gradients."""
    torch.manual_seed(0)
    return GPClassifier(feature_dim=8, fourier_features=32).eval().requires_grad_(False)


def random_features(
    batch: int, grid: tuple[int, int], stride: int, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Unit-length deep features (B, 8, h, w) and colours (B, 3, stride·h, stride·w)."""
    generator = torch.Generator().manual_seed(seed)
    deep = torch.randn(batch, 8, *grid, generator=generator)
    size = (grid[0] * stride, grid[1] * stride)
    colour = torch.randn(batch, 3, *size, generator=generator)
    return torch.nn.functional.normalize(deep, dim=1), colour


def random_clicks(count: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Clicks on `count` different pixels, with random signs: (count, 3)."""
    generator = torch.Generator().manual_seed(seed)
    flat = torch.randperm(size[0] * size[1], generator=generator)[:count]
    signs = torch.randint(0, 2, (count,), generator=generator) * 2 - 1
    rows = torch.div(flat, size[1], rounding_mode="floor")
    return torch.stack([rows, flat % size[1], signs], 1).float()
