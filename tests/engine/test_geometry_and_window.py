from __future__ import annotations

import numpy as np
import pytest

from napari_gpcis.engine import Box, Click
from napari_gpcis.engine.geometry import Scale, bounding_box
from napari_gpcis.engine.window import better_level, keep_window, object_box, open_window

SHAPE = (2000, 3000)
NATIVE = Scale(32, 32)


@pytest.mark.parametrize(("diameter", "pixels"), [(64, 32), (10, 5), (400, 200), (0.1, 1)])
def test_the_scale_makes_objects_as_large_as_in_training(diameter, pixels):
    scale = Scale.for_diameter(diameter, 64, 32)
    assert scale == Scale(32, pixels)
    if diameter >= 1:
        assert diameter * scale.factor == pytest.approx(64, rel=0.1)


def test_a_level_up_halves_the_resolution_and_a_level_down_doubles_it():
    factors = [Scale.for_diameter(64, 64, 32, level).factor for level in (-1, 0, 1)]
    assert factors == [2, 1, 0.5]


def test_cells_fit_networks_with_a_smaller_divisor():
    assert Scale.for_diameter(64, 64, 8).cell == 32
    assert Scale.for_diameter(64, 64, 24).cell == 48


@pytest.mark.parametrize("pixels", [33, 50, 100])
def test_where_the_network_shrinks_pixel_centres_agree_on_both_sides(pixels):
    scale = Scale(32, pixels)
    for pixel in range(3 * pixels):
        assert (scale.to_network(pixel) + 0.5) / 32 == pytest.approx((pixel + 0.5) / pixels)


@pytest.mark.parametrize("pixels", [1, 5, 20, 31, 32])
def test_where_the_network_magnifies_a_pixel_is_read_at_the_one_that_holds_its_centre(pixels):
    scale = Scale(32, pixels)
    for pixel in range(3 * pixels):
        position = scale.to_network(pixel)
        assert position == int(position)
        assert position <= (pixel + 0.5) * 32 / pixels < position + 1


def test_a_bounding_box_is_tight():
    mask = np.zeros((10, 12), bool)
    assert bounding_box(mask) is None
    mask[3:5, 7:9] = mask[6, 2] = True
    assert bounding_box(mask) == Box(3, 2, 7, 9)


def test_a_window_is_at_least_384_network_pixels_around_the_click():
    for scale in (NATIVE, Scale(32, 5), Scale(32, 90)):
        window = open_window(Box(1000, 1500, 1001, 1501), scale, SHAPE)
        assert window.shape == (12, 12)
        pixels = window.times(scale.pixels)
        assert pixels.holds(1000, 1500)
        middle = (pixels.r0 + pixels.r1) / 2, (pixels.c0 + pixels.c1) / 2
        assert middle == pytest.approx((1000, 1500), abs=scale.pixels)


def test_a_window_is_40_percent_larger_than_the_object():
    box = Box(500, 700, 1100, 1900)
    pixels = open_window(box, NATIVE, SHAPE).times(32)
    for low, high, first, last in ((500, 1100, pixels.r0, pixels.r1), (700, 1900, *pixels[1::2])):
        assert 1.4 * (high - low) <= last - first <= 1.4 * (high - low) + 64
    assert pixels.unite(box) == pixels


@pytest.mark.parametrize(
    ("place", "wanted"), [((0, 0), Box(0, 0, 12, 12)), ((1999, 2999), Box(51, 82, 63, 94))]
)
def test_a_window_at_a_corner_is_shifted_inside(place, wanted):
    assert open_window(Box(*place, place[0] + 1, place[1] + 1), NATIVE, SHAPE) == wanted


def test_a_window_in_a_small_slice_is_the_slice():
    assert open_window(Box(3, 3, 4, 4), NATIVE, (50, 1000)).shape == (2, 12)
    assert open_window(Box(3, 3, 4, 4), NATIVE, (5, 7)) == Box(0, 0, 1, 1)


def test_the_window_stays_while_the_object_is_inside():
    window, box = Box(10, 10, 22, 22), Box(400, 400, 500, 500)
    assert keep_window(window, box, Click(0, 450, 450), NATIVE, SHAPE)


def test_a_click_outside_the_window_opens_another():
    window, click = Box(10, 10, 22, 22), Click(0, 319, 450)
    assert not keep_window(window, object_box(None, [click]), click, NATIVE, SHAPE)


def test_a_mask_at_the_edge_opens_another_window_unless_the_slice_ends_there():
    touching = Box(320, 400, 500, 500)
    click = Click(0, 450, 450)
    assert not keep_window(Box(10, 10, 22, 22), touching, click, NATIVE, SHAPE)
    above = Click(0, 200, 450)
    assert keep_window(Box(0, 10, 12, 22), Box(0, 400, 300, 500), above, NATIVE, SHAPE)


def test_a_leak_that_is_being_corrected_does_not_open_another_window():
    touching, click = Box(320, 400, 500, 500), Click(0, 450, 450, positive=False)
    assert keep_window(Box(10, 10, 22, 22), touching, click, NATIVE, SHAPE)


def test_growing_objects_move_a_level_up():
    large, small = Box(0, 0, 300, 50), Box(0, 0, 250, 50)
    add, take = Click(0, 1, 1), Click(0, 1, 1, positive=False)
    assert better_level(0, large, large, add, 64, NATIVE) == 1
    assert better_level(0, small, small, add, 64, NATIVE) == 0
    assert better_level(0, large, large, take, 64, NATIVE) == 0
    assert better_level(0, large, large, add, 64, Scale(32, 64)) == 0


def test_shrinking_objects_move_a_level_down():
    tiny, take = Box(0, 0, 12, 20), Click(0, 1, 1, positive=False)
    assert better_level(0, tiny, tiny, take, 64, NATIVE) == -1
    assert better_level(0, tiny, tiny, Click(0, 1, 1), 64, NATIVE) == 0
    assert better_level(0, tiny, tiny, take, 64, Scale(32, 16)) == 0


def test_objects_that_would_need_a_huge_window_move_up_as_far_as_it_takes():
    huge, take = Box(0, 0, 200, 3000), Click(0, 1, 1, positive=False)
    level = better_level(0, huge, huge, take, 64, NATIVE)
    scale = Scale.for_diameter(64, 64, 32, level)
    assert max(open_window(huge, scale, (4000, 4000)).shape) <= 34
    assert level == 3


def test_negative_clicks_far_from_a_small_object_leave_the_level():
    around, small = Box(0, 0, 300, 300), Box(100, 100, 160, 160)
    assert better_level(0, around, small, Click(0, 130, 130), 64, NATIVE) == 0
