"""The panel beside the canvas: it shows the tool, and asks it for changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QFrame,
    QLabel,
    QLineEdit,
    QScrollArea,
    QStyle,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_gpcis.widget.panel.click_tab import ClickTab
from napari_gpcis.widget.panel.help_sheet import HelpSheet, ShortcutLike
from napari_gpcis.widget.theme import palette_of, style_sheet
from napari_gpcis.widget.tool.status import sentence
from napari_gpcis.widget.tool.types import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QKeyEvent

    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["GPCISPanel"]

_ENDS_OF_TYPING = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)


class GPCISPanel(QWidget):
    """Segment by clicks: the panel that napari docks.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Where the images and the clicks are.
    tool : Tool, optional
        What the panel shows; a new tool of this viewer when not given.
    shortcuts : sequence of ShortcutLike, optional
        What stands on the help sheet; the tool's own keys when not given.
    """

    def __init__(
        self,
        napari_viewer: Any,
        tool: Tool | None = None,
        *,
        shortcuts: Sequence[ShortcutLike] | None = None,
    ) -> None:
        super().__init__()
        # runs out in a panel that has been taken out of its dock widget
        self._undocked = QTimer(self)
        self._undocked.setSingleShot(True)
        self._undocked.timeout.connect(self._leave_if_undocked)
        self._owns_tool = tool is None
        if tool is None:
            from napari_gpcis.widget.tool.registry import give_back_tool, tool_of

            tool = shared = tool_of(napari_viewer)
            # Not a bound method: nothing but this keeps the tool until the panel is gone.
            self.destroyed.connect(lambda: give_back_tool(shared))
        self.viewer = napari_viewer
        self.tool: Tool = tool
        self._shortcuts = shortcuts
        self.help_sheet: HelpSheet | None = None
        self._complaint: Status | None = None
        self._overheard: Status | None = None  # the tool's status when the complaint was made
        self._theme = ""

        self.click = ClickTab(tool, self.attempt, self.show_help)
        self.finetune = QWidget()  # filled when it is first shown
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(_scrolling(self.click), "Click")
        self.tabs.addTab(_scrolling(self.finetune), "Fine-tune")
        self.tabs.setTabToolTip(0, "Segment by clicks")
        self.tabs.setTabToolTip(1, "Train the model further on your own labels")
        self.tabs.currentChanged.connect(self._tab_shown)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tabs)

        self._follow_theme()
        tool.changed.connect(self.refresh)
        tool.help_wanted.connect(self.show_help)
        self.refresh()

    def sizeHint(self) -> QSize:
        """About 340 px wide with the usual font."""
        metrics = self.fontMetrics()
        width = max(metrics.averageCharWidth() * 56, self.minimumSizeHint().width())
        return QSize(width, metrics.lineSpacing() * 36)

    def minimumSizeHint(self) -> QSize:
        """As wide as the controls and a scroll bar need, so that nothing is cut off."""
        style = self.style()
        bar = style.pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent) if style else 0
        width = self.click.minimumSizeHint().width() + bar
        return QSize(width, super().minimumSizeHint().height())

    def refresh(self) -> None:
        """Show the tool as it is; sends no change back to it."""
        self.click.refresh()
        status = self.tool.status
        if self._complaint is not None and self._is_news(status):
            self._complaint = None
        self.click.status.show_status(self._complaint or status)
        self.click.status.show_progress(status)

    def attempt(self, action: Callable[[], object]) -> None:
        """Ask the tool for something; when it refuses, say why, and show it as it still is.

        Parameters
        ----------
        action : callable
            What to do; may raise ValueError or OSError, whose message is shown.
        """
        try:
            action()
        except (ValueError, OSError) as error:
            self._complaint = Status(sentence(error), "error")
            self._overheard = self.tool.status
        else:
            self._complaint = None
        self.refresh()

    def show_help(self) -> None:
        """Open the sheet with all keys."""
        if self.help_sheet is None:
            self.help_sheet = HelpSheet(self._all_shortcuts(), self)
        self.help_sheet.show()
        self.help_sheet.raise_()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Keep what is typed into a field from the canvas: Enter there commits no object."""
        if event is None:
            return
        typing = isinstance(QApplication.focusWidget(), (QLineEdit, QAbstractSpinBox))
        if typing or event.key() in _ENDS_OF_TYPING:
            event.accept()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow napari's theme, and go when the dock widget around it is closed."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange:
            self._follow_theme()
        elif event is not None and event.type() == QEvent.Type.ParentChange:
            # later: a panel that is moved has no parent on the way
            self._undocked.start(0)

    def _leave_if_undocked(self) -> None:
        """End with the dock widget: napari takes it away, but lets what was in it live on."""
        if self._owns_tool and self.parent() is None:
            self.deleteLater()

    def _is_news(self, status: Status) -> bool:
        """True if the tool has said something new since the complaint; progress does not count."""
        return status.level != "busy" and status != self._overheard

    def _follow_theme(self) -> None:
        # Qt changes the style while the panel is still being made, too.
        theme = self.viewer.theme if hasattr(self, "click") else ""
        if theme and theme != self._theme:
            self._theme = theme
            palette = palette_of(theme)
            self.setStyleSheet(style_sheet(palette))
            self.click.set_palette(palette)

    def _all_shortcuts(self) -> Sequence[ShortcutLike]:
        if self._shortcuts is not None:
            return self._shortcuts
        from napari_gpcis.widget.tool.keys import SHORTCUTS

        return SHORTCUTS

    def _tab_shown(self, index: int) -> None:
        if index != 1 or self.finetune.layout() is not None:
            return
        column = QVBoxLayout(self.finetune)
        column.setContentsMargins(0, 0, 0, 0)
        try:
            from napari_gpcis.widget.finetune.tab import FineTuneTab
        except ImportError as error:  # matplotlib, of the extra
            missing = QLabel(
                f"Fine-tuning needs {error.name}. Install it with: pip install "
                '"napari-gpcis[train]"'
            )
            missing.setWordWrap(True)
            column.addWidget(missing)
            return
        tab = FineTuneTab(self.viewer, self.tool)
        tab.model_made.connect(self._use_model)
        column.addWidget(tab)

    def _use_model(self, name: str) -> None:
        """Click with the model that was just made."""
        self.attempt(lambda: self.tool.model.choose(name))


def _scrolling(content: QWidget) -> QScrollArea:
    """The content, with a scroll bar where the window is too low for it."""
    area = QScrollArea()
    area.setWidget(content)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area
