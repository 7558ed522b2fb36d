"""The state of the tool, the progress of its work, and the button that stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QFont, QFontMetrics
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QVBoxLayout

from napari_gpcis.widget.panel.controls import Attempt, Part, describe, tight

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

    from napari_gpcis.widget.theme import Palette
    from napari_gpcis.widget.tool.tool import Tool
    from napari_gpcis.widget.tool.types import Level, Status

__all__ = ["StatusLine"]

# Colour is not the only carrier of the level.
_SIGNS: dict[Level, str] = {"info": "●", "busy": "…", "warning": "⚠", "error": "✖"}
_WORDS: dict[Level, str] = {
    "info": "",
    "busy": "Busy: ",
    "warning": "Warning: ",
    "error": "Error: ",
}
_LINES = 3


class StatusLine(Part):
    """The status, large, with a sign and the colour of its level; under it progress and Cancel."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self._palette: Palette | None = None
        self._level: Level = "info"
        self._size = ""
        self.box = QFrame()
        self.box.setObjectName("gpcisStatus")
        self.sign = QLabel()
        self.sign.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row = QHBoxLayout(self.box)
        row.setContentsMargins(6, 4, 6, 4)
        row.addWidget(self.sign)
        row.addWidget(self.text, 1)

        self.bar = QProgressBar()
        describe(self.bar, "Progress", "How far the running work is")
        self.cancel = self.button(
            "Cancel",
            "Stop the running work; what is done stays",
            tool.cancel,
            action="cancel",
        )
        # What comes and goes keeps its place, so that no button moves under the mouse.
        for widget in (self.bar, self.cancel):
            policy = widget.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            widget.setSizePolicy(policy)
        self.bar.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        progress = QHBoxLayout()
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.cancel)

        column = QVBoxLayout(self)
        tight(column, spacing=4)
        column.addWidget(self.box)
        column.addLayout(progress)

    def refresh(self) -> None:
        """Show the tool's own status."""
        self.show_status(self.tool.status)

    def show_status(self, status: Status) -> None:
        """Show a status: the tool's, or what the panel has to say itself."""
        self.text.setText(status.text)
        self.text.setToolTip(status.text)
        self._fit()
        self.text.setAccessibleName(f"Status: {_WORDS[status.level]}{status.text}")
        self.sign.setText(_SIGNS[status.level])
        if status.level != self._level:
            self._level = status.level
            self._paint()

    def show_progress(self, status: Status) -> None:
        """Show how far the tool is, whatever the status says."""
        self.bar.setVisible(status.total > 0)
        self.bar.setMaximum(max(status.total, 1))
        self.bar.setValue(min(status.done, status.total))
        self.bar.setFormat(f"{status.done} of {status.total}")
        self.cancel.setVisible(self.tool.can_cancel)

    def set_palette(self, palette: Palette) -> None:
        """Take up the colours and the text size of a theme."""
        self._palette = palette
        self._paint()

    def _paint(self) -> None:
        if self._palette is None:
            return
        color = self._palette.levels[self._level]
        self.box.setStyleSheet(
            f"#gpcisStatus {{ background: {self._palette.surface};"
            f" border-left: 3px solid {color}; border-radius: 2px; }}"
            f" #gpcisStatus QLabel {{ color: {color}; font-size: {self._palette.large}; }}"
        )
        self.text.ensurePolished()
        metrics = self.text.fontMetrics()
        self.sign.setFixedWidth(metrics.horizontalAdvance("⚠ "))
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit the text anew."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """One height for all texts, so that no button moves; a long text is set smaller."""
        if self._palette is None:
            return
        height, chosen = 0, ""
        room = QRect(0, 0, max(1, self.text.width()), 10_000)
        for chosen in (self._palette.large, self._palette.normal, self._palette.small):
            font = QFont(self.text.font())
            font.setPointSizeF(float(chosen.removesuffix("pt")))
            metrics = QFontMetrics(font)
            height = height or metrics.lineSpacing() * _LINES + 2
            wrapped = metrics.boundingRect(room, int(Qt.TextFlag.TextWordWrap), self.text.text())
            if wrapped.height() <= height:
                break
        self.text.setFixedHeight(height)
        if chosen != self._size:
            self._size = chosen
            self.text.setStyleSheet(f"font-size: {chosen};")
