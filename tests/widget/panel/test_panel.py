from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel

from napari_gpcis.widget.tool.types import ClassInfo, Restorable, Status

pytestmark = pytest.mark.gui


@pytest.fixture
def tool(qapp: Any) -> Any:
    from tests.widget.fake_tool import FakeTool

    return FakeTool()


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
    "image": (lambda c: choose(c.image.image, "nuclei"), ("set_image", "nuclei")),
    "channels": (lambda c: c.image._boxes[1].click(), ("set_channels", (0, 1))),
    "mode": (lambda c: c.mode.classes.click(), ("set_mode", "class")),
    "active": (lambda c: c.mode.active.click(), ("set_active", False)),
    "labels": (lambda c: choose(c.options.labels, "New layer"), ("set_labels_layer", None)),
    "overlap": (
        lambda c: choose(c.options.overlap, "Overwrite other objects"),
        ("set_overlap", "overwrite"),
    ),
    "diameter": (lambda c: c.options.diameter.setValue(30), ("set_object_diameter", 30.0)),
    "threshold": (lambda c: c.options.threshold.setValue(0.7), ("set_threshold", 0.7)),
    "overlay": (
        lambda c: c.options._boxes["next click"].click(),
        ("set_overlay", "next click", True),
    ),
    "model": (lambda c: choose(c.model.model, "Paper (ResNet-50)"), ("set_model", "paper")),
    "device": (lambda c: choose(c.model.device, "cuda:0"), ("set_device", "cuda:0")),
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
    "estimate": (lambda c: c.options.estimate, ("estimate_diameter",)),
    "cancel": (lambda c: c.status.cancel, ("cancel",)),
    "restore": (lambda c: c.restore.restore, ("restore",)),
    "discard": (lambda c: c.restore.discard, ("discard_restorable",)),
    "add class": (lambda c: c.classes.add, ("add_class",)),
    "remove class": (lambda c: c.classes.remove, ("remove_class", 1)),
    "apply": (lambda c: c.classes.apply, ("apply_to_all",)),
}


def look(click: Any) -> tuple[Any, ...]:
    """What the choices show."""
    return (
        click.image.image.value,
        [box.isChecked() for box in click.image._boxes],
        click.mode.classes.isChecked(),
        click.mode.active.isChecked(),
        click.options.labels.value,
        click.options.overlap.value,
        click.options.diameter.value(),
        click.options.threshold.value(),
        [box.isChecked() for box in click.options._boxes.values()],
        click.model.model.value,
        click.model.device.value,
    )


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_reaches_the_tool_once(panel: Any, tool: Any, name: str) -> None:
    tool.channels = ["DAPI", "GFP"]
    tool.changed.emit()
    act, call = CHOICES[name]
    before = look(panel.click)
    act(panel.click)
    assert tool.calls == [call]
    assert look(panel.click) != before


@pytest.mark.parametrize("name", CHOICES)
def test_a_refused_choice_is_taken_back_and_explained(panel: Any, tool: Any, name: str) -> None:
    tool.channels = ["DAPI", "GFP"]
    tool.changed.emit()
    before = look(panel.click)
    tool.refusal = "expected something else; choose another"
    CHOICES[name][0](panel.click)
    assert look(panel.click) == before
    assert panel.click.status.text.text() == tool.refusal
    assert panel.click.status.text.accessibleName().startswith("Status: Error")


@pytest.mark.parametrize("name", ACTIONS)
def test_a_button_does_what_it_says(panel: Any, tool: Any, name: str) -> None:
    find, call = ACTIONS[name]
    find(panel.click).click()
    assert tool.calls == [call]


def test_showing_the_tool_sends_nothing_back(panel: Any, tool: Any) -> None:
    tool.images, tool.image = ["other"], "other"
    tool.channels, tool.chosen_channels = ["a", "b", "c"], (1, 2)
    tool.mode, tool.active, tool.overlap = "class", False, "overwrite"
    tool.object_diameter, tool.threshold = 12.5, 0.8
    tool.label_layers, tool.labels_layer = [], None
    tool.overlays = {"probability": True, "new one": False}
    tool.classes, tool.active_class = [ClassInfo(5, "five", "#010203")], 5
    tool.model, tool.device, tool.device_in_use = "elsewhere.safetensors", "cpu", ""
    tool.changed.emit()
    assert tool.calls == []
    assert look(panel.click) == (
        "other", [False, True, True], True, False, None, "overwrite", 12.5, 0.8,
        [True, False], "elsewhere.safetensors", "cpu",
    )  # fmt: skip


def test_buttons_are_enabled_only_when_they_can_do_something(panel: Any, tool: Any) -> None:
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
    tool.can_commit = tool.can_undo = tool.can_redo = tool.can_propagate = tool.ready = False
    tool.click_counts, tool.image, tool.images = (0, 0), None, []
    tool.changed.emit()
    assert not any(button.isEnabled() for button in buttons)
    assert not click.image.image.isEnabled()


def test_counts_are_those_of_the_tool(panel: Any, tool: Any) -> None:
    counts = panel.click.counts
    assert [label.text() for label in (counts.positive, counts.negative)] == ["+3", "−1"]
    assert counts.objects.text() == "2 objects"
    tool.object_count = 1
    tool.changed.emit()
    assert counts.objects.text() == "1 object"


def test_a_complaint_stays_through_progress_and_goes_with_news(panel: Any, tool: Any) -> None:
    text = panel.click.status.text
    tool.refusal = "expected an image; open one"
    panel.click.objects.commit.click()
    tool.status = Status("Encoding slice 3 …", "busy", 1, 4)
    tool.changed.emit()
    assert text.text() == tool.refusal
    assert panel.click.status.bar.value() == 1
    tool.status = Status("2 objects committed")
    tool.changed.emit()
    assert text.text() == "2 objects committed"


def test_a_complaint_goes_when_the_next_thing_works(panel: Any, tool: Any) -> None:
    tool.refusal = "expected an image; open one"
    panel.click.objects.commit.click()
    tool.refusal = ""
    panel.click.objects.commit.click()
    assert panel.click.status.text.text() == "Click on an object"


def test_each_level_has_its_own_sign(panel: Any, tool: Any) -> None:
    signs = set()
    for level in ("info", "busy", "warning", "error"):
        tool.status = Status("x", level)
        tool.changed.emit()
        signs.add(panel.click.status._sign.text())
    assert len(signs) == 4


def test_progress_comes_and_goes_without_moving_a_button(panel: Any, tool: Any, qapp: Any) -> None:
    place = panel.click.objects.commit.mapToGlobal(panel.rect().topLeft())
    assert not shown(panel.click.status.bar)
    assert not shown(panel.click.status.cancel)
    tool.status, tool.can_cancel = Status("Propagating …", "busy", 3, 10), True
    tool.changed.emit()
    qapp.processEvents()
    assert shown(panel.click.status.bar)
    assert shown(panel.click.status.cancel)
    assert panel.click.status.bar.text() == "3 of 10"
    assert panel.click.objects.commit.mapToGlobal(panel.rect().topLeft()) == place


def test_unsaved_work_is_offered_only_while_there_is_some(panel: Any, tool: Any) -> None:
    assert not shown(panel.click.restore)
    tool.restorable = Restorable("14 clicks and 3 objects")
    tool.changed.emit()
    assert shown(panel.click.restore)
    assert "14 clicks" in panel.click.restore.text.text()
    panel.click.restore.discard.click()
    assert not shown(panel.click.restore)


def test_channels_are_shown_only_when_there_are_some(panel: Any, tool: Any) -> None:
    assert not shown(panel.click.image.channels)
    tool.channels = ["DAPI", "GFP", "mCherry"]
    tool.changed.emit()
    assert shown(panel.click.image.channels)
    assert [box.text() for box in panel.click.image._boxes] == tool.channels


def test_what_is_being_typed_survives_a_change_of_the_tool(
    panel: Any, tool: Any, qtbot: Any
) -> None:
    from qtpy.QtCore import Qt

    panel.click.options_section.expand()
    box = panel.click.options.diameter
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "25")
    tool.status = Status("Encoding …", "busy", 1, 2)
    tool.changed.emit()
    assert box.text().startswith("25")
    assert tool.calls == []
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert tool.calls == [("set_object_diameter", 25.0)]


def test_no_diameter_reads_auto(panel: Any, tool: Any) -> None:
    box = panel.click.options.diameter
    assert box.text() == "auto"
    panel.click.options.estimate.click()
    assert box.text() == "42.0 px"
    box.setValue(0)
    assert tool.calls[-1] == ("set_object_diameter", None)


def test_files_are_asked_for(panel: Any, tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from qtpy.QtWidgets import QFileDialog

    clicks = "Clicks that are not committed (*.csv)"
    answers = iter([("labels.tif", clicks), ("all", clicks), ("", ""), ("mine.st", ""), ("", "")])
    for name in ("getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *_: next(answers))
    for _ in range(3):
        panel.click.export.click()
    panel.click.model.open.click()
    panel.click.model.open.click()
    assert tool.calls == [("export", "labels.tif"), ("export", "all.csv"), ("set_model", "mine.st")]
    assert panel.click.model.model.currentText() == "mine.st"


def test_a_disk_that_is_full_is_a_complaint(panel: Any, tool: Any) -> None:
    def fail() -> None:
        raise OSError("no space left on device")

    panel.attempt(fail)
    assert "no space left" in panel.click.status.text.text()


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
    assert ("set_model", "mine") in tool.calls


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
