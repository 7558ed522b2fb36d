"""What a stroke under way would lead to, while it is drawn."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from napari_gpcis.engine.document.annotation import Question
    from napari_gpcis.engine.result import Result
    from napari_gpcis.widget.tool.answer_loop import AnswerLoop
    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.types import Drag

EVERY_MS = 150
"""Between two answers; the mouse and the canvas have the processor in between."""


class LiveAnswer:
    """Asks for the answer of a stroke as far as it is drawn, again and again.

    Nothing is changed and nothing waits: what it shows is gone with the stroke's own answer.

    Parameters
    ----------
    loop : AnswerLoop
    """

    def __init__(self, loop: AnswerLoop) -> None:
        self._loop = loop
        self._drag: Drag | None = None
        self._asked: Drag | None = None
        self._timer = QTimer(loop)
        self._timer.setSingleShot(True)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self._ask)

    def show(self, drag: Drag) -> None:
        """Show the answer of a stroke so far, soon."""
        self._drag = drag
        if self._asked is None and not self._timer.isActive():
            self._timer.start()

    def end(self) -> None:
        """The stroke is done: what is shown stays until its own answer comes."""
        self._drag = self._asked = None
        self._timer.stop()

    def drop(self) -> None:
        """Show again what there was before the stroke."""
        self.end()
        document = self._loop.document
        if document is not None:
            document.show()
            if document.mode == "class":
                self._loop.ask()

    def _ask(self) -> None:
        document, drag = self._loop.document, self._drag
        if document is None or drag is None or self._loop.loaded is None or self._loop.awaiting:
            return
        with suppress(ValueError):  # said when the stroke is done
            question = document.annotation.question_after(*document.stroke_of(drag))
            self._asked = drag
            if document.mode == "class":
                self._classify(document, question, drag)
            else:
                self._loop.engine.ask(
                    question,
                    lambda asked, result: self._answered(document, drag, asked, result),
                    lambda _, __: self._go_on(drag),
                )

    def _answered(
        self, document: ImageDocument, drag: Drag, question: Question, result: Result
    ) -> None:
        if self._asked is drag and self._loop.document is document and not self._loop.awaiting:
            document.annotation.accept(question, result)  # in a state that no step leads to
            document.preview.show(question.state)
            self._go_on(drag)

    def _classify(self, document: ImageDocument, question: Question, drag: Drag) -> None:
        def show(tile: Result) -> None:
            if self._asked is drag and self._loop.document is document:
                document.preview.show_classes(tile)

        newest = question.state.clicks[-1]
        self._loop.engine.classify(
            question.state,
            question.z,
            (newest.row, newest.col),
            show,
            lambda _: self._go_on(drag),
        )

    def _go_on(self, drag: Drag) -> None:
        """Ask again, if the stroke has gone on meanwhile."""
        if self._asked is drag:
            self._asked = None
            if self._drag is not drag:
                self._timer.start()
