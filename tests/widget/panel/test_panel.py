from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel

from napari_gpcis.widget.tool.earlier_work import EarlierWork
from napari_gpcis.widget.tool.tool import Tool
from napari_gpcis.widget.tool.types import Restorable
from tests.widget import silent

pytestmark = pytest.mark.gui
tool, able, offering, working = silent.tool, silent.able, silent.offering, silent.working


@pytest.fixture
def panel(tool: Any, qtbot: Any) -> Any:
    from tests.widget.panels import open_panel

    with open_panel(tool, qtbot) as opened:
        yield opened


def choose(chooser: Any, text: str) -> None:
    """What a user does with a combo box: an item becomes current, and is activated."""
    index = chooser.findText(text)
    assert index >= 0
    chooser.setCurrentIndex(index)
    chooser.activated.emit(index)


def shown(widget: Any) -> bool:
    return not widget.isHidden()


CHOICES = {
    "image": (lambda c: choose(c.image.image, "nuclei"), ("switcher.choose_image", "nuclei")),
    "channels": (lambda c: c.image.channel_boxes[1].click(), ("axes.set_channels", (0,))),
    "mode": (lambda c: c.mode.classes.click(), ("set_mode", "class")),
    "active": (lambda c: c.mode.active.click(), ("set_active", False)),
    "draw": (lambda c: c.draw.buttons["lasso"].click(), ("set_draws", "lasso")),
    "auto-commit": (lambda c: c.counts.auto_commit.click(), ("set_auto_commit", True)),
    "labels": (
        lambda c: choose(c.options.labels.native, "New layer"),
        ("switcher.choose_labels", None),
    ),
    "overlap": (
        lambda c: choose(c.options.overlap.native, "Overwrite other objects"),
        ("set_overlap", "overwrite"),
    ),
    "diameter": (lambda c: c.options.diameter.native.setValue(30), ("set_object_diameter", 30.0)),
    "threshold": (lambda c: setattr(c.options.threshold, "value", 0.7), ("set_threshold", 0.7)),
    "overlay": (
        lambda c: c.options.overlays["next click"].native.click(),
        ("set_overlay", "next click", False),
    ),
    "model": (lambda c: choose(c.model.model, "paper"), ("model.choose", "paper")),
    "device": (lambda c: choose(c.model.device, "cuda:0"), ("model.choose_device", "cuda:0")),
}

ACTIONS = {
    "commit": (lambda c: c.objects.commit, ("commit",)),
    "new object": (lambda c: c.objects.new_object, ("new_object",)),
    "clear": (lambda c: c.steps.clear, ("clear",)),
    "undo": (lambda c: c.steps.undo, ("undo",)),
    "redo": (lambda c: c.steps.redo, ("redo",)),
    "next": (lambda c: c.steps.next, ("jump_to_next",)),
    "swap": (lambda c: c.counts.swap, ("swap_sign",)),
    "up": (lambda c: c.propagate.up, ("propagate", "up")),
    "down": (lambda c: c.propagate.down, ("propagate", "down")),
    "both": (lambda c: c.propagate.both, ("propagate", "both")),
    "estimate": (lambda c: c.options.estimate.native, ("estimate_diameter",)),
    "cancel": (lambda c: c.status.cancel, ("cancel",)),
    "restore": (lambda c: c.restore.restore, ("earlier_work.restore",)),
    "discard": (lambda c: c.restore.discard, ("earlier_work.discard",)),
    "add class": (lambda c: c.classes.add, ("classes.add",)),
    "remove class": (lambda c: c.classes.remove, ("classes.remove", 1)),
    "apply": (lambda c: c.classes.apply, ("apply_to_all",)),
}


def look(click: Any) -> tuple[Any, ...]:
    """What the choices show."""
    return (
        click.image.image.value,
        [box.isChecked() for box in click.image.channel_boxes],
        click.mode.classes.isChecked(),
        click.mode.active.isChecked(),
        [button.isChecked() for button in click.draw.buttons.values()],
        click.counts.auto_commit.isChecked(),
        click.options.labels.value,
        click.options.overlap.value,
        click.options.diameter.value,
        round(click.options.threshold.value, 2),
        [box.value for box in click.options.overlays.values()],
        click.model.model.value,
        click.model.device.value,
    )


@pytest.mark.parametrize("tool", ["channels"], indirect=True)
@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_reaches_the_tool_once(panel: Any, tool: Any, name: str) -> None:
    act, call = CHOICES[name]
    before = look(panel.click)
    act(panel.click)
    assert tool.calls == [call]
    assert look(panel.click) != before


@pytest.mark.parametrize("tool", ["channels"], indirect=True)
@pytest.mark.parametrize("name", CHOICES)
def test_a_refused_choice_is_taken_back_and_explained(panel: Any, tool: Any, name: str) -> None:
    before = look(panel.click)
    tool.refusal = "Choose something else"
    CHOICES[name][0](panel.click)
    assert look(panel.click) == before
    assert panel.click.status.text.text() == tool.refusal
    assert panel.click.status.text.accessibleName().startswith("Status: Error")


@pytest.mark.parametrize("name", ACTIONS)
def test_a_button_does_what_it_says(
    able: None, offering: None, working: None, panel: Any, tool: Any, name: str
) -> None:
    tool.obeys = False
    tool.changed.emit()
    find, call = ACTIONS[name]
    find(panel.click).click()
    assert tool.calls == [call]


def test_showing_the_tool_sends_nothing_back(panel: Any, tool: Any) -> None:
    labels = {"axis_labels": ("c", "y", "x")}
    tool.viewer.add_image(np.zeros((3, 64, 64)), name="other", **labels)
    tool.switcher.choose_image("other")
    tool.axes.set_channels((1, 2))
    tool.set_mode("class")
    tool.set_active(False)
    tool.set_overlap("overwrite")
    tool.set_object_diameter(12.5)
    tool.set_threshold(0.8)
    tool.set_overlay("probability", True)
    tool.model.choose("elsewhere.safetensors")
    tool.model.choose_device("cpu")
    tool.calls.clear()
    tool.changed.emit()
    assert tool.calls == []
    assert look(panel.click) == (
        "other", [False, True, True], True, False, [True, False, False, False], False,
        "GPCIS classes", "overwrite", 12.5, 0.8,
        [True, False, False, False, True], "elsewhere.safetensors", "cpu",
    )  # fmt: skip


def test_buttons_are_enabled_only_when_they_can_do_something(
    able: None, panel: Any, tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    click = panel.click
    buttons = [
        click.objects.commit,
        click.objects.new_object,
        click.steps.undo,
        click.steps.redo,
        click.steps.clear,
        click.steps.next,
        click.propagate.up,
        click.export,
    ]
    assert all(button.isEnabled() for button in buttons)
    monkeypatch.undo()
    tool.viewer.layers.clear()
    tool.changed.emit()
    assert not any(button.isEnabled() for button in buttons)
    assert not click.image.image.isEnabled()


def test_counts_are_those_of_the_tool(
    able: None, panel: Any, tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = panel.click.counts
    assert [label.text() for label in (counts.positive, counts.negative)] == ["+3", "−1"]
    assert counts.objects.text() == "2 objects"
    monkeypatch.setattr(Tool, "object_count", 1)
    tool.changed.emit()
    assert counts.objects.text() == "1 object"


def test_a_complaint_stays_through_progress_and_goes_with_news(
    able: None, panel: Any, tool: Any
) -> None:
    text = panel.click.status.text
    tool.refusal = "Open an image first"
    panel.click.objects.commit.click()
    tool.show("Encoding slice 3 …", "busy", 1, 4)
    assert text.text() == tool.refusal
    assert panel.click.status.bar.value() == 1
    tool.show("2 objects committed")
    assert text.text() == "2 objects committed"


def test_a_complaint_goes_when_the_next_thing_works(able: None, panel: Any, tool: Any) -> None:
    tool.refusal = "Open an image first"
    panel.click.objects.commit.click()
    tool.refusal, tool.obeys = "", False
    panel.click.objects.commit.click()
    assert panel.click.status.text.text() == "Click on an object"


def test_each_level_has_its_own_sign(panel: Any, tool: Any) -> None:
    signs = set()
    for level in ("info", "busy", "warning", "error"):
        tool.show("x", level)
        signs.add(panel.click.status.sign.text())
    assert len(signs) == 4


def test_progress_comes_and_goes_without_moving_a_button(
    panel: Any, tool: Any, qapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = panel.click.objects.commit.mapToGlobal(panel.rect().topLeft())
    assert not shown(panel.click.status.bar)
    assert not shown(panel.click.status.cancel)
    monkeypatch.setattr(Tool, "can_cancel", True)
    tool.show("Propagating …", "busy", 3, 10)
    qapp.processEvents()
    assert shown(panel.click.status.bar)
    assert shown(panel.click.status.cancel)
    assert panel.click.status.bar.text() == "3 of 10"
    assert panel.click.objects.commit.mapToGlobal(panel.rect().topLeft()) == place


def test_unsaved_work_is_offered_only_while_there_is_some(
    panel: Any, tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not shown(panel.click.restore)
    monkeypatch.setattr(EarlierWork, "restorable", Restorable("14 clicks and 3 objects"))
    tool.changed.emit()
    assert shown(panel.click.restore)
    assert "14 clicks" in panel.click.restore.text.text()
    monkeypatch.setattr(EarlierWork, "restorable", None)
    panel.click.restore.discard.click()
    assert not shown(panel.click.restore)


def test_channels_are_shown_only_when_there_are_some(panel: Any, tool: Any) -> None:
    assert not shown(panel.click.image.channels)
    tool.viewer.add_image(np.zeros((64, 64, 3), np.uint8), name="stained", rgb=True)
    tool.switcher.choose_image("stained")
    tool.changed.emit()
    assert shown(panel.click.image.channels)
    assert [box.text() for box in panel.click.image.channel_boxes] == ["red", "green", "blue"]


def test_what_is_being_typed_survives_a_change_of_the_tool(
    panel: Any, tool: Any, qtbot: Any
) -> None:
    from qtpy.QtCore import Qt

    panel.click.options_section.expand()
    box = panel.click.options.diameter.native
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "25")
    tool.show("Encoding …", "busy", 1, 2)
    assert box.text().startswith("25")
    assert tool.calls == []
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert tool.calls == [("set_object_diameter", 25.0)]


def test_no_diameter_reads_auto(panel: Any, tool: Any) -> None:
    box = panel.click.options.diameter.native
    assert box.text() == "auto"
    tool.set_object_diameter(42.0)
    tool.changed.emit()
    assert box.text() == "42.0 px"
    box.setValue(0)
    assert tool.calls[-1] == ("set_object_diameter", None)


def test_files_are_asked_for(panel: Any, tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from qtpy.QtWidgets import QFileDialog

    clicks = "Clicks that are not committed (*.csv)"
    answers = iter([("labels.tif", clicks), ("all", clicks), ("", ""), ("mine.st", ""), ("", "")])
    for name in ("getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *_: next(answers))
    tool.obeys = False
    for _ in range(3):
        panel.click.export.click()
    tool.obeys = True
    panel.click.model.open.click()
    panel.click.model.open.click()
    assert tool.calls == [
        ("export", "labels.tif"),
        ("export", "all.csv"),
        ("model.choose", "mine.st"),
    ]
    assert panel.click.model.model.currentText() == "mine.st"


def test_a_disk_that_is_full_is_a_complaint(panel: Any, tool: Any) -> None:
    def fail() -> None:
        raise OSError("no space left on device")

    panel.attempt(fail)
    assert "No space left" in panel.click.status.text.text()


def test_the_fine_tune_tab_is_made_when_it_is_first_shown(
    panel: Any, tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stand_in_for_fine_tuning(monkeypatch)
    assert made == []
    for index in (1, 0, 1):
        panel.tabs.setCurrentIndex(index)
    assert [(tab.viewer, tab.tool) for tab in made] == [(panel.viewer, tool)]


def test_a_model_that_was_made_is_used(
    panel: Any, tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stand_in_for_fine_tuning(monkeypatch)
    panel.tabs.setCurrentIndex(1)
    made[0].model_made.emit("mine")
    assert ("model.choose", "mine") in tool.calls


def stand_in_for_fine_tuning(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Put another tab in place of the real one; all that are made of it."""
    made: list[Any] = []

    class Tab(QLabel):
        model_made = Signal(str)

        def __init__(self, viewer: Any, tool: Any) -> None:
            super().__init__("fine-tune")
            self.viewer, self.tool = viewer, tool
            made.append(self)

    module = ModuleType("finetune_tab")
    module.FineTuneTab = Tab  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "napari_gpcis.widget.finetune.tab", module)
    return made


def test_importing_the_panel_loads_no_torch() -> None:
    code = "import sys, napari_gpcis.widget.panel; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
