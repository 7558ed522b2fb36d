"""Objects that the border of the image cuts, clicked in its outermost pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_gpcis import load_model
from napari_gpcis.engine import Box, Click, Session
from napari_gpcis.engine.embedding import mirrored
from napari_gpcis.engine.geometry import Scale
from napari_gpcis.engine.window import canvas_of, keep_window, open_window
from tests.engine.conftest import disk

SHAPE = (128, 128)
NATIVE = Scale(32, 32)


def iou(given, wanted):
    return (given & wanted).sum() / (given | wanted).sum()


@pytest.fixture(scope="module")
def model():
    return load_model("default")


@pytest.fixture(scope="module")
def cut_off():
    """A quarter of a bright disk in the first corner, a whole one elsewhere; and the quarter."""
    quarter, whole = disk(SHAPE, (0, 0), 60), disk(SHAPE, (80, 80), 36)
    soft = gaussian_filter((quarter | whole).astype(float), 1.0)
    noise = np.random.default_rng(0).normal(0, 60, SHAPE)
    return (300 + 2100 * soft + noise).clip(0).astype(np.uint16), quarter


@pytest.mark.parametrize("diameter", [None, 30])
@pytest.mark.parametrize("flips", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
@pytest.mark.parametrize("inset", [0, 1, 3])
def test_a_click_in_a_corner_finds_the_object_that_the_corner_cuts(
    model, cut_off, flips, inset, diameter
):
    image, truth = (array[:: flips[0], :: flips[1]] for array in cut_off)
    row, col = (inset if flip > 0 else 127 - inset for flip in flips)
    session = Session(model, "cpu", object_diameter=diameter)
    session.set_image(image)
    result = session.add_click(row, col)
    assert iou(result.mask, truth) > 0.85
    assert result.probability.shape == SHAPE


def test_a_later_click_on_the_border_is_answered_like_a_first_one(model, cut_off):
    image, truth = cut_off
    session = Session(model, "cpu", object_diameter=30)
    session.set_image(image)
    session.add_click(12, 12)
    result = session.add_click(0, 0)
    assert iou(result.mask, truth) > 0.85
    result = session.add_click(127, 127, positive=False)
    assert result.mask[0, 0]
    assert not result.mask[127, 127]


def test_a_window_reaches_a_cell_beyond_a_side_that_a_click_is_close_to():
    shape = (600, 620)  # 19 × 20 cells, the last ones beyond the image in part
    assert canvas_of([Click(0, 300, 300)], NATIVE, shape) == Box(0, 0, 19, 20)
    assert canvas_of([Click(0, 3, 300)], NATIVE, shape) == Box(-1, 0, 19, 20)
    assert canvas_of([Click(0, 599, 0)], NATIVE, shape) == Box(0, -1, 20, 20)
    corner = Click(0, 0, 619)
    window = open_window(Box(0, 619, 1, 620), NATIVE, shape, clicks=(corner,))
    assert window == Box(-1, 9, 11, 21)


def test_a_window_without_the_margin_is_not_kept_for_a_click_on_the_border():
    shape, inside = (640, 640), Box(0, 4, 12, 16)
    far, near = Click(0, 100, 300), Click(0, 2, 300)
    box = Box(2, 280, 120, 320)
    assert keep_window(inside, box, far, NATIVE, shape)
    assert not keep_window(inside, box, near, NATIVE, shape)
    assert keep_window(inside._replace(r0=-1), box, near, NATIVE, shape)


def test_features_beyond_the_image_are_its_mirror_image():
    values = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(1, 2, 3, 4)
    found = mirrored(values, Box(0, 0, 3, 4), Box(-2, -5, 4, 6))
    wanted = np.pad(values.numpy(), ((0, 0), (0, 0), (2, 1), (5, 2)), mode="symmetric")
    np.testing.assert_array_equal(found.numpy(), wanted)
