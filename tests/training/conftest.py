"""A data folder of drawn cells and a configuration that trains in a moment."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import yaml
from skimage.draw import ellipse


def draw_cells(seed: int, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Bright ellipses on noise, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.uint8)
    for number, (row, col) in enumerate(((24, 26), (26, 70), (70, 48)), start=1):
        rows, cols = ellipse(row, col, rng.integers(8, 16), rng.integers(8, 16), labels.shape)
        labels[rows, cols] = number
    image = 40 + 120 * (labels > 0) + rng.normal(0, 10, labels.shape)
    return image.clip(0, 255).astype(np.uint8), labels


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight 2-D images, `cells`, and a volume of twelve slices, `volume`."""
    root = tmp_path_factory.mktemp("data")
    for name in ("cells", "volume"):
        for kind in ("images", "labels"):
            (root / name / kind).mkdir(parents=True)
    for index in range(8):
        image, labels = draw_cells(index)
        iio.imwrite(root / "cells" / "images" / f"{index:02d}.png", image)
        iio.imwrite(root / "cells" / "labels" / f"{index:02d}.png", labels)
    planes = [draw_cells(100 + z) for z in range(12)]
    for kind, stack in zip(("images", "labels"), zip(*planes, strict=True), strict=True):
        tifffile.imwrite(root / "volume" / kind / "stack.tif", np.stack(stack))
    return root


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    values = {
        "network": {
            "encoder": "test_efficientnet",
            "channels": 8,
            "feature_dim": 8,
            "fourier_features": 8,
        },
        "licence": "BSD-3-Clause",
        "data": [
            {"name": "cells", "weight": 2.0, "licence": "CC0"},
            {"name": "volume", "components": True},
        ],
        "augment": {
            "size": 64,
            "diameter": [16, 48],
            "wide_probability": 0.3,
            "wide_size": 96,
            "wide_count": 1,
        },
        "clicks": {"rounds": 1},
        "optimiser": {"batch_size": 2, "warmup_steps": 2, "steps": 6},
        "workers": 0,
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    images, labels = tmp_path / "nuclei" / "images", tmp_path / "nuclei" / "labels"
    images.mkdir(parents=True)
    labels.mkdir()
    return images, labels


@pytest.fixture
def cells(folders: tuple[Path, Path]) -> tuple[Path, Path]:
    """Four labelled images."""
    images, labels = folders
    for index in range(4):
        image, numbers = draw_cells(index)
        iio.imwrite(images / f"{index}.png", image)
        tifffile.imwrite(labels / f"{index}_labels.tif", numbers)
    return folders
