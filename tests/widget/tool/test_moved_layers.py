"""A click reaches the pixel under the mouse; its mask lies over it, however layers are placed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pytest

from tests.widget import at_work
from tests.widget.at_work import click, disks, settle, show_slice, world_of

pytestmark = pytest.mark.gui
open_tool, journals = at_work.open_tool, at_work.journals
OpenTool = Callable[..., Any]

DISK = (48, 40)
PLACEMENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "anisotropic": {"scale": (0.3, 2.5), "translate": (-7, 1000)},
    "rotated": {"rotate": 33, "scale": (2, 2), "translate": (5, 6)},
    "sheared": {"affine": np.array([[1.2, 0.7, 30], [-0.4, 0.9, -12], [0, 0, 1]])},
    "mirrored": {"affine": np.array([[0, -1.5, 3], [2, 0, 4], [0, 0, 1]]), "scale": (0.5, 3)},
    "micrometres": {"scale": (0.065, 0.065), "units": ("um", "um")},
}


def value_at(layer: Any, world: tuple[float, ...]) -> Any:
    """What a layer says of a position in the world, as napari itself finds it."""
    return layer.get_value(world, world=True)


def check(tool: Any, z: int, place: tuple[int, int], outside: tuple[int, int]) -> None:
    """A positive and a negative click; mask, preview and labels are where they were clicked."""
    inside, ground = world_of(tool, z, *place), world_of(tool, z, *outside)
    click(tool, z, *place)
    preview = tool.document.preview.layer
    assert tool.click_counts == (1, 0)
    assert tool.document.annotation.state.clicks[-1].place == (z, *place)
    assert value_at(preview, inside) == 1
    assert not value_at(preview, ground)
    points = tool.document.clicks.layer
    seen = list(tool.document.frame.plane)
    there = np.array(points.data_to_world(points.data[-1]))
    np.testing.assert_allclose(there[seen], np.array(inside[-points.ndim :])[seen], atol=1e-6)
    click(tool, z, *outside, positive=False)
    assert tool.click_counts == (1, 1)
    assert value_at(preview, inside) == 1
    area = int((preview.data == 1).sum())
    assert 0.7 * np.pi * at_work.RADIUS**2 < area < 1.4 * np.pi * at_work.RADIUS**2
    tool.commit()
    settle(tool)
    assert value_at(tool.document.labels, inside) == 1
    assert not value_at(tool.document.labels, ground)
    assert not preview.data.any()


@pytest.mark.parametrize("name", PLACEMENTS)
def test_masks_lie_where_they_are_clicked(name: str, open_tool: OpenTool) -> None:
    check(open_tool(disks(), **PLACEMENTS[name]), 0, DISK, (48, 90))


def test_the_image_may_be_moved_while_it_is_worked_on(open_tool: OpenTool) -> None:
    tool = open_tool(disks((96, 110), DISK, (48, 85)))
    tool.set_overlay("probability", True)
    click(tool, 0, *DISK)
    image = tool.viewer.layers["image"]
    image.scale, image.translate = (0.5, 3), (40, -10)
    image.rotate = 20
    image.affine = np.array([[1, 0.3, 5], [0, 1.4, 6], [0, 0, 1]])
    world = world_of(tool, 0, *DISK)
    for layer in tool.document.layers:
        np.testing.assert_allclose(layer.data_to_world(DISK), world, atol=1e-6)
    assert value_at(tool.document.preview.layer, world) == 1
    assert value_at(tool.viewer.layers["GPCIS probability"], world) > 0.5
    tool.new_object()
    click(tool, 0, 48, 85)
    assert value_at(tool.document.preview.layer, world_of(tool, 0, 48, 85)) == 1
    assert value_at(tool.document.preview.layer, world) == 2


def test_colours_are_seen(open_tool: OpenTool) -> None:
    gray = disks()
    image = np.stack([gray, gray * 0.5, 1 - gray], axis=-1).clip(0, 1)
    tool = open_tool(image, rgb=True, scale=(2, 3))
    assert tool.axes.channels == ["red", "green", "blue"]
    check(tool, 0, DISK, (48, 90))
    tool.axes.set_channels((0,))
    check_next(tool)


def check_next(tool: Any) -> None:
    """After `check`: the same disk again, as an object of its own."""
    tool.undo()
    tool.undo()
    settle(tool)
    assert tool.click_counts == (1, 0)
    assert value_at(tool.document.preview.layer, world_of(tool, 0, *DISK)) == 1


def test_time_and_depth_are_one_stack(open_tool: OpenTool) -> None:
    image = np.zeros((2, 3, 96, 110), np.float32)
    image[1, 2] = disks()
    tool = open_tool(image, scale=(1, 4, 0.5, 0.5))
    check(tool, 5, DISK, (48, 90))
    assert tool.document.labels.data[1, 2, 48, 40] == 1
    assert tool.document.labels.data.any(axis=(2, 3)).tolist() == [
        [False] * 3,
        [False, False, True],
    ]
    show_slice(tool, 0)
    tool.undo()
    assert tuple(tool.viewer.dims.current_step[:2]) == (1, 2)


def stack_along_y() -> Any:
    """(Z, Y, X) = (96, 32, 110) with a disk in the plane Y = 2."""
    image = np.full((96, 32, 110), 0.1, np.float32)
    image[:, 2] = disks()
    return image


@pytest.mark.parametrize("order", [(1, 0, 2), (1, 2, 0)])
def test_another_plane_is_worked_on_like_the_usual_one(
    open_tool: OpenTool, order: tuple[int, ...]
) -> None:
    tool = open_tool(stack_along_y(), scale=(3, 1, 2))
    tool.viewer.dims.order = order
    settle(tool)
    check(tool, 2, DISK, (48, 90))
    assert tool.document.labels.data[48, 2, 40] == 1


def test_rolling_the_axes_without_clicks_follows_the_view(open_tool: OpenTool) -> None:
    tool = open_tool(stack_along_y())
    first = tool.document
    tool.viewer.dims.roll()
    settle(tool)
    assert tool.document is not first
    assert tool.document.frame.plane != first.frame.plane
    assert len([layer for layer in tool.viewer.layers if "clicks" in layer.name]) == 1


def test_clicks_that_are_not_committed_stay_in_their_plane(open_tool: OpenTool) -> None:
    tool = open_tool(stack_along_y())
    tool.viewer.dims.order = (1, 0, 2)
    settle(tool)
    click(tool, 2, *DISK)
    tool.viewer.dims.order = (0, 1, 2)
    settle(tool)
    tool.mouse.click(tuple(tool.viewer.dims.point), True)
    settle(tool)
    assert tool.click_counts == (1, 0)
    assert tool.status.level == "warning"
    assert "commit or clear" in tool.status.text
    tool.commit()
    settle(tool)
    tool.mouse.click((48, 2, 40), True)
    assert tool.document.frame.plane == (1, 2)
    assert tool.click_counts == (1, 0)
    assert tool.document.labels.data[48, 2, 40] == 1


def test_a_transposed_view_changes_no_click(open_tool: OpenTool) -> None:
    tool = open_tool(disks())
    click(tool, 0, *DISK)
    tool.viewer.dims.transpose()
    settle(tool)
    assert value_at(tool.document.preview.layer, world_of(tool, 0, *DISK)) == 1
    click(tool, 0, 48, 90, positive=False)
    assert tool.click_counts == (1, 1)
    assert [c.place for c in tool.document.annotation.state.clicks] == [(0, *DISK), (0, 48, 90)]


def test_of_a_lazy_stack_only_what_is_looked_at_is_read(open_tool: OpenTool) -> None:
    read = []

    def load(block_info: Any = None) -> Any:
        z = block_info[None]["array-location"][0][0]
        read.append(z)
        return disks()[None]

    image = da.map_blocks(load, chunks=((1,) * 40, (96,), (110,)), dtype=np.float32)
    tool = open_tool(image, contrast_limits=(0, 1), scale=(5, 1, 1))
    click(tool, 7, *DISK)
    # clicked and beside it; where napari begins and beside it; what the journal knows it by; dtype
    assert set(read) <= {6, 7, 8} | {18, 19, 20} | {20} | {0}
    assert value_at(tool.document.preview.layer, world_of(tool, 7, *DISK)) == 1


def test_of_a_pyramid_the_finest_level_is_worked_on(open_tool: OpenTool) -> None:
    fine = disks((192, 220), (96, 80))
    tool = open_tool([fine, fine[::2, ::2], fine[::4, ::4]], multiscale=True, scale=(2, 0.5))
    assert tool.document.labels.data.shape == (192, 220)
    check(tool, 0, (96, 80), (96, 180))


def test_another_layer_may_have_more_axes(open_tool: OpenTool) -> None:
    tool = open_tool(disks(), scale=(2, 2))
    tool.viewer.add_image(np.zeros((3, 4, 50, 60)), name="other")
    tool.viewer.dims.set_point(0, 2)
    settle(tool)
    tool.switcher.choose_image("image")
    settle(tool)
    assert tool.switcher.image_name == "image"
    check(tool, 0, DISK, (48, 90))


def test_an_axis_of_channels_is_no_axis_of_slices(open_tool: OpenTool) -> None:
    image = np.stack([disks(), 1 - disks()])[None].repeat(3, 0)
    tool = open_tool(image, axis_labels=("z", "c", "y", "x"), scale=(2, 1, 1, 1))
    assert tool.document.frame.shape == (3, 96, 110)
    assert tool.axes.channels == ["channel 0", "channel 1"]
    check(tool, 1, DISK, (48, 90))
    for channel in (0, 1):
        tool.viewer.dims.set_point(1, channel)
        world = list(world_of(tool, 1, *DISK))
        world[1] = channel
        assert value_at(tool.document.labels, tuple(world)) == 1


def test_clicks_are_refused_in_the_3d_view(open_tool: OpenTool) -> None:
    tool = open_tool(disks()[None].repeat(3, 0))
    click(tool, 1, *DISK)
    tool.viewer.dims.ndisplay = 3
    tool.mouse.click((1, *DISK), True)
    assert tool.click_counts == (1, 0)
    assert tool.status.level == "warning"
    assert "2-D" in tool.status.text
    tool.viewer.dims.ndisplay = 2
    click(tool, 1, 48, 90, positive=False)
    assert tool.click_counts == (1, 1)


def test_a_click_beside_the_image_is_none(open_tool: OpenTool) -> None:
    tool = open_tool(disks(), scale=(2, 2))
    for world in ((-5.0, 40.0), (50.0, 1e6), (float("nan"), 3.0)):
        tool.mouse.click(world, True)
    assert tool.click_counts == (0, 0)
