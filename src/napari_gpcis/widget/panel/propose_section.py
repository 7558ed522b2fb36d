"""Propose the rest: the button, and what can be done with what it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import FloatSlider
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_gpcis.widget.layers.outlines import color_of
from napari_gpcis.widget.panel.controls import Attempt, Part, adopt, describe, even_grid, tight

if TYPE_CHECKING:
    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["ProposeSection"]

LEGEND_PX = 6
"""Height of the bar of colours."""


class ProposeSection(Part):
    """The button; while there are proposals, threshold, count, accept and dismiss."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        proposals = tool.proposals
        self.propose = self.button(
            "Propose the rest",
            "Find all objects that are like the committed ones",
            tool.propose,
            action="propose",
        )
        self.stack = QCheckBox("all slices")
        describe(self.stack, "All slices", "Search all slices, and join what is one object")
        self.stack.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.stack.clicked.connect(
            lambda: attempt(lambda: proposals.search_stack(self.stack.isChecked()))
        )
        self.threshold = FloatSlider(
            name="Certainty of proposals",
            tooltip="Proposals from this certainty on are drawn solid, and accepted together",
            min=0.0,
            max=1.0,
            step=0.01,
            value=proposals.threshold,
        )
        adopt(self.threshold)
        self.threshold.changed.connect(
            lambda value: attempt(lambda: proposals.set_threshold(round(value, 2)))
        )
        self.count = QLabel()
        self.accept = self.button(
            "Accept all",
            "Commit all proposals from that certainty on, as one step",
            proposals.accept_all,
        )
        self.dismiss = self.button("Dismiss", "Forget all proposals", proposals.dismiss)
        self._lay_out()

    def refresh(self) -> None:
        """Show what was found."""
        proposals = self.tool.proposals
        count, above = proposals.counts
        document = self.tool.document
        self.propose.setEnabled(proposals.can_propose)
        self.stack.setVisible(document is not None and document.frame.shape[0] > 1)
        self.stack.setChecked(proposals.in_stack)
        self._found.setVisible(count > 0)
        self.count.setText(f"{count} proposed, {above} from {proposals.threshold:.2g}")
        self.accept.setEnabled(above > 0)
        if abs(self.threshold.value - proposals.threshold) > 0.005:
            with self.threshold.changed.blocked():
                self.threshold.value = proposals.threshold

    def _lay_out(self) -> None:
        ask = QHBoxLayout()
        ask.addWidget(self.propose, 1)
        ask.addWidget(self.stack)
        legend = QLabel()
        legend.setFixedHeight(LEGEND_PX)
        legend.setStyleSheet(f"background: {_gradient()}; border-radius: 2px;")
        describe(legend, "Legend", "Colours of the outlines: uncertain on the left, certain right")
        self._found = QWidget()
        found = QVBoxLayout(self._found)
        tight(found, spacing=4)
        found.addWidget(self.threshold.native)
        found.addWidget(legend)
        found.addWidget(self.count)
        found.addLayout(even_grid([self.accept, self.dismiss], columns=2))
        column = QVBoxLayout(self)
        tight(column, spacing=4)
        column.addLayout(ask)
        column.addWidget(self._found)


def _gradient() -> str:
    """The colours of certainties, from 0 to 1, for a style sheet."""
    stops = (f"stop:{at / 4} {QColor.fromRgbF(*color_of(at / 4)).name()}" for at in range(5))
    return f"qlineargradient(x1:0, y1:0, x2:1, y2:0, {', '.join(stops)})"
