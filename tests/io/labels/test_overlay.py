from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from napari_gpcis.engine.click import Click
from napari_gpcis.io.labels.encode import encode_page
from napari_gpcis.io.labels.overlay import StackPage, draw_overlay

BLUE, VERMILION = [86, 180, 233], [213, 94, 0]


def square(shape: tuple[int, int]) -> np.ndarray:
    labels = np.zeros(shape, np.int32)
    labels[10:30, 20:60] = 4
    return labels


def test_outlines_are_drawn_and_the_inside_is_left_as_it_is() -> None:
    image = data.coins()[:128, :256]
    bare = draw_overlay(image, np.zeros(image.shape, np.int32), [])
    marked = draw_overlay(image, square(image.shape), [])
    changed = (bare != marked).any(-1)[::2, ::2]
    assert changed[10, 20:60].all()
    assert changed[10:30, 59].all()
    assert not changed[13:27, 23:57].any()
    assert not changed[40:].any()


def test_positive_and_negative_clicks_differ_in_colour_and_shape() -> None:
    labels = np.zeros((512, 512), np.uint16)
    clicks = [Click(0, 100, 200), Click(0, 300, 400, positive=False)]
    overlay = draw_overlay(np.zeros((512, 512)), labels, clicks)
    assert overlay[100, 200].tolist() == BLUE
    assert overlay[300, 400].tolist() == VERMILION
    # A disc fills its sides; a cross leaves them free.
    assert overlay[100, 203].tolist() == BLUE
    assert overlay[300, 404].tolist() != VERMILION
    assert overlay[303, 403].tolist() == VERMILION


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((100, 50), (600, 300)), ((600, 400), (600, 400)), ((90, 6000), (30, 2000))],
)
def test_overlays_have_a_size_to_look_at(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    last = Click(0, shape[0] - 1, shape[1] - 1)
    overlay = draw_overlay(np.ones(shape), np.zeros(shape, np.int32), [last])
    assert overlay.shape == (*expected, 3)
    assert BLUE in overlay[-5:, -5:].reshape(-1, 3).tolist()


@pytest.mark.parametrize("value", [0.0, 5.0, np.nan, np.inf])
def test_images_without_contrast_are_drawn(value: float) -> None:
    overlay = draw_overlay(np.full((64, 64), value), np.zeros((64, 64), np.int32), [])
    assert overlay.max() == overlay.min()


def test_two_channels_are_green_and_magenta() -> None:
    image = np.zeros((600, 600, 2), np.uint16)
    image[100:, :, 0] = 1000
    image[:, 300:, 1] = 50
    overlay = draw_overlay(image, np.zeros((600, 600), np.int32), [])
    assert overlay[200, 100].tolist() == [0, 255, 0]
    assert overlay[50, 400].tolist() == [255, 0, 255]


class Stack:
    """Stand in for an ImageStack; notes how many pixels are read."""

    def __init__(self, pages: np.ndarray) -> None:
        self.pages = pages
        self.pixels_read = 0

    def read(self, z: int, rows: slice, columns: slice) -> np.ndarray:
        region = self.pages[z, rows, columns]
        self.pixels_read += region.size
        return region


@pytest.mark.parametrize("side", [300, 1000, 4500])
def test_pages_and_arrays_are_drawn_alike(side: int) -> None:
    image = np.random.default_rng(0).integers(0, 99, (2, side, 200), np.uint8)
    labels, stack = square((side, 200)), Stack(image)
    clicks = [Click(1, 20, 30), Click(1, side - 1, 199, positive=False)]
    expected = draw_overlay(image[1], labels, clicks)
    drawn = draw_overlay(StackPage(stack, 1), encode_page(labels, np.uint16), clicks)
    np.testing.assert_array_equal(drawn, expected)


def test_of_a_very_large_page_only_what_is_shown_is_read() -> None:
    # Nothing of it is held: each pixel is the same one.
    huge = np.broadcast_to(np.uint8(7), (1, 30_000, 30_000))
    stack, labels = Stack(huge), np.broadcast_to(np.uint16(3), (30_000, 30_000))
    overlay = draw_overlay(StackPage(stack, 0), labels, [])
    assert overlay.shape == (2000, 2000, 3)
    assert stack.pixels_read == 2000**2


@pytest.mark.parametrize("scale", [1e300, -1.7e308])
def test_numbers_that_single_precision_cannot_hold_are_no_trouble(scale: float) -> None:
    image = np.linspace(0, scale, 40 * 50).reshape(40, 50)
    image[0, 0] = 1.0
    assert draw_overlay(image, np.zeros((40, 50), np.uint16), []).dtype == np.uint8
