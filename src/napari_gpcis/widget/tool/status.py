"""The status line: what the tool is doing, reported once per turn of the event loop."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from napari.utils import progress
from qtpy.QtCore import QObject, QTimer, Signal

from napari_gpcis.widget.tool.types import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.types import Level

WORKING = "Working …"
BUSY_MS = 150
"""How long an answer may take before the panel says so: each repaint of it costs a frame."""


_ASSERTION = re.compile(r"(?s)expected (?P<wanted>.+?), got (?P<got>.+?)(?:; (?P<remedy>.+))?")
_IN_THE_WINDOW = {
    "an object that lies on labelled ones": "The whole object lies on other objects. To commit it "
    "all the same, choose “Overwrite other objects” under Options",
    "got an empty mask": "The mask is empty. Click on the object first",
}
"""Words of the library's errors, and what is said of them to somebody who clicks."""


def sentence(error: BaseException) -> str:
    """An error as a sentence for somebody who has not written the program.

    The library says "expected …, got …; the remedy": the remedy comes first here.
    """
    text = str(error) or type(error).__name__
    for words, said in _IN_THE_WINDOW.items():
        if words in text:
            return said
    found = _ASSERTION.fullmatch(text)
    if found is not None:
        remedy, wanted, got = found["remedy"], found["wanted"], found["got"]
        text = f"Needed: {wanted}; found: {got}"
        if remedy:
            text = f"{_capital(remedy)}. {text}"
    return _capital(text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


class StatusReporter(QObject):
    """The tool's status, and a bar in napari's activity dock for long work."""

    changed = Signal()
    """Something has changed, the status or anything else; once per turn of the event loop."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.status = Status("Loading the model …", "busy")
        self._of_object = False
        self._question = ""
        self._activity = _ActivityBar()
        self._announcer = QTimer(self)
        self._announcer.setSingleShot(True)
        self._announcer.timeout.connect(self.changed)

    def tell(self, text: str, level: Level = "info", done: int = 0, total: int = 0) -> None:
        """Show a line."""
        self._of_object = False
        self.status = Status(text, level, done, total)
        self.announce()

    def tell_progress(self, text: str, done: int, total: int) -> None:
        """Show how far a long work is."""
        self.tell(text, "busy", done, total)
        self._activity.show(text, done, total)  # in which the work may end

    def end_progress(self) -> None:
        """Take the bar of the long work away."""
        self._activity.end()

    def ask(self, question: str) -> None:
        """Show a question to the user, behind what is said of being ready."""
        self._question = question

    def tell_ready(self, document: ImageDocument | None) -> None:
        """Say what can be clicked on."""
        if document is None:
            self.tell("Open an image, then click on an object")
        elif document.mode == "class":
            self.tell("Click on pixels of each class")
        elif not document.annotation.state.clicks:
            question, self._question = self._question, ""
            if question:
                self.tell(question, "warning")
            else:
                self.tell("Click on an object")
        else:
            self.tell_object(document)

    def prefix(self, text: str) -> None:
        """Say something before what is said already."""
        of_object = self._of_object
        self.tell(f"{text}. {self.status.text}", self.status.level)
        self._of_object = of_object

    def tell_object(self, document: ImageDocument) -> None:
        """Say how large the object is, and how long its answer took.

        What was said of an object that is gone is not left standing.
        """
        state = document.annotation.state
        if state.active not in state.objects():
            if self._of_object or self.status.level == "busy":
                self.tell("Click on an object")
            return
        result = state.answers.get((state.active, state.z))
        mask = state.mask_of(state.active, state.z)
        if mask is None:
            return
        text = f"{int(mask[1].sum()):,} px"
        if result is not None:
            text += f" in {1e3 * sum(result.timings.values()):.0f} ms"
        self.tell(f"{text} – Enter commits")
        self._of_object = True

    def announce(self) -> None:
        """Say once, after all that happens now, that something has changed; later if it is busy."""
        delay = BUSY_MS if self.status.text == WORKING else 0
        timer = self._announcer
        if not timer.isActive() or timer.remainingTime() > delay:
            timer.start(delay)

    def attempt(self, action: Callable[[], Any]) -> None:
        """Do what a key asks for; a refusal goes to the status line."""
        try:
            action()
        except ValueError as error:
            self.tell(sentence(error), "error")

    def close(self) -> None:
        """Report nothing more."""
        self._announcer.stop()
        self.end_progress()


class _ActivityBar:
    """One bar at a time in napari's activity dock.

    napari lets Qt deliver events while it draws a bar, the end of the work among them.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._drawing = False
        self._over = False

    def show(self, text: str, done: int, total: int) -> None:
        if self._drawing:
            return
        self._drawing, self._over = True, False
        try:
            if self._bar is None:
                self._bar = progress(total=total, desc=text)
            self._bar.set_description(text)
            self._bar.update(done - self._bar.n)
        finally:
            self._drawing = False
        if self._over:
            self.end()

    def end(self) -> None:
        self._over = True
        if self._bar is not None and not self._drawing:
            bar, self._bar = self._bar, None
            bar.close()
