"""The table of objects beside the canvas, with real mouse and key events."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_gpcis.engine.document.label_store import Patch
from napari_gpcis.engine.geometry import Box
from napari_gpcis.widget.objects import ObjectsDock
from tests.widget import bench
from tests.widget.bench import CTRL, LEFT, PLAIN, Window

pytestmark = pytest.mark.gui

shared_window, window, coins, on_coins = (
    bench.shared_window,
    bench.window,
    bench.coins,
    bench.on_coins,
)
SQUARES = {3: Box(20, 30, 40, 60), 5: Box(100, 200, 130, 230), 9: Box(200, 300, 210, 310)}


@pytest.fixture
def dock(on_coins: Window) -> Iterator[ObjectsDock]:
    """The dock beside the coins, and three squares painted into the labels."""
    dock = ObjectsDock(on_coins.viewer, on_coins.tool)
    on_coins.viewer.window.add_dock_widget(dock, name="Objects", area="left")
    for label, box in SQUARES.items():
        paint(on_coins, label, box)
    on_coins.wait(lambda: dock.model.rowCount() == 3)
    yield dock
    on_coins.viewer.window.remove_dock_widget(dock)
    on_coins.tool.changed.disconnect(dock._follow_tool)
    dock.list.show(None)
    dock.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def paint(window: Window, label: int, box: Box) -> None:
    """Paint a box into the labels, as the brush would."""
    data = window.labels.data
    before = np.array(data[box.slices], np.int32)
    data[box.slices] = label
    after = np.array(data[box.slices], np.int32)
    window.tool.document.annotation.edit([Patch(0, box, before, after)], written=True)


def shown(dock: ObjectsDock) -> list[list[str]]:
    table = dock.sorted
    return [
        [table.index(row, column).data() for column in range(4)] for row in range(table.rowCount())
    ]


def press_row(dock: ObjectsDock, label: int, keys: Any = PLAIN) -> None:
    row = next(at for at, cells in enumerate(shown(dock)) if cells[0] == str(label))
    where = dock.table.visualRect(dock.sorted.index(row, 0)).center()
    QTest.mouseClick(dock.table.viewport(), LEFT, keys, where)


def push(button: Any) -> None:
    QTest.mouseClick(button, LEFT, PLAIN, QPoint(10, button.height() // 2))


def test_objects_are_listed_with_their_areas(dock: ObjectsDock) -> None:
    assert shown(dock) == [["3", "600", "", "1"], ["5", "900", "", "1"], ["9", "100", "", "1"]]
    assert dock.said.text() == "3 objects"


def test_what_is_committed_is_listed_first_with_its_certainty_and_selected(
    dock: ObjectsDock, on_coins: Window
) -> None:
    on_coins.click(200, 212)
    on_coins.settle()
    on_coins.press(Qt.Key.Key_Return)
    on_coins.settle()
    on_coins.wait(lambda: dock.model.rowCount() == 4)
    label, area, certainty, _ = shown(dock)[0]
    assert label == "10"
    assert int(area.replace(",", "")) == int((on_coins.labels.data == 10).sum())
    assert 50 < float(certainty.removesuffix("%")) <= 100
    on_coins.wait(lambda: True)
    on_coins.double_click(115, 215)  # on square 5
    on_coins.settle()
    assert [item.label for item in dock.selected] == [5]


def test_a_selected_row_is_zoomed_to(dock: ObjectsDock, on_coins: Window) -> None:
    zoom = on_coins.viewer.scene.camera.zoom
    press_row(dock, 9)
    assert on_coins.labels.selected_label == 9
    assert tuple(on_coins.viewer.scene.camera.center)[-2:] == (205, 305)
    assert on_coins.viewer.scene.camera.zoom > zoom
    assert dock.delete.isEnabled() and dock.split.isEnabled() and not dock.merge.isEnabled()


def test_objects_are_merged_and_deleted_and_undo_brings_them_back(
    dock: ObjectsDock, on_coins: Window
) -> None:
    before = on_coins.labels.data.copy()
    press_row(dock, 3)
    press_row(dock, 9, CTRL)
    push(dock.merge)
    on_coins.wait(lambda: dock.model.rowCount() == 2)
    assert on_coins.labels.data[205, 305] == 3
    press_row(dock, 5)
    QTest.keyClick(dock.table, Qt.Key.Key_Delete)
    on_coins.wait(lambda: dock.model.rowCount() == 1)
    assert not (on_coins.labels.data == 5).any()
    on_coins.tool.undo()
    on_coins.tool.undo()
    on_coins.wait(lambda: dock.model.rowCount() == 3)
    np.testing.assert_array_equal(on_coins.labels.data, before)


def test_pieces_are_split_and_one_round_thing_is_not(dock: ObjectsDock, on_coins: Window) -> None:
    press_row(dock, 3)
    press_row(dock, 9, CTRL)
    push(dock.merge)
    on_coins.wait(lambda: dock.model.rowCount() == 2)
    press_row(dock, 3)
    push(dock.split)
    on_coins.wait(lambda: dock.model.rowCount() == 3)
    assert on_coins.labels.data[205, 305] == 10
    press_row(dock, 5)
    push(dock.split)
    assert "paint a gap" in dock.said.text().lower()


def test_measurements_are_written(
    dock: ObjectsDock, on_coins: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "measured.csv"
    monkeypatch.setattr(
        "napari_gpcis.widget.objects.dock.QFileDialog.getSaveFileName",
        lambda *_: (str(path), ""),
    )
    push(dock.save)
    assert dock.said.text() == "Wrote measured.csv: 3 lines"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    image = on_coins.viewer.layers["coins"].data
    for row in rows:
        box = SQUARES[int(row["object"])]
        assert float(row["area"]) == box.shape[0] * box.shape[1]
        assert float(row["mean_intensity"]) == pytest.approx(image[box.slices].mean(), rel=1e-4)
        assert (row["certainty"], row["unit"]) == ("", "px")
