"""The model's card, rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QTextCursor
from qtpy.QtWidgets import QDialog, QTextBrowser, QVBoxLayout

from napari_gpcis.widget.panel.controls import close_button, describe

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_gpcis.widget.theme import Palette

__all__ = ["ModelDialog"]


class ModelDialog(QDialog):
    """A window with a model's card; it stays beside the panel, and follows a change of model."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._markdown: str | None = None
        self._link = ""
        self.browser = QTextBrowser()
        self.browser.setOpenExternalLinks(True)
        describe(self.browser, "Model card", "What the model was trained on, and how good it is")
        self.browser.setToolTip("")
        column = QVBoxLayout(self)
        column.addWidget(self.browser)
        column.addWidget(close_button(self))

    def sizeHint(self) -> QSize:
        """A line of some ninety letters wide, a page high."""
        metrics = self.fontMetrics()
        return QSize(metrics.averageCharWidth() * 120, metrics.lineSpacing() * 36)

    def show_card(self, title: str, markdown: str) -> None:
        """Show a card; an empty one is still on its way."""
        self.setWindowTitle(f"Model card: {title}" if title else "Model card")
        if markdown == self._markdown:
            return  # the reader keeps their place
        self._markdown = markdown
        self.browser.setMarkdown(markdown or "The card is loading …")
        self._color_links()

    def set_palette(self, palette: Palette) -> None:
        """Take up a theme's colour of links."""
        self._link = palette.link
        self._color_links()

    def _color_links(self) -> None:
        """Markdown gives links the application's blue, which a dark theme swallows."""
        document = self.browser.document()
        if document is None or not self._link:
            return
        block = document.begin()
        while block.isValid():
            fragments = block.begin()
            while not fragments.atEnd():
                fragment = fragments.fragment()
                form = fragment.charFormat()
                if form.isAnchor():
                    form.setForeground(QColor(self._link))
                    cursor = QTextCursor(document)
                    cursor.setPosition(fragment.position())
                    end = fragment.position() + fragment.length()
                    cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
                    cursor.setCharFormat(form)
                fragments += 1
            block = block.next()
