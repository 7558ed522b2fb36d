"""The tool: from clicks in the window to questions for the engine, and from answers to pixels."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal

from napari_gpcis.engine.annotation import reach
from napari_gpcis.engine.history import CarriedMask
from napari_gpcis.widget import keys
from napari_gpcis.widget.canvas import HeldCanvas
from napari_gpcis.widget.choices import Choices
from napari_gpcis.widget.desk import Desk
from napari_gpcis.widget.engine import Engine
from napari_gpcis.widget.export import export
from napari_gpcis.widget.frame import Frame, data_position, image_stack
from napari_gpcis.widget.mouse import Mouse
from napari_gpcis.widget.overlays import MAPS, NEXT, Overlays
from napari_gpcis.widget.progress import Activity
from napari_gpcis.widget.recorder import Recorder
from napari_gpcis.widget.state import Restorable, Status
from napari_gpcis.widget.watch import LayerWatch

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_gpcis.engine.annotation import Annotation, Change, Question
    from napari_gpcis.engine.labels import Patch
    from napari_gpcis.engine.result import Result
    from napari_gpcis.widget.engine import Extras, Loaded
    from napari_gpcis.widget.state import Direction, Level

SETTLE_MS = 120
"""How long a slice has to be looked at before it is encoded ahead of a click."""
DOUBLE_CLICK_S = 1.0
WORKING = "Working …"
BUSY_MS = 150
"""How long an answer may take before the panel says so: each repaint of it costs a frame."""


class Tool(Choices):
    """All that the panel, the mouse and the keys ask for.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    help_wanted = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self._status = Status("Loading the model …", "busy")
        self._overlay_layers: Overlays | None = None
        self._recorder: Recorder | None = None
        self._next: tuple[int, int, int] | None = None
        self._asked: Question | None = None
        self._era = 0  # answers to what was asked in an earlier one hold no longer
        self._commits_when_answered = False
        self._last_click = 0.0
        self._closed = False
        self._activity = Activity()
        self._engine = Engine(self._failed, lambda text: self._tell(text, "warning"))
        self._mouse = Mouse(viewer, self)
        self._mouse.connect()
        keys.bind(viewer, self)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._look_at_slice)
        self._canvas = HeldCanvas(viewer, self)
        self._announcer = QTimer(self)
        self._announcer.setSingleShot(True)
        self._announcer.timeout.connect(self.changed)
        self._watch = LayerWatch(viewer, self)
        for warning in self.settings_warnings:
            self._tell(warning, "warning")
        self.load(self._model, self._device)
        self._watch.choose_image()

    # life

    def close(self) -> None:
        """Give everything back: mouse, keys, thread. The journal keeps what is not saved."""
        if self._closed:
            return
        self._closed = True
        self._announcer.stop()
        self._canvas.release()
        self._settle.stop()
        self._watch.disconnect()
        self._mouse.disconnect()
        keys.unbind(self.viewer)
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
        self._recorder = Recorder(image, frame, self._mode, beside=beside, tell=self._tell)
        self._desk = Desk(
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

    # questions and answers

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
            self.ask_extras()
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
        if self.settings.encode_ahead:
            z, count = result.z, desk.frame.shape[0]
            near = [at for at in (z, z + 1, z - 1) if 0 <= at < count]
            middle = (result.box.r0 + result.box.r1) // 2, (result.box.c0 + result.box.c1) // 2
            self._engine.prepare(near, middle)

    def _forget_answers(self, desk: Desk) -> None:
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

    # mouse

    def click(self, world: tuple[float, ...], positive: bool) -> None:
        """Click at a position of the window's world."""
        place = self._place(world)
        if place is not None and self._desk is not None:
            self._last_click = time.monotonic()
            if self._mode == "object" and self._loaded is not None:
                self._canvas.hold()
            self._desk.add_click(*place, positive=positive)

    def double_click(self, world: tuple[float, ...]) -> None:
        """Take up the object at a position, if there is one; its first click was none then."""
        place, desk = self._place(world), self._desk
        if place is None or desk is None or self._mode != "object":
            return
        draft, label = desk.draft_at(*place), desk.label_at(*place)
        clicked = desk.annotation.state.clicks[-1:]
        fresh = time.monotonic() - self._last_click < DOUBLE_CLICK_S
        if (draft or label) and fresh and clicked and clicked[0].place == place:
            desk.annotation.undo()
        if draft:
            desk.annotation.activate(draft, place[0])
        elif label:
            desk.annotation.take_up(label, place[0])

    def _place(self, world: tuple[float, ...]) -> tuple[int, int, int] | None:
        """Slice, row and column of a position, if clicks are taken there."""
        if self._image is None:
            self._watch.choose_image()
        desk = self._desk
        if desk is None:
            self._tell("Open an image first, or choose one above", "warning")
            return None
        if self.viewer.dims.ndisplay != 2:
            self._tell(
                "Clicks are taken in the 2-D view: press the cube below the layers", "warning"
            )
            return None
        if not desk.frame.is_shown(desk.image, self.viewer):
            self._watch.follow_axes()
            desk = self._desk
        if desk is None or not desk.frame.is_shown(desk.image, self.viewer):
            return None
        return desk.frame.to_click(data_position(desk.image, world, self.viewer.dims.units))

    # actions

    def commit(self) -> None:
        """Write the object under its own label, as soon as its mask is there."""
        desk = self._desk_or_raise()
        if self._mode == "class":
            self._commit_classes([self._slice()])
            return
        state = desk.annotation.state
        if state.active not in state.objects():
            self._tell("Nothing to commit: click on an object first", "warning")
        elif desk.annotation.unanswered():
            self._commits_when_answered = True
            self._tell("Committing as soon as the mask is there …", "busy")
        else:
            self._commit_now()

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

    def clear(self) -> None:
        """Take the clicks of the object (class) away; cancel what was pending."""
        self._commits_when_answered = False
        if self._desk is not None and not self._desk.annotation.clear():
            self._tell_ready()

    def new_object(self) -> None:
        """Leave the object as a draft and begin another; in class mode, add a class."""
        if self._mode == "class":
            self.add_class()
        else:
            self._desk_or_raise().annotation.begin_object()

    def undo(self) -> None:
        """Take the last step back."""
        self._step(undo=True)

    def redo(self) -> None:
        """Take the step again that was taken back."""
        self._step(undo=False)

    def _step(self, *, undo: bool) -> None:
        self._commits_when_answered = False
        if self._desk is None:
            return
        annotation = self._desk.annotation
        step = annotation.undo() if undo else annotation.redo()
        if step is None:
            self._tell("Nothing to undo" if undo else "Nothing to redo", "info")
            return
        z = step.after.z
        if step.patches and z not in [patch.z for patch in step.patches]:
            z = step.patches[0].z
        self._go_to_slice(z)

    def swap_sign(self) -> None:
        """Turn the sign of the selected clicks, or of the last one."""
        if self._desk is not None:
            self._desk.swap_signs()

    def jump_to_next(self) -> None:
        """Show the place where a click would help most."""
        if self._next is None or self._desk is None:
            self._tell("No place stands out: the mask is clear everywhere", "info")
            return
        z, row, col = self._next
        self._go_to_slice(z)
        world = self._desk.image.data_to_world(self._desk.frame.to_data(z, row, col))
        self.viewer.scene.camera.center = tuple(world)[-3:]

    def propagate(self, direction: Direction = "both") -> None:
        """Carry the object over to neighbouring slices."""
        desk = self._desk_or_raise()
        if self._mode == "class":
            self.apply_to_all()
            return
        annotation = desk.annotation
        state, owner = annotation.state, annotation.state.active
        if not self.can_propagate:
            raise ValueError(
                "expected an object with a mask in a stack, got none; click on an object first"
            )
        masks: dict[int, CarriedMask] = {}
        run = desk.frame.run_of(state.z)

        def on_slice(carried: Any) -> None:
            masks[carried.z] = CarriedMask(carried.box, carried.mask)
            self._progress(f"Propagating: slice {carried.z}", len(masks), len(run) - 1)

        def then(done: bool) -> None:
            self._activity.end()
            if self._desk is not desk:
                return
            if annotation.state.of(owner) != state.of(owner):
                self._tell("The object changed meanwhile; propagate it again", "warning")
                return
            clicked = {click.z for click in state.of(owner)} & {*run}
            instead = reach(clicked, direction, run) if done else ()
            annotation.carry(masks, owner, instead)
            text = f"Propagated to {len(masks)} slice(s)" + ("" if done else ", then stopped")
            self._tell(text, "info")

        self._engine.propagate(state, owner, direction, run, on_slice, then)
        self._progress("Propagating …", 0, max(1, len(run) - 1))

    def propagate_up(self) -> None:
        """Carry the object over to later slices."""
        self._try(lambda: self.propagate("up"))

    def propagate_down(self) -> None:
        """Carry the object over to earlier slices."""
        self._try(lambda: self.propagate("down"))

    def propagate_both(self) -> None:
        """Carry the object over to slices on both sides."""
        self._try(lambda: self.propagate("both"))

    def apply_to_all(self) -> None:
        """Class mode: give every pixel of every slice a class."""
        self._commit_classes(list(range(self._desk_or_raise().frame.shape[0])))

    def _commit_classes(self, slices: list[int]) -> None:
        desk = self._desk_or_raise()
        annotation = desk.annotation
        if not annotation.state.clicks:
            self._tell("Nothing to apply: click on pixels of each class first", "warning")
            return
        patches: list[Patch] = []
        count = 0

        def on_slice(step: tuple[int, tuple[Patch, ...]]) -> None:
            nonlocal count
            count += 1
            patches.extend(step[1])
            self._progress("Applying classes", count, len(slices))

        def then(done: bool) -> None:
            self._activity.end()
            if self._desk is desk and patches:
                annotation.edit(patches)
            text = f"Wrote the classes of {count} slice(s)" + ("" if done else ", then stopped")
            self._tell(text, "info")

        self._engine.classify_all(annotation.state, annotation.labels, slices, on_slice, then)
        self._progress("Applying classes", 0, len(slices))

    def cancel(self) -> None:
        """Stop the running work; what is done stays, and undo takes it back."""
        self._commits_when_answered = False
        self._engine.worker.cancel()

    def toggle_masks(self) -> None:
        """Hide preview and labels, or show them again."""
        if self._desk is not None:
            layers = (self._desk.labels, self._desk.preview.layer)
            visible = not any(layer.visible for layer in layers)
            for layer in layers:
                layer.visible = visible

    def show_help(self) -> None:
        """Open the help sheet."""
        self.help_wanted.emit()

    def export(self, path: str) -> None:
        """Write labels (.tif), clicks (.csv) or all of it (.gpcis) to a file."""
        desk = self._desk_or_raise()
        export(Path(path), desk, self._classes, self._diameter)
        if self._recorder is not None and Path(path).suffix == ".gpcis":
            self._recorder.note_saved(path)
        self._tell(f"Saved {Path(path).name}", "info")

    def restore(self) -> None:
        """Take up the unsaved work of the earlier session."""
        desk, recorder = self._desk_or_raise(), self._recorder
        if recorder is None or recorder.waiting is None:
            return
        meta = dict(recorder.waiting.meta)
        fresh = desk.fresh_annotation()
        recorder.restore(fresh)
        self._classes.from_meta(meta)
        desk.take_over(fresh, recorder.journal.record)
        self.reopen_engine()
        if self._mode == "class":
            self.classes_changed()
        self._go_to_slice(fresh.state.z)
        self._tell("Restored", "info")

    def discard_restorable(self) -> None:
        """Offer the earlier work no more; its file stays under another name."""
        if self._recorder is not None:
            self._recorder.discard()
        self.changed.emit()

    def set_active(self, active: bool) -> None:
        """Take clicks in the canvas, or leave them to napari."""
        self._active = active
        self.changed.emit()

    def classes_changed(self) -> None:
        """Show other names and colours."""
        desk = self._desk
        if desk is not None and self._mode == "class":
            colors = {item.number: item.color for item in self.classes}
            desk.set_class_colors(colors)
        if self._recorder is not None and self._mode == "class":
            self._recorder.note_meta(self._classes.to_meta())
        self.changed.emit()

    # state

    @property
    def closed(self) -> bool:
        """Whether it was closed: another tool can take its place."""
        return self._closed

    @property
    def active(self) -> bool:
        """Whether clicks in the canvas are taken."""
        return self._active

    @property
    def status(self) -> Status:
        """What the tool is doing."""
        return self._status

    @property
    def click_counts(self) -> tuple[int, int]:
        """Numbers of positive and negative clicks of the active object (class: of all)."""
        if self._desk is None:
            return 0, 0
        state = self._desk.annotation.state
        own = state.clicks if self._mode == "class" else state.of(state.active)
        positive = sum(click.positive for click in own)
        return positive, len(own) - positive

    @property
    def object_count(self) -> int:
        """Number of committed objects."""
        return 0 if self._desk is None else len(self._desk.annotation.state.committed)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._desk is not None and self._desk.annotation.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to take again."""
        return self._desk is not None and self._desk.annotation.can_redo

    @property
    def can_commit(self) -> bool:
        """Whether there is something to commit."""
        if self._desk is None:
            return False
        state = self._desk.annotation.state
        return bool(state.clicks) if self._mode == "class" else state.active in state.objects()

    @property
    def can_propagate(self) -> bool:
        """Whether there is an object to carry over to neighbouring slices."""
        if self._desk is None or self._desk.frame.shape[0] < 2 or self.can_cancel:
            return False
        if self._mode == "class":
            return bool(self._desk.annotation.state.clicks)
        annotation = self._desk.annotation
        return bool(annotation.state.of(annotation.state.active)) and not annotation.unanswered()

    @property
    def can_cancel(self) -> bool:
        """Whether the running work can be stopped."""
        return self._engine.worker.busy_long

    @property
    def restorable(self) -> Restorable | None:
        """Unsaved work of an earlier session, if there is any."""
        return None if self._recorder is None else self._recorder.restorable

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, encoding ahead included."""
        return self._engine.worker.idle and not self._settle.isActive()

    def _desk_layers(self) -> list[Any]:
        shown = [] if self._overlay_layers is None else list(self._overlay_layers.layers)
        return [*shown, *(self._desk.layers if self._desk else ())]

    def _desk_or_raise(self) -> Desk:
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

    def _tell(self, text: str, level: Level | str, done: int = 0, total: int = 0) -> None:
        self._status = Status(text, level, done, total)  # type: ignore[arg-type]
        self._announce()

    def _announce(self) -> None:
        """Say once, after all that happens now, that something has changed; later if it is busy."""
        delay = BUSY_MS if self._status.text == WORKING else 0
        timer = self._announcer
        if not timer.isActive() or timer.remainingTime() > delay:
            timer.start(delay)

    def _progress(self, text: str, done: int, total: int) -> None:
        self._tell(text, "busy", done, total)
        self._activity.show(text, done, total)  # in which the work may end

    def _tell_ready(self) -> None:
        if self._loaded is None:
            return
        if self._desk is None:
            self._tell("Open an image, then click on an object", "info")
        elif self._mode == "class":
            self._tell("Click on pixels of each class", "info")
        elif not self._desk.annotation.state.clicks:
            self._tell("Click on an object", "info")
        else:
            self._tell_object()

    def _tell_object(self) -> None:
        """Size of the object, and how long its answer took."""
        if self._desk is None:
            return
        state = self._desk.annotation.state
        if state.active not in state.objects():
            self._tell_ready_for_next()
            return
        result = state.answers.get((state.active, state.z))
        mask = state.mask_of(state.active, state.z)
        if mask is None:
            return
        text = f"{int(mask[1].sum()):,} px"
        if result is not None:
            text += f" in {1e3 * sum(result.timings.values()):.0f} ms"
        self._tell(f"{text} – Enter commits", "info")

    def _tell_ready_for_next(self) -> None:
        if self._status.level == "busy":
            self._tell("Click on an object", "info")

    def _try(self, action: Any) -> None:
        """Do what a key asks for; a refusal goes to the status line."""
        try:
            action()
        except ValueError as error:
            self._tell(str(error), "error")

    def _failed(self, error: BaseException) -> None:
        """The engine could not do it: nothing is lost, and it says so."""
        self._canvas.release()
        self._commits_when_answered = False
        self._asked = None
        self._activity.end()
        self._tell(f"{str(error) or type(error).__name__} – your clicks are kept", "error")
