"""From changes of the annotation to questions for the engine, and from answers to pixels.

One turn: the annotation changes → `_changed` → `ask` → the engine's thread → `_answered` → the
masks are drawn → `ask` again, until nothing of the object that is worked on lacks its answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_gpcis.widget.layers.arrays import image_stack
from napari_gpcis.widget.layers.overlays import MAPS, NEXT, Overlays
from napari_gpcis.widget.tool.canvas import CanvasFreeze
from napari_gpcis.widget.tool.engine_thread import EngineThread
from napari_gpcis.widget.tool.status import WORKING, sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.document.annotation import Annotation, Change, Question
    from napari_gpcis.engine.result import Result
    from napari_gpcis.widget.layers.overlays import Extras
    from napari_gpcis.widget.tool.class_list import ClassList
    from napari_gpcis.widget.tool.engine_thread import Loaded
    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.options import ToolOptions
    from napari_gpcis.widget.tool.settings import Settings
    from napari_gpcis.widget.tool.status import StatusReporter

SETTLE_MS = 120
"""How long a slice has to be looked at before it is encoded ahead of a click."""
PAINT_MS = 120
"""How long a mask is left alone to be painted, before the engine makes anything else of it."""


class AnswerLoop(QObject):
    """The engine, and what it is asked about one document at a time.

    Parameters
    ----------
    viewer : napari.Viewer
    options : ToolOptions
    settings : Settings
    classes : ClassList
    reporter : StatusReporter
    engine : callable
        Makes the engine of a callback for errors and one for warnings.
    parent : QObject, optional
    """

    settled = Signal()
    """The object that is worked on lacks no answer."""
    failed = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        options: ToolOptions,
        settings: Settings,
        classes: ClassList,
        reporter: StatusReporter,
        engine: Callable[..., EngineThread] = EngineThread,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.options = options
        self.settings = settings
        self.classes = classes
        self.reporter = reporter
        self.document: ImageDocument | None = None
        self.overlays: Overlays | None = None
        self.loaded: Loaded | None = None
        self.next_click: tuple[int, int, int] | None = None
        self.engine = engine(self._failed, lambda text: reporter.tell(text, "warning"))
        self.canvas = CanvasFreeze(viewer, self, self._show)
        self._asked: Question | None = None
        self._fails = False
        self._era = 0  # answers to what was asked in an earlier one hold no longer
        self._settle = self._timer(SETTLE_MS, self._look_at_slice)
        self._painted = self._timer(PAINT_MS, self._go_on)

    def open(self, document: ImageDocument) -> None:
        """Answer questions about a document."""
        self.document = document
        image, frame = document.image, document.frame
        if self.overlays is None:
            self.overlays = Overlays(self.viewer, image, frame, self.settings.opacity)
        else:
            self.overlays.bind(image, frame)
        document.observer = self._changed

    def leave(self, *, for_another: bool = False) -> None:
        """Answer nothing more about the document.

        Its overlays are taken away, unless another document will need them: to remove layers
        takes napari a quarter of a second each.
        """
        if self.overlays is not None:
            self.overlays.hide()
            if not for_another:
                self.overlays.clear()
                self.overlays = None
        if self.document is not None:
            self.document.observer = None
        self.engine.drop_all()
        self.canvas.release()
        self.document = self.next_click = self._asked = None

    def close(self) -> None:
        """End the thread."""
        self.canvas.release()
        self._settle.stop()
        self._painted.stop()
        self.engine.stop()

    @property
    def idle(self) -> bool:
        """True if nothing is under way, encoding ahead included."""
        return self.engine.idle and not (self._settle.isActive() or self._painted.isActive())

    @property
    def awaiting(self) -> bool:
        """True while an answer about an object is awaited."""
        return self._asked is not None

    @property
    def _conditions(self) -> tuple[object, ...]:
        """All that an answer depends on besides the clicks."""
        options = self.options
        model = options.model, options.device
        return *model, options.channels, options.object_diameter, options.threshold

    @property
    def layers(self) -> list[Layer]:
        """Layers of the document and the overlays over it."""
        shown = [] if self.overlays is None else list(self.overlays.layers)
        return [*shown, *(self.document.layers if self.document else ())]

    # the engine

    def load(self, model: str, device: str) -> None:
        """Load a model on a device, in the background; the one before stays if that fails."""
        self.reporter.tell("Loading the model …", "busy")
        megabytes = self.settings.cache_mb * 1_000_000
        arguments = {
            "object_diameter": self.options.object_diameter,
            "threshold": self.options.threshold,
            "host_bytes": megabytes // 2,
            "device_bytes": megabytes // 2 if device in ("auto", "cpu") else None,
        }

        def then(loaded: Loaded) -> None:
            self.options.model, self.options.device, self.loaded = model, device, loaded
            if self.document is not None:
                self._forget_answers(self.document)
                self.ask()
            self.tell_ready()
            self._settle.start()

        self.engine.load(model, device, arguments, then)

    def reopen(self, *, keep_answers: bool = False) -> None:
        """Give the engine the image anew.

        Parameters
        ----------
        keep_answers : bool
            Whether those that were given under the present options hold.
        """
        document = self.document
        if document is None:
            return
        if not (keep_answers and document.answered_under == self._conditions):
            self._forget_answers(document)
        document.answered_under = self._conditions
        image, arguments = image_stack(document.image, document.frame)
        if self.options.channels:
            arguments["channels"] = self.options.channels
        self.engine.set_image(image, document.annotation, **arguments)
        self.ask()
        self._settle.start()

    def set_options(self, **options: Any) -> None:
        """Give the engine options, and ask it again."""
        self.engine.set_options(**options)
        if self.document is not None:
            self._forget_answers(self.document)
            self.ask()
        self._settle.start()
        self.reporter.announce()

    # a click

    def predict_ahead(self, click: Click) -> None:
        """Work on the answer of a click that follows in a moment, most likely."""
        document = self.document
        if document is None or self.options.mode != "object" or self._asked is not None:
            return
        self.engine.predict_ahead(document.annotation.question_after(click))

    def add(self, clicks: tuple[Click, ...]) -> None:
        """Add a click, or the pixels of a stroke, as one step.

        They are drawn together with their mask if that comes in no time.
        """
        document = self.document
        if document is None:
            return
        if self.options.mode == "object" and self.loaded is not None:
            self.canvas.hold()
        # until then the engine has both cores
        document.shows_later = self.canvas.held
        document.annotation.add(*clicks)
        document.shows_later = False

    # question and answer

    def ask(self) -> None:
        """Ask for what the object that is worked on still lacks, or for the classes shown."""
        document = self.document
        if document is None:
            return
        if self.options.mode == "class":
            self._classify(document)
            return
        waiting = document.annotation.unanswered()
        if not waiting:
            self.engine.drop_question()
            self._asked = None
            self.reporter.tell_object(document)
            self._painted.start()
            self.settled.emit()
            if self._asked is None and self.document is document and not self._fails:
                self._ask_for_drafts(document)
            return
        state = document.annotation.state
        z = state.z if state.z in waiting else waiting[0]
        if self.loaded is not None:
            self.reporter.tell(WORKING, "busy")
        asked = self._asked
        if asked is not None and (asked.state, asked.z) == (state, z):
            return  # and not answered yet
        annotation, era = document.annotation, self._era
        self._asked = annotation.question(z)
        self.engine.ask(
            self._asked,
            lambda asked, result: self._answered(annotation, era, asked, result),
            self._not_answered,
        )

    def _ask_for_drafts(self, document: ImageDocument) -> None:
        """Ask for a mask that a draft lacks; nothing waits for it, and a click takes its place."""
        annotation, era = document.annotation, self._era
        state = annotation.state
        for owner in state.objects():
            for z in state.slices_of(owner):
                if owner != state.active and state.mask_of(owner, z) is None:
                    self.engine.ask(
                        annotation.question(z, owner),
                        lambda asked, result: self._answered(annotation, era, asked, result),
                        self._not_answered,
                    )
                    return

    def _changed(self, change: Change) -> None:
        """After every change of the annotation: what is not known yet is asked for."""
        self.next_click = None
        # classes depend on nothing but the clicks
        before, after = change.step.before, change.step.after
        if self.options.mode == "object" or before.clicks is not after.clicks:
            self.ask()
        self.reporter.announce()

    def _answered(
        self, annotation: Annotation, era: int, question: Question, result: Result
    ) -> None:
        document = self.document
        if document is None or annotation is not document.annotation or era != self._era:
            return
        self._fails = False
        annotation.accept(question, result)
        if question is self._asked:
            self._asked = None
        document.show()
        self.canvas.release()
        self.ask()

    def _not_answered(self, question: Question, error: Exception) -> None:
        """Say what went wrong, unless something else is asked by now."""
        if self._asked in (None, question):
            self._failed(error)

    def _forget_answers(self, document: ImageDocument) -> None:
        """Have all asked again: the engine would answer otherwise now."""
        document.annotation.history.forget_answers()
        document.answered_under = self._conditions
        self._asked = None
        self._era += 1

    def _classify(self, document: ImageDocument) -> None:
        annotation = document.annotation
        if not annotation.state.clicks:
            self.tell_ready()
            return
        self.classes.include(click.object_id for click in annotation.state.clicks)
        last = annotation.state.clicks[-1]

        def show(tile: Result) -> None:
            if self.document is document and annotation.state.clicks:
                document.preview.show_classes(tile)

        def done(any_tile: bool) -> None:
            if any_tile and self.document is document:
                self.tell_ready()

        z = document.shown_slice
        self.engine.classify(annotation.state, z, (last.row, last.col), show, done)

    # what follows an answer

    def ask_extras(self) -> None:
        """Ask for the overlays and the next click of what is shown."""
        document = self.document
        if document is None or self.overlays is None:
            return
        state = document.annotation.state
        result = state.answers.get((state.active, state.z))
        wanted = self.options.shown_overlays
        self.overlays.keep(wanted)
        if result is None or not wanted:
            self.overlays.hide()
            self.next_click = None
            return
        maps = [name for name in wanted if name in MAPS]
        taken = document.committed_in(result.z, result.box)
        self.engine.ask_extras(result, maps, NEXT in wanted, taken, self._show_extras)

    def look_at_slice_later(self) -> None:
        """Encode what is shown, once the user stays there."""
        self._settle.start()

    def tell_ready(self) -> None:
        """Say what can be clicked on, once there is a model."""
        if self.loaded is not None:
            self.reporter.tell_ready(self.document)

    def _show_extras(self, extras: Extras) -> None:
        document = self.document
        if document is None or self.overlays is None:
            return
        state = document.annotation.state
        if state.answers.get((state.active, state.z)) is not extras.result:
            return
        self.overlays.show(extras, document.preview.layer)
        place = extras.next_click
        self.next_click = None if place is None else (extras.result.z, *place)

    def _go_on(self) -> None:
        """Go on once an answer is painted: overlays, and what may be asked next."""
        self.ask_extras()
        document = self.document
        if document is None or not self.settings.encode_ahead:
            return
        state = document.annotation.state
        result = state.answers.get((state.active, state.z))
        if result is not None:
            z, box = result.z, result.box
            middle = ((box.r0 + box.r1) // 2, (box.c0 + box.c1) // 2)
            self.engine.prepare(_around(z, document), middle)

    def _look_at_slice(self) -> None:
        """The user stays on a slice: encode it, or show its classes."""
        document = self.document
        if document is None:
            return
        if self.options.mode == "class":
            self.ask()
        z = document.shown_slice
        near = _around(z, document) if self.settings.encode_ahead else [z]
        self.engine.prepare(near, document.view_centre)

    def _show(self) -> None:
        if self.document is not None:
            self.document.show()

    def _failed(self, error: BaseException) -> None:
        """The engine could not do it: nothing is lost, and it says so."""
        self._show()
        self.canvas.release()
        self._asked = None
        self._fails = True  # nothing is asked that nobody waits for, until something is answered
        self.failed.emit()
        self.reporter.end_progress()
        self.reporter.tell(f"{sentence(error)} – your clicks are kept", "error")

    def _timer(self, milliseconds: int, then: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(then)
        return timer


def _around(z: int, document: ImageDocument) -> list[int]:
    """A slice and its neighbours."""
    return [at for at in (z, z + 1, z - 1) if 0 <= at < document.frame.shape[0]]
