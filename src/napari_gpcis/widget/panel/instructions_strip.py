"""A strip that says what can be done now."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy

from napari_gpcis.widget.layers.clicks import COLORS
from napari_gpcis.widget.panel.controls import Attempt, Part, keys_of, tight
from napari_gpcis.widget.tool.instructions import in_words

if TYPE_CHECKING:
    from napari_gpcis.widget.tool.instructions import Hint
    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["InstructionsStrip"]

_LINES = 3
_ICONS = {"+": ("●", COLORS[True]), "-": ("✖", COLORS[False])}


class InstructionsStrip(Part):
    """What the mouse and the most needed keys do in this mode and state; one height for all."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setWordWrap(True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.text.setToolTip(f"What can be done now; {keys_of('show_help')} shows all keys")
        # no text moves the border of the canvas, least of all during a drag
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row = QHBoxLayout(self)
        tight(row)
        row.addWidget(self.text)

    def refresh(self) -> None:
        """Show what can be done now."""
        shown = self.tool.hints
        self.text.setMinimumHeight(self.text.fontMetrics().lineSpacing() * _LINES + 2)
        written = " &nbsp; ".join(map(_rich, shown))
        if self.text.text() != written:
            self.text.setText(written)
            self.text.setAccessibleName(in_words(shown))


def _rich(hint: Hint) -> str:
    """An icon in the colour of the clicks that it makes, the key in bold, what it leads to."""
    icon = ""
    if hint.sign:
        sign, color = _ICONS[hint.sign]
        icon = f'<span style="color: {color}">{sign}</span>&nbsp;'
    if not hint.act:
        return escape(hint.text)
    act = escape(hint.act).replace("-", "&#8209;").replace(" ", "&nbsp;")
    return f"{icon}<b>{act}</b>&nbsp;{escape(hint.text).replace(' ', '&nbsp;')}"
