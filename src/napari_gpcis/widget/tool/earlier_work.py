"""Unsaved work of an earlier session, which the journal has kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_gpcis.engine.document.annotation import Annotation
from napari_gpcis.engine.document.label_store import LabelStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.widget.tool.answer_loop import AnswerLoop
    from napari_gpcis.widget.tool.class_list import ClassList
    from napari_gpcis.widget.tool.documents import Documents
    from napari_gpcis.widget.tool.types import Restorable


class EarlierWork:
    """Offers the unsaved work on the image that is open, and takes it up.

    Parameters
    ----------
    documents : Documents
    classes : ClassList
        Takes over the names and colours of the earlier session.
    loop : AnswerLoop
    show_classes : callable
        Called when those names and colours may have changed.
    changed : callable
        Called when nothing is offered any more.
    """

    def __init__(
        self,
        documents: Documents,
        classes: ClassList,
        loop: AnswerLoop,
        show_classes: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._documents = documents
        self._classes = classes
        self._loop = loop
        self._show_classes = show_classes
        self._changed = changed

    @property
    def restorable(self) -> Restorable | None:
        """The work on offer, in words; None if there is none."""
        document = self._documents.open
        return None if document is None else document.journal.restorable

    def restore(self) -> None:
        """Take the work up: with its history, or beside what has been done since.

        Raises
        ------
        JournalError
            If the journal cannot be read. Nothing of it is lost.
        """
        document = self._documents.open_or_raise()
        waiting = document.journal.waiting
        if waiting is None:
            return
        if document.annotation.can_undo:
            shape, class_mode = document.frame.shape, document.mode == "class"
            recorded = Annotation(LabelStore(shape), class_mode=class_mode)
            document.journal.merge_into(recorded)
            document.add_work_of(recorded)
            self._loop.reporter.tell("Restored, beside what has been done since")
            return
        fresh = document.fresh_annotation()
        document.journal.restore(fresh)
        self._classes.from_meta(dict(waiting.meta))
        document.take_over(fresh)
        self._loop.reopen()
        if document.mode == "class":
            self._show_classes()
        document.go_to_slice(fresh.state.z)
        self._loop.reporter.tell("Restored")

    def discard(self) -> None:
        """Do not offer the work again; its file is kept under another name."""
        document = self._documents.open
        if document is not None:
            document.journal.discard()
        self._changed()
