from __future__ import annotations

from typing import Any

import pytest

from tests.widget import silent

pytestmark = pytest.mark.gui
tool, able = silent.tool, silent.able


@pytest.fixture
def view(tool: Any, qtbot: Any) -> Any:
    from tests.widget.panels import open_panel

    tool.set_mode("class")
    tool.calls.clear()
    with open_panel(tool, qtbot) as panel:
        yield panel.click.classes


def names(view: Any) -> list[str]:
    return [view.table.item(row, 1).text() for row in range(view.table.rowCount())]


def test_class_mode_shows_classes_in_place_of_objects(view: Any, tool: Any) -> None:
    click = view.window().click
    assert not view.isHidden()
    assert click.objects.isHidden()
    assert click.propagate.isHidden()
    tool.set_mode("object")
    tool.changed.emit()
    assert view.isHidden()
    assert not click.objects.isHidden()


def test_a_selected_class_becomes_the_active_one(view: Any, tool: Any) -> None:
    assert view.table.currentRow() == 0
    view.table.setCurrentCell(1, 1)
    assert tool.calls == [("classes.choose", 2)]
    tool.classes.choose(1)
    tool.changed.emit()
    assert view.table.currentRow() == 0
    assert tool.calls == [("classes.choose", 2), ("classes.choose", 1)]


def test_a_refused_class_is_selected_no_longer(view: Any, tool: Any) -> None:
    tool.refusal = "expected a class that exists; add it first"
    view.table.setCurrentCell(1, 1)
    assert view.table.currentRow() == 0


def test_a_name_is_edited_in_place(view: Any, tool: Any) -> None:
    view.table.item(0, 1).setText("  cell ")
    assert tool.calls == [("classes.rename", 1, "cell")]
    assert names(view) == ["cell", "Class 2"]


def test_a_refused_name_is_taken_back(view: Any, tool: Any) -> None:
    tool.refusal = "expected a new name, got one in use; choose another"
    view.table.item(0, 1).setText("background")
    assert names(view) == ["Class 1", "Class 2"]


def test_a_click_on_a_colour_changes_it(
    view: Any, tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtGui import QColor
    from qtpy.QtWidgets import QColorDialog

    answers = iter([QColor("#112233"), QColor()])  # the second: cancelled
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: next(answers))
    view.table.cellClicked.emit(1, 0)
    view.table.cellClicked.emit(1, 0)
    view.table.cellClicked.emit(1, 1)
    assert tool.calls == [("classes.recolor", 2, "#112233")]


def test_classes_come_and_go(view: Any, tool: Any) -> None:
    view.add.click()
    assert names(view) == ["Class 1", "Class 2", "Class 3"]
    assert view.table.currentRow() == 2
    for _ in range(3):
        view.remove.click()
    assert names(view) == ["Class 2"]
    assert "One class has to stay" in view.window().click.status.text.text()
    view.add.click()
    assert names(view) == ["Class 2", "Class 3"]


def test_the_slice_and_the_stack_can_be_written(
    able: None, view: Any, tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool.obeys = False
    tool.changed.emit()
    view.commit.click()
    view.apply.click()
    assert tool.calls == [("commit",), ("apply_to_all",)]
    monkeypatch.undo()
    tool.loop.loaded = None
    tool.changed.emit()
    assert not view.commit.isEnabled()
    assert not view.apply.isEnabled()


def test_the_active_class_is_shown_in_its_own_colour(view: Any, qapp: Any) -> None:
    for _ in range(3):
        qapp.processEvents()
    table = view.table
    for row, color in enumerate(["#e69f00", "#56b4e9"]):
        place = table.visualItemRect(table.item(row, 0))
        picture = table.viewport().grab(place).toImage()
        colors = {picture.pixelColor(x, picture.height() // 2).name() for x in range(20)}
        assert color in colors
