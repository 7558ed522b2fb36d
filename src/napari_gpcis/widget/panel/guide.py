"""The first steps, ticked as they are made; closed once, they stay closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout

from napari_gpcis.widget.panel.controls import Attempt, Part, push_button, tight
from napari_gpcis.widget.tool.settings import keep_setting

if TYPE_CHECKING:
    from napari_gpcis.widget.theme import Palette
    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["Guide"]

STEPS = (
    "Click on an object",
    "Ctrl-click beside it: this is not part of it",
    "Press Enter: it gets its label",
    "Double-click on it: go on with it",
)
_DONE = "That is all it takes. F1 has the rest"


class Guide(Part):
    """Four steps on any image, or on a sample that it opens.

    Attributes
    ----------
    done : list of bool
        Which of the steps have been made while the guide was there.
    """

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.done = [False] * len(STEPS)
        self._wanted = tool.settings.guide
        self._box = QFrame()
        self._box.setObjectName("gpcisGuide")
        self.title = QLabel()
        self.sample = push_button(
            "Open a sample",
            "Coins, to make the first steps on",
            lambda: attempt(self._open_sample),
            name="Open a sample",
        )
        self.close_button = push_button(
            "✕", "Close the first steps, for good", self.dismiss, name="Close the first steps"
        )
        self.close_button.setFixedWidth(26)
        self.marks = [QLabel() for _ in STEPS]
        self.steps = [QLabel(text) for text in STEPS]
        for label in (self.title, *self.steps):
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.sample)
        head.addWidget(self.close_button)
        grid = QGridLayout()
        tight(grid, spacing=2)
        for row, (mark, step) in enumerate(zip(self.marks, self.steps, strict=True)):
            grid.addWidget(mark, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(step, row, 1)
        grid.setColumnStretch(1, 1)
        inside = QVBoxLayout(self._box)
        inside.setContentsMargins(6, 4, 6, 4)
        inside.setSpacing(2)
        inside.addLayout(head)
        inside.addLayout(grid)
        column = QVBoxLayout(self)
        tight(column)
        column.addWidget(self._box)

    def refresh(self) -> None:
        """Tick what has been done."""
        # somebody who has work to restore, or classes, is past these steps; it comes back later
        tool = self.tool
        wanted = self._wanted and tool.mode == "object" and not tool.earlier_work.restorable
        self.setVisible(wanted)
        if not wanted:
            return
        self._look()
        following = self.done.index(False) if False in self.done else -1
        self.title.setText("<b>First steps</b>" if following >= 0 else f"<b>{_DONE}</b>")
        self.sample.setVisible(self.tool.switcher.image is None)
        for at, (mark, step) in enumerate(zip(self.marks, self.steps, strict=True)):
            mark.setText("✔" if self.done[at] else "▸" if at == following else "○")
            text = f"<b>{STEPS[at]}</b>" if at == following else STEPS[at]
            if step.text() != text:
                step.setText(text)
            step.setAccessibleName(f"{STEPS[at]}: {'done' if self.done[at] else 'to do'}")

    def set_palette(self, palette: Palette) -> None:
        """Take up a theme."""
        self._box.setStyleSheet(
            f"#gpcisGuide {{ background: {palette.surface}; border-radius: 2px;"
            f" border: 1px solid {palette.link}; }}"
            f" #gpcisGuide QLabel {{ background: transparent; }}"
        )

    def dismiss(self) -> None:
        """Close the guide for good; Preferences → GPCIS brings it back."""
        self._wanted = False
        keep_setting("annotation", "guide", False)
        self.hide()

    def _look(self) -> None:
        document = self.tool.document
        if document is None or document.mode != "object":
            return
        positive, negative = self.tool.click_counts
        made = (
            positive > 0,
            negative > 0,
            self.done[0] and self.tool.object_count > 0,
            self.done[2] and bool(document.annotation.state.taken_up),
        )
        self.done = [before or now for before, now in zip(self.done, made, strict=True)]

    def _open_sample(self) -> None:
        from napari_gpcis.widget.contributions.samples import coins

        for data, arguments, _ in coins():
            self.tool.viewer.add_image(data, **arguments)
