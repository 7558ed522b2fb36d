from __future__ import annotations

import numpy as np
import pytest
import torch
from napari_gpcis_training.benchmark.zoom import Zoom, ZoomedView, box_iou

from napari_gpcis.engine.geometry import Box
from napari_gpcis.gp.raster import raster_taps, read


def mask_of(box: Box, shape: tuple[int, int] = (100, 120)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[box.slices] = True
    return mask


FIRST = (50, 50, True)


def test_the_first_click_sees_the_whole_image() -> None:
    zoom = Zoom((100, 120))
    assert zoom.follow(np.zeros((100, 120), bool), [FIRST]) == Box(0, 0, 100, 120)


def test_later_clicks_see_the_mask_and_the_positive_clicks_times_1_4() -> None:
    zoom = Zoom((100, 120))
    mask = mask_of(Box(40, 40, 60, 60))
    # 20 px × 1.4 = 28 px around row 49.5; columns 40 … 69 by the click: 30 × 1.4 = 42 around 54.5
    box = zoom.follow(mask, [FIRST, (50, 69, True)])
    assert box == Box(36, 34, 65, 77)
    # a negative click does not widen the box
    assert Zoom((100, 120)).follow(mask, [FIRST, (5, 5, False)]) == Box(36, 36, 65, 65)


def test_the_box_ends_at_the_image() -> None:
    box = Zoom((100, 120)).follow(mask_of(Box(0, 0, 20, 120)), [FIRST, (50, 50, True)])
    assert box.r0 == box.c0 == 0
    assert box.c1 == 120


def test_a_box_stays_until_the_wanted_one_differs_or_a_click_falls_outside() -> None:
    zoom = Zoom((100, 120))
    first = zoom.follow(mask_of(Box(40, 40, 60, 60)), [FIRST, FIRST])
    assert zoom.follow(mask_of(Box(41, 41, 61, 59)), [FIRST, FIRST]) == first
    shrunk = zoom.follow(mask_of(Box(46, 46, 54, 54)), [FIRST, FIRST])
    assert box_iou(first, shrunk) < 0.5
    assert shrunk != first
    clicks = [FIRST, FIRST, (70, 50, True)]
    assert zoom.follow(mask_of(Box(46, 46, 54, 54)), clicks).holds(70, 50)


def test_an_empty_mask_leaves_the_view_as_it_is() -> None:
    zoom, nothing = Zoom((100, 120)), np.zeros((100, 120), bool)
    assert zoom.follow(nothing, [FIRST, FIRST]) == Box(0, 0, 100, 120)
    box = zoom.follow(mask_of(Box(40, 40, 60, 60)), [FIRST, FIRST])
    assert zoom.follow(nothing, [FIRST, FIRST, FIRST]) == box


def test_a_tiny_object_is_not_magnified_without_end() -> None:
    rows, cols = Zoom((100, 120)).follow(mask_of(Box(50, 50, 51, 51)), [FIRST, FIRST]).shape
    assert rows == cols == 11


@pytest.mark.parametrize("box", [Box(3, 5, 23, 17), Box(0, 0, 100, 120)])
def test_a_click_is_read_where_its_pixel_is_shown(box: Box) -> None:
    # magnified or shrunk: what is linear in the view at a click is what its pixel gets back
    view = ZoomedView(box, 32)
    clicks = [(box.r0 + 7, box.c0 + 4, True), (box.r1 - 3, box.c1 - 2, False)]
    placed = view.place(clicks, torch.device("cpu"))
    assert placed[:, 2].tolist() == [1.0, -1.0]
    raster = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    shown = view.to_image(raster)
    taps = raster_taps(placed[None, :, :2], 32, 32)
    expected = read(raster.reshape(1, -1, 1), taps)[0, :, 0]
    given = [shown[row - box.r0, col - box.c0] for row, col, _ in clicks]
    assert given == pytest.approx(expected.tolist(), abs=1e-6)


def test_clicks_outside_the_view_are_left_out() -> None:
    placed = ZoomedView(Box(10, 10, 20, 20), 32).place([(5, 15, False)], torch.device("cpu"))
    assert placed.shape == (0, 3)


def test_a_view_at_the_images_own_size_is_the_image() -> None:
    raster = torch.rand(1, 3, 40, 40)
    view = ZoomedView(Box(4, 4, 36, 36), 32)
    torch.testing.assert_close(view.cut(raster), raster[..., 4:36, 4:36])
    torch.testing.assert_close(
        torch.from_numpy(view.to_image(raster[:, :1, 4:36, 4:36])), raster[0, 0, 4:36, 4:36]
    )
