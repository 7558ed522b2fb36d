"""All keys on one sheet."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Protocol

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QDialog, QTextBrowser, QVBoxLayout

from napari_gpcis.widget.panel.controls import close_button, describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtWidgets import QWidget

__all__ = ["HelpSheet", "ShortcutLike"]


class ShortcutLike(Protocol):
    """A key or a way to click, what it does, and the group under which it stands."""

    @property
    def keys(self) -> str:
        """Keys to press."""

    @property
    def text(self) -> str:
        """Their effect."""

    @property
    def group(self) -> str:
        """The heading."""


class HelpSheet(QDialog):
    """A window with all keys and ways to click, in groups.

    Parameters
    ----------
    shortcuts : iterable of ShortcutLike
        In the order in which they are shown; a group stands where its first one does.
    parent : QWidget, optional
        The window over which it opens.
    """

    def __init__(self, shortcuts: Iterable[ShortcutLike], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("GPCIS: keys and clicks")
        self.browser = QTextBrowser()
        describe(self.browser, "Keys and clicks", "All keys and ways to click")
        self.browser.setToolTip("")
        self.browser.setHtml(sheet(shortcuts))
        column = QVBoxLayout(self)
        column.addWidget(self.browser)
        column.addWidget(close_button(self))

    def sizeHint(self) -> QSize:
        """Wide enough for a key and a line of text, as high as the sheet, within reason."""
        metrics = self.fontMetrics()
        width = metrics.averageCharWidth() * 96
        document = self.browser.document()
        lines = document.blockCount() if document is not None else 0
        return QSize(width, metrics.lineSpacing() * max(16, min(lines, 44)))


def sheet(shortcuts: Iterable[ShortcutLike]) -> str:
    """The shortcuts as a page of HTML: a heading and a table for each group."""
    groups: dict[str, list[ShortcutLike]] = {}
    for shortcut in shortcuts:
        groups.setdefault(shortcut.group, []).append(shortcut)
    return "".join(_table(group, members) for group, members in groups.items())


def _table(group: str, shortcuts: list[ShortcutLike]) -> str:
    rows = "".join(
        f'<tr><td width="30%"><b>{escape(s.keys)}</b></td><td>{escape(s.text)}</td></tr>'
        for s in shortcuts
    )
    return f'<h3>{escape(group)}</h3><table width="100%" cellpadding="2">{rows}</table>'
