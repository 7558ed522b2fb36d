"""The panel's building blocks: parts, buttons, choosers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLayout,
    QPushButton,
    QSizePolicy,
    QWidget,
)
from superqt import QDoubleSlider, QLabeledDoubleSlider

from napari_gpcis.widget.tool.keys import SHORTCUTS

if TYPE_CHECKING:
    from qtpy.QtCore import QObject
    from qtpy.QtGui import QWheelEvent

    from napari_gpcis.widget.tool.types import ToolLike

__all__ = [
    "Attempt",
    "CalmSlider",
    "CalmSpinBox",
    "Chooser",
    "Part",
    "close_button",
    "describe",
    "keys_of",
    "one_row",
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
    tool : ToolLike
        What is shown.
    attempt : callable
        Through which every change is asked for.
    """

    def __init__(self, tool: ToolLike, attempt: Attempt) -> None:
        super().__init__()
        self.tool = tool
        self.attempt = attempt

    def refresh(self) -> None:
        """Show the tool as it is."""
        raise NotImplementedError


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


def one_row(parent: Part, widgets: Sequence[QWidget]) -> None:
    """Fill a part with one row of equally wide widgets, whatever their texts."""
    row = QHBoxLayout(parent)
    tight(row, spacing=4)
    for widget in widgets:
        policy = widget.sizePolicy()
        widget.setSizePolicy(QSizePolicy.Policy.Ignored, policy.verticalPolicy())
        row.addWidget(widget, 1)


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


class CalmSpinBox(QDoubleSpinBox):
    """A spin box that a passing wheel does not turn."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Scroll the panel, not the number."""
        if event is not None:
            event.ignore()


class CalmSlider(QLabeledDoubleSlider):
    """A slider that a passing wheel does not move; its parts answer to its name.

    Parameters
    ----------
    name, tip : str
        For screen readers and the tooltip.
    """

    def __init__(self, name: str, tip: str) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        describe(self, name, tip)
        for part in self.findChildren(QWidget):
            describe(part, name, tip)
            part.installEventFilter(self)
        # One stop for Tab, not two.
        self.setFocusProxy(self.findChild(QDoubleSlider))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Let a wheel pass: what nobody takes scrolls the panel."""
        if event is not None and event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return bool(super().eventFilter(watched, event))

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Scroll the panel, not the slider."""
        if event is not None:
            event.ignore()
