"""The classes of class mode, as the open document and the layers show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.widget.tool.class_list import ClassList
    from napari_gpcis.widget.tool.documents import Documents
    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.types import ClassInfo


class DocumentClasses:
    """The list of classes, kept in step with clicks, colours and journal of the open document.

    Parameters
    ----------
    classes : ClassList
    documents : Documents
    changed : callable
        Called after a change, without arguments.
    """

    def __init__(
        self, classes: ClassList, documents: Documents, changed: Callable[[], None]
    ) -> None:
        self._classes = classes
        self._documents = documents
        self._changed = changed

    @property
    def all(self) -> list[ClassInfo]:
        """All classes, in order."""
        return self._classes.all

    @property
    def active(self) -> int:
        """Number of the class that clicks are given."""
        document = self._document
        return self.all[0].number if document is None else document.annotation.state.active

    def choose(self, number: int) -> None:
        """Choose the class that clicks are given."""
        if number not in [item.number for item in self.all]:
            raise ValueError(f"There is no class {number}; add it first")
        document = self._document
        if document is not None:
            document.annotation.choose(number)
            document.show()
        self._changed()

    def add(self) -> None:
        """Add a class, and give it the clicks to come."""
        number = self._classes.add()
        self.show()
        self.choose(number)

    def rename(self, number: int, name: str) -> None:
        """Rename a class."""
        self._classes.rename(number, name)
        self.show()

    def recolor(self, number: int, color: str) -> None:
        """Give a class another colour, "#rrggbb"."""
        self._classes.recolor(number, color)
        self.show()

    def remove(self, number: int) -> None:
        """Remove a class and its clicks; undo brings the clicks back."""
        self._classes.remove(number)
        document = self._document
        if document is not None:
            clicks = document.annotation.state.clicks
            document.annotation.choose(self.all[0].number)
            document.annotation.set_clicks([c for c in clicks if c.object_id != number])
        self.show()

    def show(self) -> None:
        """Show the names and colours as they are, and write them into the journal."""
        document = self._document
        if document is not None:
            document.set_class_colors({item.number: item.color for item in self.all})
            document.journal.note_meta(self._classes.to_meta())
        self._changed()

    @property
    def _document(self) -> ImageDocument | None:
        """The open document, in class mode."""
        document = self._documents.open
        return document if document is not None and document.mode == "class" else None
