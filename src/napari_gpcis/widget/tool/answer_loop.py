"""From changes of the annotation to questions for the engine, and from answers to pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_gpcis.widget.layers.arrays import image_stack
from napari_gpcis.widget.layers.frame import Frame
from napari_gpcis.widget.layers.overlays import MAPS, NEXT, Overlays
from napari_gpcis.widget.layers.transforms import data_position
from napari_gpcis.widget.tool import keys
from napari_gpcis.widget.tool.canvas import CanvasFreeze
from napari_gpcis.widget.tool.document_journal import DocumentJournal
from napari_gpcis.widget.tool.engine_thread import EngineThread
from napari_gpcis.widget.tool.image_document import ImageDocument
from napari_gpcis.widget.tool.status import WORKING, StatusReporter
from napari_gpcis.widget.tool.viewer_events import ViewerEvents

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_gpcis.engine.document.annotation import Annotation, Change, Question
    from napari_gpcis.engine.result import Result
    from napari_gpcis.widget.layers.overlays import Extras
    from napari_gpcis.widget.tool.engine_thread import Loaded

SETTLE_MS = 120
"""How long a slice has to be looked at before it is encoded ahead of a click."""
PAINT_MS = 120
"""How long a mask is left alone to be painted, before the engine makes anything else of it."""


class AnswerLoop(StatusReporter):
    """One image at a time, and the engine that is asked about it.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self._overlay_layers: Overlays | None = None
        self._recorder: DocumentJournal | None = None
        self._next: tuple[int, int, int] | None = None
        self._asked: Question | None = None
        self._era = 0  # answers to what was asked in an earlier one hold no longer
        self._commits_when_answered = False
        self._closed = False
        self._engine = EngineThread(self._failed, lambda text: self._tell(text, "warning"))
        self._canvas = CanvasFreeze(viewer, self, self._show)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._look_at_slice)
        self._painted = QTimer(self)
        self._painted.setSingleShot(True)
        self._painted.setInterval(PAINT_MS)
        self._painted.timeout.connect(self._go_on)
        self._watch = ViewerEvents(viewer, self)

    def close(self) -> None:
        """Give everything back. The journal keeps what is not saved."""
        self._closed = True
        self._announcer.stop()
        self._canvas.release()
        self._settle.stop()
        self._painted.stop()
        self._watch.disconnect()
        self._engine.stop()
        self._activity.end()
        self.leave_image()

    def open_image(self) -> None:
        """Begin on the chosen image, in the chosen mode."""
        self.leave_image()
        image = self._image
        if image is None:
            return
        frame = Frame.of_layer(image, self.viewer)
        beside = self.settings.journal == "beside the image"
        self._recorder = DocumentJournal(image, frame, self._mode, beside=beside, tell=self._tell)
        self._desk = ImageDocument(
            self.viewer,
            image,
            frame,
            self._mode,
            self._labels[self._mode],
            self._recorder.journal.record,
            self._changed,
            self._tell,
        )
        self._labels[self._mode] = self._desk.labels
        self._overlay_layers = Overlays(self.viewer, image, frame, self.settings.opacity)
        for layer in self._desk.layers:
            keys.bind(layer, self)
        # later: napari selects a new image only after it has told of it
        QTimer.singleShot(0, self._desk.select)
        self._watch.follow(image)
        if self._mode == "class":
            self.classes_changed()
        self.reopen_engine()
        self._tell_ready()

    def leave_image(self) -> None:
        """Put the present image away; its labels stay, its journal too."""
        if self._overlay_layers is not None:
            self._overlay_layers.clear()
        if self._desk is not None:
            for layer in self._desk.layers:
                keys.unbind(layer)
            self._desk.leave()
        if self._recorder is not None:
            self._recorder.close()
        self._engine.worker.drop()
        self._engine.worker.cancel()
        self._desk = self._recorder = self._overlay_layers = self._next = self._asked = None
        self._commits_when_answered = False

    def reopen_engine(self) -> None:
        """Give the engine the image anew."""
        desk = self._desk
        if desk is None:
            return
        self._forget_answers(desk)
        image, arguments = image_stack(desk.image, desk.frame)
        if self._channels and len(self._channels) < len(self.channels):
            arguments["channels"] = self._channels
        self._engine.set_image(image, desk.annotation, **arguments)
        self._ask()
        self._settle.start()

    def load(self, model: str, device: str) -> None:
        """Load a model on a device, in the background."""
        self._tell("Loading the model …", "busy")
        megabytes = self.settings.cache_mb * 1_000_000
        options = {
            "object_diameter": self._diameter,
            "threshold": self._threshold,
            "host_bytes": megabytes // 2,
            "device_bytes": megabytes // 2 if device in ("auto", "cpu") else None,
        }

        def loaded(loaded: Loaded) -> None:
            self._model, self._device, self._loaded = model, device, loaded
            if self._desk is not None:
                self._forget_answers(self._desk)
                self._ask()
            self._tell_ready()
            self._settle.start()

        self._engine.load(model, device, options, loaded)

    def _changed(self, change: Change) -> None:
        """After every change of the annotation: what is not known yet is asked for."""
        self._next = None
        # classes depend on nothing but the clicks
        if self._mode == "object" or change.step.before.clicks is not change.step.after.clicks:
            self._ask()
        self._announce()

    def _ask(self) -> None:
        desk = self._desk
        if desk is None:
            return
        if self._mode == "class":
            self._classify()
            return
        waiting = desk.annotation.unanswered()
        if waiting:
            state = desk.annotation.state
            z = state.z if state.z in waiting else waiting[0]
            if self._loaded is not None:
                self._tell(WORKING, "busy")
            asked = self._asked
            if asked is not None and (asked.state, asked.z) == (state, z):
                return  # and not answered yet
            annotation, era = desk.annotation, self._era
            self._asked = annotation.question(z)
            self._engine.ask(
                self._asked,
                lambda asked, result: self._answered(annotation, era, asked, result),
            )
        else:
            self._engine.worker.drop("answer")
            self._asked = None
            self._tell_object()
            self._painted.start()
            if self._commits_when_answered:
                self._commit_now()

    def _answered(
        self, annotation: Annotation, era: int, question: Question, result: Result
    ) -> None:
        desk = self._desk
        if desk is None or annotation is not desk.annotation or era != self._era:
            return
        annotation.accept(question, result)
        if question is self._asked:
            self._asked = None
        desk.show()
        self._canvas.release()
        self._ask()

    def _go_on(self) -> None:
        """What an answer leads to once it is painted: overlays, and what may be asked next."""
        self.ask_extras()
        desk = self._desk
        if desk is None or not self.settings.encode_ahead:
            return
        state = desk.annotation.state
        result = state.answers.get((state.active, state.z))
        if result is not None:
            z, count, box = result.z, desk.frame.shape[0], result.box
            near = [at for at in (z, z + 1, z - 1) if 0 <= at < count]
            self._engine.prepare(near, ((box.r0 + box.r1) // 2, (box.c0 + box.c1) // 2))

    def _forget_answers(self, desk: ImageDocument) -> None:
        """Have all asked again: the engine would answer otherwise now."""
        desk.annotation.history.forget_answers()
        self._asked = None
        self._era += 1

    def ask_extras(self) -> None:
        """Ask for the overlays and the next click of what is shown."""
        desk = self._desk
        if desk is None or self._overlay_layers is None:
            return
        state = desk.annotation.state
        result = state.answers.get((state.active, state.z))
        wanted = [name for name in MAPS if self._overlays[name]]
        self._overlay_layers.keep(name for name, on in self._overlays.items() if on)
        if result is None or not (wanted or self._overlays[NEXT]):
            self._overlay_layers.hide()
            self._next = None
            return
        self._engine.ask_extras(result, wanted, self._overlays[NEXT], self._show_extras)

    def _show_extras(self, extras: Extras) -> None:
        desk = self._desk
        if desk is None or self._overlay_layers is None:
            return
        state = desk.annotation.state
        if state.answers.get((state.active, state.z)) is not extras.result:
            return
        self._overlay_layers.show(extras, desk.preview.layer)
        place = extras.next_click
        self._next = None if place is None else (extras.result.z, *place)

    def _classify(self) -> None:
        desk = self._desk
        if desk is None or not desk.annotation.state.clicks:
            self._tell_ready()
            return
        self._classes.include(click.object_id for click in desk.annotation.state.clicks)
        annotation, z = desk.annotation, self._slice()
        last = annotation.state.clicks[-1]

        def show(tile: Result) -> None:
            if self._desk is desk and annotation.state.clicks:
                desk.preview.show_classes(tile)

        def done(any_tile: bool) -> None:
            if any_tile and self._desk is desk:
                self._tell_ready()

        self._engine.classify(annotation.state, z, (last.row, last.col), show, done)

    def apply_options(self, **options: Any) -> None:
        """Give the engine options, and ask it again."""
        self._engine.set_options(**options)
        if self._desk is not None:
            self._forget_answers(self._desk)
            self._ask()
        self._settle.start()
        self.changed.emit()

    def _commit_now(self) -> None:
        self._commits_when_answered = False
        if self._desk is None:
            return
        try:
            label = self._desk.annotation.commit(overlap=self._overlap)
        except ValueError as error:
            self._tell(str(error), "error")
        else:
            self._tell(f"Committed as label {label}", "info")

    def _desk_layers(self) -> list[Any]:
        shown = [] if self._overlay_layers is None else list(self._overlay_layers.layers)
        return [*shown, *(self._desk.layers if self._desk else ())]

    def _desk_or_raise(self) -> ImageDocument:
        if self._desk is None:
            raise ValueError("expected an image, got none; open one, or choose it above")
        return self._desk

    def _slice(self) -> int:
        desk = self._desk_or_raise()
        dims = self.viewer.dims
        return desk.frame.slice_of(data_position(desk.image, dims.point, dims.units))

    def _middle(self) -> tuple[int, int]:
        """Row and column in the middle of the view."""
        desk, viewer = self._desk_or_raise(), self.viewer
        world = list(viewer.dims.point)
        row_axis, col_axis = viewer.dims.displayed[-2:]
        world[row_axis], world[col_axis] = viewer.scene.camera.center[-2:]
        position = data_position(desk.image, world, viewer.dims.units)
        row, col = (round(position[axis]) for axis in desk.frame.plane)
        return row, col

    def _go_to_slice(self, z: int) -> None:
        desk = self._desk
        if desk is None or self._slice() == z:
            return
        world = desk.image.data_to_world(desk.frame.to_data(z, 0, 0))
        offset = self.viewer.dims.ndim - len(world)
        displayed = self.viewer.dims.displayed
        for axis, value in enumerate(world):
            if axis + offset not in displayed:
                self.viewer.dims.set_point(axis + offset, float(value))

    def _look_at_slice(self) -> None:
        """The user stays on a slice: encode it, or show its classes."""
        desk = self._desk
        if desk is None or self._closed:
            return
        if self._mode == "class":
            self._ask()
        z, count = self._slice(), desk.frame.shape[0]
        near = (z, z + 1, z - 1) if self.settings.encode_ahead else (z,)
        self._engine.prepare([at for at in near if 0 <= at < count], self._middle())

    def view_moved(self) -> None:
        """Called when the viewer shows another part of the slice, which may not be encoded yet."""
        if self._mode == "object" and self._desk is not None:
            self._settle.start()

    def slice_changed(self) -> None:
        """Called when the viewer goes to another slice."""
        self._settle.start()

    def _show(self) -> None:
        if self._desk is not None:
            self._desk.show()

    def _failed(self, error: BaseException) -> None:
        """The engine could not do it: nothing is lost, and it says so."""
        self._show()
        self._canvas.release()
        self._commits_when_answered = False
        self._asked = None
        self._activity.end()
        self._tell(f"{str(error) or type(error).__name__} – your clicks are kept", "error")
