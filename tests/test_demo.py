"""`make demo` does what it promises: labels that agree with every click, and pictures of them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import imageio.v3 as iio
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[1] / "scripts" / "demo.py"


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("napari_gpcis_demo", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(demo: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    demo.main(folder)
    return folder


def labels_of(folder: Path, name: str) -> NDArray[np.uint16]:
    return iio.imread(folder / f"{name}_labels.tif")


def test_every_click_is_right_in_the_labels(demo: ModuleType, folder: Path) -> None:
    wrong = [
        (scene.name, row, col)
        for scene in demo.SCENES
        for row, col, sign, target in scene.clicks
        if (labels_of(folder, scene.name)[row, col] == target) != (sign > 0)
    ]
    assert wrong == []


def test_every_scene_leaves_an_overlay_of_its_picture(demo: ModuleType, folder: Path) -> None:
    for scene in demo.SCENES:
        overlay = iio.imread(folder / f"{scene.name}_overlay.png")
        image = iio.imread(folder / f"{scene.name}.tif")
        assert overlay.shape[0] * image.shape[1] == overlay.shape[1] * image.shape[0]
        assert overlay.std() > 10


def test_the_command_line_agrees_with_the_session(folder: Path) -> None:
    """They differ at most where two objects claim a pixel: there the likelier one gets it."""
    differ = iio.imread(folder / "coins_by_command.tif") != labels_of(folder, "coins")
    assert differ.mean() < 0.01


def test_coins_are_outlined(folder: Path) -> None:
    """Coins are brighter than the cloth that they lie on, and cover a third of it at most."""
    labels, image = labels_of(folder, "coins"), skimage.data.coins()
    areas = np.bincount(labels.ravel(), minlength=7)[1:]
    assert areas.min() > 700
    assert areas.max() < 5000
    assert image[labels > 0].mean() > image[labels == 0].mean() + 30
