"""Whatever happens to layers, windows and panels: no crash, nothing lost, nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Labels, Points

from tests.widget import at_work
from tests.widget.at_work import click, disks, process_events, settle

pytestmark = pytest.mark.gui
open_tool, journals = at_work.open_tool, at_work.journals
OpenTool = Callable[..., Any]

ONE, TWO = (48, 25), (48, 75)
OWN = ("GPCIS clicks", "GPCIS preview", "GPCIS labels")


@pytest.fixture
def tool(open_tool: OpenTool) -> Any:
    return open_tool(disks((96, 110), ONE, TWO))


def labels_of(tool: Any) -> Any:
    return tool.document.labels.data


def names(tool: Any) -> list[str]:
    return [layer.name for layer in tool.viewer.layers]


def engine_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "napari-gpcis"]


def wait_for_threads(timeout: float = 10.0) -> None:
    end = time.monotonic() + timeout
    while engine_threads() and time.monotonic() < end:
        process_events(1)
        time.sleep(0.01)
    assert not engine_threads()


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("under_way", [False, True])
def test_a_layer_of_the_tool_comes_back_with_the_next_click(
    tool: Any, name: str, under_way: bool
) -> None:
    click(tool, 0, *ONE)
    tool.commit()
    click(tool, 0, *TWO)
    if under_way:
        tool.mouse.click(at_work.world_of(tool, 0, 60, 75), True)
    del tool.viewer.layers[name]
    settle(tool)
    click(tool, 0, 48, 60, positive=False)
    assert set(OWN) <= set(names(tool))
    assert tool.click_counts == (1 + under_way, 1)
    assert tool.object_count == 1
    assert labels_of(tool)[ONE] == 1
    assert tool.document.preview.layer.data[TWO] == 1
    assert len(tool.document.clicks.layer.data) == 2 + under_way
    while tool.can_undo:
        tool.undo()
    settle(tool)
    assert not labels_of(tool).any()
    assert not tool.document.preview.layer.data.any()


def test_an_overlay_that_was_deleted_can_be_shown_again(tool: Any) -> None:
    tool.set_overlay("probability", True)
    click(tool, 0, *ONE)
    for name in ("GPCIS probability", "GPCIS next click"):
        if name in names(tool):
            del tool.viewer.layers[name]
    click(tool, 0, 48, 50, positive=False)
    assert "GPCIS probability" in names(tool)
    assert tool.click_counts == (1, 1)
    tool.set_overlay("probability", False)
    settle(tool)
    assert "GPCIS probability" not in names(tool)


def test_deleting_the_image_leaves_the_labels(tool: Any) -> None:
    click(tool, 0, *ONE)
    tool.commit()
    click(tool, 0, *TWO)
    labels = tool.document.labels
    tool.mouse.click(at_work.world_of(tool, 0, 60, 75), True)
    del tool.viewer.layers["image"]
    settle(tool)
    assert labels in tool.viewer.layers
    assert labels.data[ONE] == 1
    assert not {"GPCIS clicks", "GPCIS preview"} & set(names(tool))
    assert tool.switcher.image_name is None
    for act in (tool.undo, tool.redo, tool.clear, tool.jump_to_next, tool.swap_sign, tool.cancel):
        act()
    for refused in (tool.commit, tool.propagate, tool.new_object, tool.apply_to_all):
        with pytest.raises(ValueError, match="Open an image"):
            refused()
    with pytest.raises(ValueError, match="Open an image"):
        tool.mouse.click((1, 1), True)
    assert tool.click_counts == (0, 0)


def test_another_image_is_taken_when_the_first_is_deleted(tool: Any) -> None:
    tool.viewer.add_image(disks((70, 80)), name="other")
    settle(tool)
    tool.switcher.choose_image("image")
    settle(tool)
    click(tool, 0, *ONE)
    del tool.viewer.layers["image"]
    settle(tool)
    assert tool.switcher.image_name == "other"
    click(tool, 0, 48, 40)
    assert tool.document.preview.layer.data.shape == (70, 80)
    assert tool.document.preview.layer.data[48, 40] == 1


def test_all_layers_may_go_and_an_image_come(tool: Any) -> None:
    click(tool, 0, *ONE)
    tool.mouse.click(at_work.world_of(tool, 0, *TWO), True)
    tool.viewer.layers.clear()
    settle(tool)
    assert names(tool) == []
    assert tool.switcher.image_names == []
    tool.viewer.add_image(disks(), name="later")
    settle(tool)
    assert tool.switcher.image_name == "later"
    click(tool, 0, 48, 40)
    assert tool.document.preview.layer.data[48, 40] == 1


def test_layers_may_be_renamed_reordered_and_duplicated(tool: Any) -> None:
    click(tool, 0, *ONE)
    layers: Any = tool.viewer.layers
    for at, layer in enumerate(list(layers)):
        layer.name = f"mine {at}"
    layers.reverse()
    for layer in list(layers):
        data, state, kind = layer.as_layer_data_tuple()
        state["name"] = f"copy of {layer.name}"
        tool.viewer._add_layer_from_data(np.array(data), state, kind)
    layers.selection.clear()
    settle(tool)
    assert tool.switcher.image_name == "mine 0"
    click(tool, 0, 48, 50, positive=False)
    tool.commit()
    settle(tool)
    assert labels_of(tool)[ONE] == 1
    assert not next(iter(layers[f"copy of {tool.switcher.labels_name}"].data[ONE].flat))
    copy = next(layer for layer in layers if isinstance(layer, Points) and "copy" in layer.name)
    copy.data = np.zeros((0, 2))
    click(tool, 0, *TWO)
    assert tool.click_counts == (1, 0)


def test_what_replaces_an_image_of_the_same_shape_keeps_the_clicks(tool: Any) -> None:
    click(tool, 0, *ONE)
    first = tool.document.preview.layer.data.copy()
    tool.viewer.layers["image"].data = disks((96, 110), (48, 30), TWO)
    settle(tool)
    assert tool.click_counts == (1, 0)
    assert (tool.document.preview.layer.data != first).any()
    assert tool.document.preview.layer.data[48, 40] == 1


def test_what_replaces_an_image_of_another_shape_begins_anew(tool: Any) -> None:
    click(tool, 0, *ONE)
    tool.commit()
    settle(tool)
    labels = tool.document.labels
    click(tool, 0, *TWO)
    for data in (disks((60, 70), (30, 30)), disks((60, 70), (30, 30))[None].repeat(3, 0)):
        tool.viewer.layers["image"].data = data
        settle(tool)
        assert labels in tool.viewer.layers
        assert labels.data[ONE] == 1
        assert tool.click_counts == (0, 0)
        assert labels_of(tool).shape == data.shape
        z = data.shape[0] - 1 if data.ndim == 3 else 0
        click(tool, z, 30, 30)
        assert tool.document.preview.layer.data.reshape(-1, 60, 70)[z, 30, 30] == 1


def test_labels_that_were_replaced_are_written_to(tool: Any) -> None:
    click(tool, 0, *ONE)
    tool.commit()
    settle(tool)
    fresh = np.zeros((96, 110), np.int32)
    fresh[:5, :5] = 7
    tool.document.labels.data = fresh
    click(tool, 0, *TWO)
    tool.commit()
    settle(tool)
    assert fresh[TWO] not in (0, 7)
    assert (fresh[:5, :5] == 7).all()
    for _ in range(2):
        tool.undo()
    assert fresh[TWO] == 0
    assert (fresh[:5, :5] == 7).all()
    tool.undo()
    assert fresh[ONE] == 1
    assert not fresh[:5, :5].any()


def test_labels_of_another_shape_are_left_alone(tool: Any) -> None:
    click(tool, 0, *ONE)
    tool.commit()
    settle(tool)
    other = np.zeros((40, 40), np.uint16)
    tool.document.labels.data = other
    click(tool, 0, *TWO)
    tool.commit()
    settle(tool)
    assert not other.any()
    assert other is tool.viewer.layers["GPCIS labels (not used)"].data
    assert labels_of(tool).shape == (96, 110)
    assert labels_of(tool)[ONE]
    assert labels_of(tool)[TWO]


def test_labels_that_were_there_are_never_erased(tool: Any) -> None:
    given = np.zeros((96, 110), np.uint16)
    given[30:60, 20:30] = 5
    layer = tool.viewer.add_labels(given.copy(), name="mine")
    tool.switcher.choose_labels("mine")
    settle(tool)
    click(tool, 0, *ONE)
    tool.commit()
    settle(tool)
    assert tool.switcher.labels_name == "mine"
    assert (layer.data[given > 0] == 5).all()
    assert (layer.data == 6).any()
    tool.undo()
    settle(tool)
    np.testing.assert_array_equal(layer.data, given)


def test_labels_that_are_full_say_what_to_do(tool: Any) -> None:
    full = np.zeros((96, 110), np.uint8)
    full[0, 0] = 255
    tool.viewer.add_labels(full, name="full")
    tool.switcher.choose_labels("full")
    settle(tool)
    click(tool, 0, *ONE)
    tool.commit()
    settle(tool)
    assert tool.status.level == "error"
    assert "Convert" in tool.status.text
    assert tool.click_counts == (1, 0)
    assert np.count_nonzero(tool.viewer.layers["full"].data) == 1
    layer = tool.viewer.layers["full"]
    layer.data = layer.data.astype(np.int32)  # what napari's "Convert to int32" does
    tool.commit()
    settle(tool)
    assert layer.data[ONE] == 256


def test_labels_that_cannot_be_written_to_are_refused(tool: Any) -> None:
    tool.viewer.add_labels(da.zeros((96, 110), dtype=np.uint16), name="lazy")
    assert "lazy" not in tool.switcher.labels_names
    before = tool.switcher.labels_name
    with pytest.raises(ValueError, match=r"[Cc]hoose"):
        tool.switcher.choose_labels("lazy")
    assert tool.switcher.labels_name == before
    click(tool, 0, *ONE)
    assert tool.click_counts == (1, 0)


def test_read_only_labels_are_refused_without_harm(tool: Any) -> None:
    locked = np.zeros((96, 110), np.uint16)
    locked.flags.writeable = False
    tool.viewer.add_layer(Labels(locked, name="locked"))
    with pytest.raises(ValueError, match=r"[Cc]hoose"):
        tool.switcher.choose_labels("locked")
    settle(tool)
    assert tool.switcher.labels_name == "GPCIS labels"
    click(tool, 0, *ONE)
    tool.commit()
    settle(tool)
    assert labels_of(tool)[ONE] == 1


def test_two_windows_do_not_meddle(open_tool: OpenTool) -> None:
    first = open_tool(disks((96, 110), ONE))
    second = open_tool(disks((96, 110), TWO))
    click(first, 0, *ONE)
    click(second, 0, *TWO)
    first.commit()
    settle(first)
    assert (first.click_counts, second.click_counts) == ((0, 0), (1, 0))
    assert labels_of(first)[ONE] == 1
    assert not labels_of(second).any()
    first.close()
    click(second, 0, 48, 60, positive=False)
    second.commit()
    settle(second)
    assert labels_of(second)[TWO] == 1


def test_closing_the_tool_gives_the_viewer_back(tool: Any) -> None:
    viewer: Any = tool.viewer
    click(tool, 0, *ONE)
    tool.commit()
    click(tool, 0, *TWO)
    tool.close()
    assert names(tool) == ["image", "GPCIS labels"]
    assert viewer.layers["GPCIS labels"].data[ONE] == 1
    wait_for_threads()
    viewer.layers["image"].translate = (5, 5)
    viewer.dims.ndisplay = 3
    viewer.add_image(np.zeros((9, 9)))
    viewer.layers.clear()


def propagating(open_tool: OpenTool) -> Any:
    tool = open_tool(disks((96, 110), ONE)[None].repeat(8, 0))
    click(tool, 4, *ONE)
    tool.propagate("both")
    return tool


def answering(open_tool: OpenTool) -> Any:
    tool = open_tool(disks((96, 110), ONE))
    tool.mouse.click(ONE, True)
    return tool


def loading(open_tool: OpenTool) -> Any:
    return open_tool(disks((96, 110), ONE), wait=False)


@pytest.mark.parametrize("busy", [answering, propagating, loading])
def test_the_window_may_be_closed_while_the_engine_works(
    open_tool: OpenTool, busy: Callable[[OpenTool], Any]
) -> None:
    tool = busy(open_tool)
    tool.viewer.layers.clear()
    tool.close()
    process_events()
    wait_for_threads()


@pytest.mark.parametrize("how", ["window", "cross", "removed"])
@pytest.mark.parametrize("ready", [True, False])
def test_a_panel_ends_its_tool_whichever_way_it_is_closed(
    make_napari_viewer: Any, journals: Any, how: str, ready: bool
) -> None:
    from napari_gpcis.widget.panel import GPCISPanel

    viewer = make_napari_viewer()
    viewer.add_image(disks((96, 110), ONE), name="image")
    panel = GPCISPanel(viewer)
    dock = viewer.window.add_dock_widget(panel, name="GPCIS")
    tool: Any = panel.tool
    if ready:
        settle(tool)
        tool.mouse.click(ONE, True)
    assert engine_threads()
    if how == "window":
        viewer.close()
    elif how == "cross":
        dock.destroyOnClose()
    else:
        viewer.window.remove_dock_widget(panel)
    del dock, panel
    process_events()
    assert tool.closed
    wait_for_threads()
    if how != "window":
        assert names(tool) == ["image", "GPCIS labels"]
        again = GPCISPanel(viewer)
        assert again.tool is not tool
        settle(again.tool)
        again.tool.mouse.click(ONE, True)
        settle(again.tool)
        assert again.tool.click_counts == (1, 0)
        again.deleteLater()
        process_events()
        wait_for_threads()


def test_a_panel_that_is_moved_goes_on(make_napari_viewer: Any, journals: Any) -> None:
    from napari_gpcis.widget.panel import GPCISPanel

    viewer = make_napari_viewer()
    viewer.add_image(disks((96, 110), ONE), name="image")
    panel = GPCISPanel(viewer)
    process_events()
    dock = viewer.window.add_dock_widget(panel, name="GPCIS")
    for floating in (True, False):
        dock.setFloating(floating)
        process_events()
    viewer.window.remove_dock_widget(dock)
    viewer.window.add_dock_widget(panel, name="GPCIS", area="left")
    process_events()
    assert not panel.tool.closed


def test_two_panels_of_a_window_share_one_tool(make_napari_viewer: Any, journals: Any) -> None:
    from napari_gpcis.widget.panel import GPCISPanel

    viewer = make_napari_viewer()
    viewer.add_image(disks((96, 110), ONE), name="image")
    first, second = GPCISPanel(viewer), GPCISPanel(viewer)
    tool: Any = first.tool
    assert second.tool is tool
    settle(tool)
    tool.mouse.click(ONE, True)
    settle(tool)
    assert tool.click_counts == (1, 0)
    assert names(tool).count("GPCIS clicks") == 1
    first.deleteLater()
    process_events()
    assert not tool.closed
    second.deleteLater()
    process_events()
    assert tool.closed
    wait_for_threads()


@pytest.mark.parametrize("gone", ["image", "labels", "all", "data", "plane", "mode"])
def test_a_propagation_survives_what_happens_to_layers(open_tool: OpenTool, gone: str) -> None:
    tool = propagating(open_tool)
    viewer: Any = tool.viewer
    if gone == "image":
        del viewer.layers["image"]
    elif gone == "labels":
        del viewer.layers["GPCIS labels"]
        del viewer.layers["GPCIS preview"]
    elif gone == "all":
        viewer.layers.clear()
    elif gone == "data":
        viewer.layers["image"].data = disks((60, 70), (30, 30))[None].repeat(8, 0)
    elif gone == "plane":
        viewer.dims.roll()
    else:
        tool.set_mode("class")
    settle(tool)
    assert not tool.can_cancel
    if gone in ("image", "all"):
        viewer.add_image(disks((96, 110), ONE)[None].repeat(8, 0), name="image")
        settle(tool)
    if gone == "plane":
        viewer.dims.order = (0, 1, 2)
    tool.set_mode("object")
    settle(tool)
    before = len(tool.document.annotation.state.clicks)
    click(tool, 3, 30, 30)
    assert len(tool.document.annotation.state.clicks) == before + 1
    tool.commit()
    settle(tool)
    assert labels_of(tool)[3, 30, 30] > 0


def test_classes_survive_what_happens_to_layers(tool: Any) -> None:
    tool.set_mode("class")
    settle(tool)
    click(tool, 0, *ONE)
    tool.classes.choose(2)
    tool.mouse.click(at_work.world_of(tool, 0, 5, 5), True)
    for name in ("GPCIS classes", "GPCIS preview", "GPCIS clicks"):
        del tool.viewer.layers[name]
    settle(tool)
    click(tool, 0, 90, 5)
    tool.commit()
    settle(tool)
    assert {"GPCIS classes", "GPCIS preview", "GPCIS clicks"} <= set(names(tool))
    assert labels_of(tool)[ONE] == 1
    assert labels_of(tool)[90, 5] == 2
    tool.apply_to_all()
    del tool.viewer.layers["image"]
    settle(tool)
    assert tool.switcher.image_name is None


def test_what_napari_hands_to_plugins_is_a_viewer_like_any(
    make_napari_viewer: Any, journals: Any
) -> None:
    from napari.utils._proxies import PublicOnlyProxy

    from napari_gpcis.widget.panel import GPCISPanel

    viewer = make_napari_viewer()
    viewer.add_image(disks((96, 110), ONE, TWO)[None].repeat(3, 0), name="image")
    panel, other = GPCISPanel(PublicOnlyProxy(viewer)), GPCISPanel(viewer)
    tool: Any = panel.tool
    assert other.tool is tool
    settle(tool)
    tool.set_overlay("probability", True)
    click(tool, 1, *ONE)
    tool.jump_to_next()
    tool.propagate()
    settle(tool)
    tool.commit()
    settle(tool)
    assert labels_of(tool)[2][ONE] == 1
    del viewer.layers["GPCIS labels"]
    click(tool, 0, *TWO)
    tool.undo()
    tool.undo()
    settle(tool)
    assert not labels_of(tool).any()
    for one in (panel, other):
        one.deleteLater()
    process_events()
    wait_for_threads()
