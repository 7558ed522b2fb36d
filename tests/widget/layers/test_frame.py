"""From a layer's n-D coordinates to slices, rows and columns, and back."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_gpcis.engine import Box
from napari_gpcis.widget.layers.arrays import stack_of
from napari_gpcis.widget.layers.frame import Frame, displayed_axes

SHAPES = [
    ((30, 40), (0, 1), None, (1, 30, 40)),
    ((7, 30, 40), (1, 2), None, (7, 30, 40)),
    ((7, 30, 40), (2, 0), None, (30, 7, 40)),
    ((3, 7, 30, 40), (2, 3), None, (21, 30, 40)),
    ((3, 7, 30, 40), (1, 3), None, (90, 7, 40)),
    ((7, 2, 30, 40), (2, 3), 1, (7, 30, 40)),
    ((2, 30, 40), (1, 2), 0, (1, 30, 40)),
]


@pytest.mark.parametrize(("sizes", "displayed", "channel_axis", "shape"), SHAPES)
def test_every_corner_of_the_stack_is_found_again(sizes, displayed, channel_axis, shape) -> None:
    frame = Frame.of(sizes, displayed, channel_axis)
    assert frame.shape == shape
    numbers = np.arange(math.prod(frame.data_shape)).reshape(frame.data_shape)
    stack = np.asarray(stack_of(numbers, frame))
    for z in range(shape[0]):
        for row, col in ((0, 0), (shape[1] - 1, 2), (3, shape[2] - 1)):
            position = frame.to_data(z, row, col)
            assert len(position) == frame.ndim
            assert frame.to_click(position) == (z, row, col)
            assert frame.slice_of(position) == z
            assert numbers[frame.pixel(z, row, col)] == stack[z, row, col]
        box = Box(1, 2, 4, 7)
        assert np.array_equal(numbers[frame.index(z, box)], stack[(z, *box.slices)])


@pytest.mark.parametrize(("sizes", "displayed", "channel_axis", "shape"), SHAPES)
def test_voxels_become_clicks_like_positions(sizes, displayed, channel_axis, shape) -> None:
    frame = Frame.of(sizes, displayed, channel_axis)
    generator = np.random.default_rng(0)
    voxels = generator.integers(0, frame.data_shape, (20, frame.ndim))
    assert [tuple(click) for click in frame.to_clicks(voxels)] == [
        frame.to_click(voxel) for voxel in voxels
    ]


def test_leading_axes_count_like_an_index_in_c_order() -> None:
    frame = Frame.of((3, 7, 30, 40), (2, 3))
    assert frame.to_click((2, 4, 10, 20)) == (2 * 7 + 4, 10, 20)


def test_transposing_the_view_changes_no_click() -> None:
    assert Frame.of((7, 30, 40), (1, 2)) == Frame.of((7, 30, 40), (2, 1))
    assert Frame.of((7, 30, 40), (-1, -2)).plane == (1, 2)


def test_a_pixel_reaches_half_its_width_around_its_centre() -> None:
    frame = Frame.of((30, 40), (0, 1))
    assert frame.to_click((-0.5, 39.49)) == (0, 0, 39)
    assert frame.to_click((0.5, 1.4999)) == (0, 1, 1)
    for outside in ((-0.51, 3), (3, 39.5), (30, 3), (np.nan, 3), (3, np.inf)):
        assert frame.to_click(outside) is None


def test_positions_beyond_the_stack_are_no_click_but_have_a_nearest_slice() -> None:
    frame = Frame.of((3, 7, 30, 40), (2, 3))
    assert frame.to_click((3, 4, 10, 20)) is None
    assert frame.slice_of((3, 4, 10, 20)) == 2 * 7 + 4
    assert frame.slice_of((1, -9, 10, 20)) == 7
    assert frame.to_click((1.4, 3.6, 10, 20)) == (1 * 7 + 4, 10, 20)


def test_the_slice_between_two_is_the_one_that_napari_shows() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.arange(6)[:, None, None] * np.ones((6, 30, 40)))
    frame = Frame.of_layer(layer, viewer)
    for point in (0.5, 1.5, 2.5, 3.4):
        viewer.dims.set_point(0, point)
        shown = layer.get_value((point, 5, 5), world=False)
        assert frame.slice_of((point, 5, 5)) == round(point)
        assert shown == round(point)


@pytest.mark.parametrize(
    ("sizes", "displayed", "channel_axis", "message"),
    [
        ((40,), (0, 1), None, "expected two displayed axes"),
        ((7, 30, 40), (0, 1, 2), None, "shown in 2D"),
        ((7, 30, 40), (1, 1), None, "expected two displayed axes"),
        ((7, 30, 40), (1, 3), None, "expected two displayed axes"),
        ((7, 30, 40), (1, 2), 2, "roll the viewer's dimensions"),
        ((7, 30, 40), (1, 2), 3, "expected a channel axis below 3"),
    ],
)
def test_axes_that_are_no_plane_are_refused(sizes, displayed, channel_axis, message) -> None:
    with pytest.raises(ValueError, match=message):
        Frame.of(sizes, displayed, channel_axis)


def test_slices_and_positions_that_are_none_are_refused() -> None:
    frame = Frame.of((3, 7, 30, 40), (2, 3))
    for z in (-1, 21):
        with pytest.raises(ValueError, match="expected a slice below 21"):
            frame.to_data(z, 0, 0)
    with pytest.raises(ValueError, match="expected a position with 4 coordinates, got 2"):
        frame.to_click((1, 2))


def test_a_part_of_a_slice_becomes_data_of_a_small_layer() -> None:
    values = np.arange(6).reshape(2, 3)
    assert Frame.of((3, 7, 30, 40), (2, 3)).expand(values).shape == (1, 1, 2, 3)
    assert Frame.of((7, 30, 40), (0, 2)).expand(values).shape == (2, 1, 3)
    assert Frame.of((30, 40), (0, 1)).expand(values).shape == (2, 3)


def test_layers_of_fewer_axes_are_aligned_at_the_last_ones() -> None:
    assert displayed_axes((0, 1, 2, 3), 3) == (1, 2)
    assert displayed_axes((0, 3, 1, 2), 3) == (0, 1)
    assert displayed_axes((2, 3, 0, 1), 2) == (0, 1)
    viewer = ViewerModel()
    flat = viewer.add_image(np.zeros((30, 40)))
    deep = viewer.add_image(np.zeros((7, 30, 40)))
    for order in ((0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1)):
        viewer.dims.order = order
        for layer in (flat, deep):
            shown = layer._slice_input.displayed
            assert displayed_axes(viewer.dims.order, layer.ndim) == tuple(shown)
            assert Frame.of_layer(layer, viewer).is_shown(layer, viewer)


def test_a_frame_knows_when_another_plane_is_shown() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((7, 30, 40)))
    frame = Frame.of_layer(layer, viewer)
    viewer.dims.order = (0, 2, 1)
    assert frame.is_shown(layer, viewer)
    viewer.dims.order = (1, 0, 2)
    assert not frame.is_shown(layer, viewer)


def test_layers_say_what_their_axes_are() -> None:
    viewer = ViewerModel()
    rgb = viewer.add_image(np.zeros((7, 30, 40, 3), np.uint8), rgb=True)
    levels = viewer.add_image([np.zeros((7, 64, 80)), np.zeros((7, 32, 40))], multiscale=True)
    labels = ["Z", "C", "Y", "X"]
    channels = viewer.add_image(np.zeros((7, 2, 30, 40)), axis_labels=labels)
    plain = viewer.add_image(np.zeros((7, 2, 30, 40)))
    assert Frame.of_layer(rgb, viewer) == Frame((7, 30, 40), (1, 2))
    assert Frame.of_layer(levels, viewer) == Frame((7, 64, 80), (1, 2))
    assert Frame.of_layer(channels, viewer) == Frame((7, 2, 30, 40), (2, 3), 1)
    assert Frame.of_layer(plain, viewer) == Frame((7, 2, 30, 40), (2, 3))
    assert Frame.of_layer(plain, viewer, 1).data_shape == (7, 1, 30, 40)
    viewer.dims.order = (0, 3, 1, 2)
    assert Frame.of_layer(channels, viewer).channel_axis is None


def test_importing_frames_loads_no_torch() -> None:
    source = "import sys, napari_gpcis.widget.layers.frame; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60)


@pytest.mark.parametrize(
    ("shape", "z", "expected"),
    [((9, 9), 0, range(1)), ((4, 9, 9), 2, range(4)), ((3, 4, 9, 9), 6, range(4, 8))],
)
def test_slices_follow_one_another_within_a_volume(
    shape: tuple[int, ...], z: int, expected: range
) -> None:
    assert Frame.of(shape, (-2, -1)).run_of(z) == expected
