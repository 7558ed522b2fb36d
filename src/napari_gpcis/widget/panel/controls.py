"""The panel's building blocks: parts, buttons, choosers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLayout,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_gpcis.widget.tool.keys import SHORTCUTS

if TYPE_CHECKING:
    from magicgui.widgets import Widget
    from qtpy.QtGui import QWheelEvent

    from napari_gpcis.widget.tool.tool import Tool

__all__ = [
    "Attempt",
    "Chooser",
    "Part",
    "adopt",
    "close_button",
    "describe",
    "even_grid",
    "keys_of",
    "push_button",
    "tab_through",
    "tight",
]

# Does something with the tool; should it refuse, says why, and shows the tool as it is.
Attempt: TypeAlias = Callable[[Callable[[], object]], None]


class Part(QWidget):
    """A part of the panel: it shows some of the tool, and asks the tool for changes.

    Parameters
    ----------
    tool : Tool
        What is shown.
    attempt : callable
        Through which every change is asked for.
    """

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__()
        self.tool = tool
        self.attempt = attempt

    def refresh(self) -> None:
        """Show the tool as it is."""
        raise NotImplementedError

    def button(
        self, text: str, tip: str, ask: Callable[[], object], *, action: str = "", name: str = ""
    ) -> QPushButton:
        """A `push_button` that asks the tool for something, which may refuse."""
        return push_button(text, tip, lambda: self.attempt(ask), action=action, name=name)


def describe(widget: QWidget, name: str, tip: str, keys: str = "") -> None:
    """Name a control for screen readers, and say what it does, and by which keys."""
    tip = f"{tip} ({keys})" if keys else tip
    widget.setAccessibleName(name)
    widget.setAccessibleDescription(tip)
    widget.setToolTip(tip)


def keys_of(action: str) -> str:
    """The keys of an action, as the help sheet writes them; empty for one without."""
    return next((shortcut.keys for shortcut in SHORTCUTS if shortcut.action == action), "")


def push_button(
    text: str, tip: str, clicked: Callable[[], object], *, action: str = "", name: str = ""
) -> QPushButton:
    """A button that leaves the keyboard to the canvas when it is clicked; Tab reaches it.

    Parameters
    ----------
    text, tip : str
        What stands on it, and what it does.
    clicked : callable
        Called when it is clicked.
    action : str
        The action under which `SHORTCUTS` has its keys, which the tooltip then names.
    name : str
        For screen readers; the text when not given.
    """
    button = QPushButton(text)
    describe(button, name or text, tip, keys_of(action) if action else "")
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setAutoDefault(False)
    button.clicked.connect(lambda: clicked())
    return button


def close_button(dialog: QDialog) -> QDialogButtonBox:
    """The button that closes a window, in a row of its own."""
    box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    box.rejected.connect(dialog.reject)
    if (button := box.button(QDialogButtonBox.StandardButton.Close)) is not None:
        button.setIcon(QIcon())  # the system's icon does not know the theme
        describe(button, "Close", "Close this window", "Esc")
    return box


def even_grid(widgets: Sequence[QWidget], columns: int) -> QGridLayout:
    """Rows of equally wide widgets, whatever their texts."""
    grid = QGridLayout()
    tight(grid, spacing=4)
    for at, widget in enumerate(widgets):
        policy = widget.sizePolicy()
        widget.setSizePolicy(QSizePolicy.Policy.Ignored, policy.verticalPolicy())
        grid.addWidget(widget, at // columns, at % columns)
        grid.setColumnStretch(at % columns, 1)
    return grid


def tab_through(before: QWidget, widgets: Sequence[QWidget]) -> None:
    """Let Tab reach widgets that came later right after the one that they stand behind."""
    for widget in widgets:
        QWidget.setTabOrder(before, widget)
        before = widget


def tight(layout: QLayout, *, spacing: int = 6) -> None:
    """No margins: the panel has its own."""
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)


class Chooser(QComboBox):
    """A combo box of (text, value) pairs; never wider than the panel, deaf to passing wheels.

    Parameters
    ----------
    name, tip : str
        For screen readers and the tooltip.
    choose : callable
        Called with the value that the user chose, and with nothing else.
    empty : str
        Shown when there is nothing to choose from.
    """

    def __init__(
        self, name: str, tip: str, choose: Callable[[Any], object], *, empty: str = ""
    ) -> None:
        super().__init__()
        self._tip = tip
        self._choose = choose
        self._items: list[tuple[str, Any]] = []
        describe(self, name, tip)
        self.setPlaceholderText(empty)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        # Were it to keep the focus after a click, the next N or J would choose another item.
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.activated.connect(self._activated)

    def show_items(self, items: Sequence[tuple[str, Any]], current: Any) -> None:
        """Offer these items, and show the one with this value; no signal is sent."""
        if [*items] != self._items:
            self._items = [*items]
            self.blockSignals(True)
            self.clear()
            self.addItems([text for text, _ in items])
            self.blockSignals(False)
        values = [value for _, value in self._items]
        index = values.index(current) if current in values else -1
        self.setCurrentIndex(index)
        self.setEnabled(bool(items))
        # A long name is cut short in the box, and whole here.
        self.setToolTip(f"{self.currentText()}\n{self._tip}" if index >= 0 else self._tip)

    @property
    def value(self) -> Any:
        """The value shown; None when there is none."""
        return self._items[self.currentIndex()][1] if self.currentIndex() >= 0 else None

    def _activated(self, index: int) -> None:
        self._choose(self._items[index][1])

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Scroll the panel, not the choice."""
        if event is not None:
            event.ignore()


def adopt(*widgets: Widget) -> None:
    """Make widgets of magicgui like the panel's own: named, and deaf to passing wheels.

    Tab reaches them, a click on a button or box leaves the keyboard to the canvas.
    """
    for widget in widgets:
        native: QWidget = widget.native
        parts = [native, *native.findChildren(QWidget)]
        ear = _WheelFilter(native)
        for part in parts:
            describe(part, widget.name, widget.tooltip or "")
            part.installEventFilter(ear)
            if isinstance(part, (QAbstractButton, QComboBox)):
                part.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            elif isinstance(part, QAbstractSpinBox):
                # of a slider with its number, the slider is the one stop for Tab
                alone = part is native
                policy = Qt.FocusPolicy.StrongFocus if alone else Qt.FocusPolicy.ClickFocus
                part.setFocusPolicy(policy)
        if isinstance(native, QComboBox):
            native.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            native.setMinimumContentsLength(8)


class _WheelFilter(QObject):
    """Lets wheels pass: what nobody takes scrolls the panel."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return bool(super().eventFilter(watched, event))
