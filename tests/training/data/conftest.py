"""A lab's folders of images and labels."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import pytest
import tifffile

from tests.training.conftest import draw_cells


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
