"""Work that was not saved is there again the next time, all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.widget import at_work
from tests.widget.at_work import click, disks, settle, show_slice

pytestmark = pytest.mark.gui
open_tool, journals = at_work.open_tool, at_work.journals
OpenTool = Callable[..., Any]

ONE, TWO, THREE = (48, 25), (48, 75), (20, 50)
IMAGE = disks((96, 110), ONE, TWO)


def labels_of(tool: Any) -> Any:
    return tool.document.labels.data


def clicks_of(tool: Any) -> list[Any]:
    return list(tool.document.annotation.state.clicks)


def work(tool: Any) -> None:
    """One object committed, a second one clicked, with a correction that was undone."""
    click(tool, 0, *ONE)
    tool.commit()
    settle(tool)
    click(tool, 0, *TWO)
    click(tool, 0, 48, 60, positive=False)
    click(tool, 0, 5, 5, positive=False)
    tool.undo()
    settle(tool)


def seen(tool: Any) -> tuple[Any, ...]:
    layer = tool.document.clicks.layer
    signs = layer.features["positive"].tolist()
    return np.array(labels_of(tool)).tolist(), layer.data.tolist(), signs, tool.object_count


def steps_back(tool: Any) -> list[tuple[Any, ...]]:
    found = [seen(tool)]
    while tool.can_undo:
        tool.undo()
        settle(tool)
        found.append(seen(tool))
    return found


def test_restoring_brings_clicks_labels_and_the_way_back(open_tool: OpenTool) -> None:
    first = open_tool(IMAGE)
    assert first.earlier_work.restorable is None
    work(first)
    before = seen(first)
    first.close()

    second = open_tool(IMAGE)
    assert second.earlier_work.restorable is not None
    assert second.earlier_work.restorable.text.startswith("1 object and 2 clicks from ")
    assert not labels_of(second).any()
    second.earlier_work.restore()
    settle(second)
    assert second.earlier_work.restorable is None
    assert seen(second) == before
    assert second.document.preview.layer.data[TWO] == 1
    assert second.can_redo
    second.redo()
    settle(second)
    assert second.click_counts == (1, 2)
    trail = steps_back(second)
    assert len(trail) == 6
    assert trail[-1][1:] == ([], [], 0)
    assert not labels_of(second).any()


def test_what_was_restored_goes_on_in_the_same_journal(open_tool: OpenTool, journals: Path) -> None:
    first = open_tool(IMAGE)
    click(first, 0, *ONE)
    first.commit()
    settle(first)
    first.close()
    for clicks in (1, 2, 3):
        tool = open_tool(IMAGE)
        tool.earlier_work.restore()
        settle(tool)
        click(tool, 0, 48, 60 + 5 * clicks)
        assert len(clicks_of(tool)) == clicks
        assert labels_of(tool)[ONE] == 1
        tool.close()
    assert len(list(journals.iterdir())) == 1


def test_discarded_work_is_offered_no_more_but_kept(open_tool: OpenTool, journals: Path) -> None:
    first = open_tool(IMAGE)
    work(first)
    first.close()
    second = open_tool(IMAGE)
    second.earlier_work.discard()
    assert second.earlier_work.restorable is None
    click(second, 0, *TWO)
    second.undo()
    settle(second)
    second.close()
    third = open_tool(IMAGE)
    assert (
        third.earlier_work.restorable is None or "object" not in third.earlier_work.restorable.text
    )
    assert len(list(journals.iterdir())) == 2


def test_what_is_in_a_file_is_not_offered(open_tool: OpenTool, tmp_path: Path) -> None:
    first = open_tool(IMAGE)
    work(first)
    first.export(str(tmp_path / "work.gpcis"))
    first.close()
    assert open_tool(IMAGE).earlier_work.restorable is None


def test_labels_alone_in_a_file_are_not_all_of_it(open_tool: OpenTool, tmp_path: Path) -> None:
    first = open_tool(IMAGE)
    work(first)
    first.export(str(tmp_path / "labels.tif"))
    first.close()
    assert open_tool(IMAGE).earlier_work.restorable is not None


def test_a_saved_annotation_is_gone_on_with(open_tool: OpenTool, tmp_path: Path) -> None:
    path = tmp_path / "work.gpcis"
    first = open_tool(IMAGE)
    work(first)
    first.export(str(path))
    before = np.array(labels_of(first))
    first.close()

    from napari_gpcis.io.annotations.gpcis_file import read_annotation
    from napari_gpcis.widget.contributions.readers import annotation_layers

    second = open_tool(None, wait=False)
    second.viewer.add_image(IMAGE, name="image")
    second.viewer.layers.clear()
    for data, arguments, kind in annotation_layers(read_annotation(path)):
        second.viewer._add_layer_from_data(data, arguments, kind)
    second.viewer.add_image(IMAGE, name="image")
    settle(second)
    np.testing.assert_array_equal(labels_of(second), before)
    assert second.object_count == 1
    assert {item.place for item in clicks_of(second)} == {(0, *TWO), (0, 48, 60)}
    second.mouse.double_click((48.0, 25.0))
    settle(second)
    assert second.click_counts == (1, 0)
    assert clicks_of(second)[-1].place == (0, *ONE)
    click(second, 0, 48, 50, positive=False)
    second.commit()
    settle(second)
    assert labels_of(second)[ONE] == 1
    click(second, 0, *TWO)
    second.commit()
    settle(second)
    assert labels_of(second)[TWO] == 2


def test_restoring_adds_to_what_has_been_done_since(open_tool: OpenTool) -> None:
    image = disks((96, 110), ONE, TWO, THREE)
    first = open_tool(image)
    work(first)
    before = clicks_of(first)
    first.close()

    second = open_tool(image)
    offered = second.earlier_work.restorable
    click(second, 0, *THREE)
    second.commit()
    settle(second)
    click(second, 0, 22, 52)
    assert second.earlier_work.restorable == offered
    second.earlier_work.restore()
    settle(second)
    assert second.earlier_work.restorable is None
    places = [item.place for item in clicks_of(second)]
    assert places == [(0, 22, 52), *(item.place for item in before)]
    assert len(second.document.annotation.state.objects()) == 2
    labels = labels_of(second)
    assert labels[THREE] == 1
    assert labels[ONE] == 2
    second.close()
    third = open_tool(image)
    third.earlier_work.restore()
    settle(third)
    assert [item.place for item in clicks_of(third)] == places


def test_nothing_is_offered_when_all_was_taken_back(open_tool: OpenTool) -> None:
    first = open_tool(IMAGE)
    click(first, 0, *ONE)
    first.undo()
    click(first, 0, *TWO)
    first.clear()
    settle(first)
    first.close()
    assert open_tool(IMAGE).earlier_work.restorable is None


def test_another_image_and_another_mode_have_their_own_work(open_tool: OpenTool) -> None:
    first = open_tool(IMAGE)
    work(first)
    first.close()
    assert open_tool(disks((96, 110), THREE)).earlier_work.restorable is None
    second = open_tool(IMAGE)
    second.set_mode("class")
    settle(second)
    assert second.earlier_work.restorable is None
    second.set_mode("object")
    settle(second)
    assert second.earlier_work.restorable is not None


def test_another_plane_of_a_cube_is_not_offered(open_tool: OpenTool) -> None:
    cube = np.zeros((60, 60, 60), np.float32)
    cube[30] = disks((60, 60), (30, 30))
    first = open_tool(cube)
    click(first, 30, 30, 30)
    first.close()
    second = open_tool(cube)
    assert second.earlier_work.restorable is not None
    second.viewer.dims.roll()
    settle(second)
    assert second.earlier_work.restorable is None


def test_a_stack_is_restored_slice_by_slice(open_tool: OpenTool) -> None:
    stack = IMAGE[None].repeat(3, 0)
    first = open_tool(stack)
    for z in (0, 2):
        click(first, z, *ONE)
        first.commit()
        settle(first)
    click(first, 1, *TWO)
    first.close()
    second = open_tool(stack)
    second.earlier_work.restore()
    settle(second)
    assert second.document.shown_slice == 1
    assert labels_of(second)[0][ONE] == 1
    assert labels_of(second)[2][ONE] == 2
    assert second.document.preview.layer.data[1][TWO] == 1
    show_slice(second, 0)
    second.undo()
    settle(second)
    assert second.document.shown_slice == 1
    assert second.click_counts == (0, 0)


def test_a_torn_last_line_costs_only_itself(open_tool: OpenTool, journals: Path) -> None:
    first = open_tool(IMAGE)
    work(first)
    first.close()
    (journal,) = journals.iterdir()
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-2]) + lines[-2][: len(lines[-2]) // 2])
    second = open_tool(IMAGE)
    assert second.earlier_work.restorable is not None
    second.earlier_work.restore()
    settle(second)
    assert second.click_counts == (1, 2)
    assert labels_of(second)[ONE] == 1
