"""Actions on clicks: the mode, the counts, the action buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QButtonGroup, QCheckBox, QHBoxLayout, QLabel

from napari_gpcis.widget.layers.clicks import COLORS
from napari_gpcis.widget.panel.controls import Attempt, Part, describe, even_grid, tight

if TYPE_CHECKING:
    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["Counts", "ModeBar", "ObjectActions", "PropagateActions", "StepActions"]


class ModeBar(Part):
    """Objects or classes, and whether clicks are taken at all."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.objects = self.button(
            "Objects",
            "Clicks outline one object at a time",
            lambda: tool.set_mode("object"),
            name="Object mode",
        )
        self.classes = self.button(
            "Classes",
            "Clicks give examples of each class; every pixel is then given one",
            lambda: tool.set_mode("class"),
            name="Class mode",
        )
        self.active = QCheckBox("Take clicks")
        describe(
            self.active,
            "Take clicks",
            "Clicks on the image go to GPCIS; when off, to napari",
        )
        self.active.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.active.clicked.connect(lambda: attempt(lambda: tool.set_active(self._wanted())))
        group = QButtonGroup(self)
        row = QHBoxLayout(self)
        tight(row, spacing=1)
        for button in (self.objects, self.classes):
            button.setCheckable(True)
            group.addButton(button)
            row.addWidget(button, 1)
        row.addSpacing(10)
        row.addWidget(self.active)

    def refresh(self) -> None:
        """Show the mode."""
        self.objects.setChecked(self.tool.mode == "object")
        self.classes.setChecked(self.tool.mode == "class")
        self.active.setChecked(self.tool.options.takes_clicks)

    def _wanted(self) -> bool:
        return self.active.isChecked()


class Counts(Part):
    """How many clicks the active object has, and how many objects are committed."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.positive, self.negative = QLabel(), QLabel()
        self.objects = QLabel()
        self.swap = self.button(
            "±",
            "Make the last click negative, or positive again",
            tool.swap_sign,
            action="swap_sign",
            name="Swap sign",
        )
        self.auto_commit = QCheckBox("Auto-commit")
        describe(
            self.auto_commit,
            "Auto-commit",
            "A click well outside the object commits it and begins the next:\n"
            "a field of cells is click, click, click",
        )
        self.auto_commit.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.auto_commit.clicked.connect(
            lambda: attempt(lambda: tool.set_auto_commit(self.auto_commit.isChecked()))
        )
        row = QHBoxLayout(self)
        tight(row)
        for chip, sign in ((self.positive, True), (self.negative, False)):
            # The colours of the clicks in the canvas: on both, black can be read.
            chip.setStyleSheet(
                f"background: {COLORS[sign]}; color: black; border-radius: 3px;"
                " padding: 1px 5px; font-weight: bold;"
            )
            row.addWidget(chip)
        row.addWidget(self.swap)
        row.addWidget(self.auto_commit)
        row.addStretch(1)
        row.addWidget(self.objects)

    def refresh(self) -> None:
        """Count."""
        positive, negative = self.tool.click_counts
        self.positive.setText(f"+{positive}")
        self.positive.setToolTip(f"Positive clicks, strokes and boxes: {positive}")
        self.negative.setText(f"−{negative}")
        self.negative.setToolTip(f"Negative clicks and strokes: {negative}")
        self.swap.setEnabled(positive + negative > 0)
        count = self.tool.object_count
        self.objects.setText("1 object" if count == 1 else f"{count} objects")
        self.objects.setToolTip(f"Committed objects: {count}")
        self.auto_commit.setChecked(self.tool.options.auto_commit)
        for widget in (self.objects, self.auto_commit):
            widget.setVisible(self.tool.mode == "object")


class ObjectActions(Part):
    """Commit and begin objects."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.commit = self.button(
            "Commit",
            "Write the object into the labels layer, and begin the next",
            tool.commit,
            action="commit",
        )
        self.new_object = self.button(
            "New object",
            "Begin another object; this one's clicks stay uncommitted",
            tool.new_object,
            action="new_object",
        )
        self.setLayout(even_grid([self.commit, self.new_object], columns=2))

    def refresh(self) -> None:
        """Enable what can be done."""
        self.commit.setEnabled(self.tool.can_commit)
        self.new_object.setEnabled(self.tool.switcher.image is not None)


class StepActions(Part):
    """Back, forth, away, and on to the next click: in both modes."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.undo = self.button("Undo", "Take the last step back", tool.undo, action="undo")
        self.redo = self.button(
            "Redo",
            "Take the step again that was taken back",
            tool.redo,
            action="redo",
        )
        self.clear = self.button(
            "Clear",
            "Take away the active object's clicks",
            tool.clear,
            action="clear",
        )
        self.next = self.button(
            "Next",
            "Go where a click would help most",
            tool.jump_to_next,
            action="jump_to_next",
            name="Next click",
        )
        self.setLayout(even_grid([self.undo, self.redo, self.clear, self.next], columns=4))

    def refresh(self) -> None:
        """Enable what can be done."""
        tool = self.tool
        self.undo.setEnabled(tool.can_undo)
        self.redo.setEnabled(tool.can_redo)
        self.clear.setEnabled(sum(tool.click_counts) > 0)
        self.next.setEnabled(tool.model.is_loaded and tool.switcher.image is not None)


class PropagateActions(Part):
    """Carry the object over to later and earlier slices."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.up = self.button(
            "▲",
            "Propagate to later slices",
            lambda: tool.propagate("up"),
            action="propagate_up",
            name="Propagate up",
        )
        self.down = self.button(
            "▼",
            "Propagate to earlier slices",
            lambda: tool.propagate("down"),
            action="propagate_down",
            name="Propagate down",
        )
        self.both = self.button(
            "⇅",
            "Propagate to later and earlier slices",
            lambda: tool.propagate("both"),
            action="propagate_both",
            name="Propagate both ways",
        )
        self.setLayout(even_grid([QLabel("Propagate"), self.up, self.down, self.both], columns=4))

    def refresh(self) -> None:
        """Enable what can be done."""
        for button in (self.up, self.down, self.both):
            button.setEnabled(self.tool.can_propagate)
