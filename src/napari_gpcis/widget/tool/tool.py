"""The tool: all that the panel, the mouse and the keys ask for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from napari_gpcis.engine.document.annotation import reach
from napari_gpcis.engine.document.history import CarriedMask
from napari_gpcis.widget.layers.transforms import data_position
from napari_gpcis.widget.tool import keys
from napari_gpcis.widget.tool.answer_loop import AnswerLoop
from napari_gpcis.widget.tool.export import export
from napari_gpcis.widget.tool.mouse import Mouse

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_gpcis.engine.document.label_store import Patch
    from napari_gpcis.widget.tool.types import Direction, Restorable

DOUBLE_CLICK_S = 1.0


class Tool(AnswerLoop):
    """What is done, and what can be done.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    help_wanted = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self._last_click = 0.0
        self._mouse = Mouse(viewer, self)
        self._mouse.connect()
        keys.bind(viewer, self)
        for warning in self.settings_warnings:
            self._tell(warning, "warning")
        self.load(self._model, self._device)
        self._watch.choose_image()

    def close(self) -> None:
        """Give everything back: mouse, keys, thread. The journal keeps what is not saved."""
        if not self._closed:
            self._mouse.disconnect()
            keys.unbind(self.viewer)
            super().close()

    # mouse

    def predict_ahead(self, world: tuple[float, ...], positive: bool) -> None:
        """The mouse is pressed: most likely a click follows, and its answer can be worked on."""
        desk = self._desk
        if desk is None or self._mode != "object" or self._asked is not None:
            return
        if self.viewer.dims.ndisplay != 2 or not desk.frame.is_shown(desk.image, self.viewer):
            return
        place = desk.frame.to_click(data_position(desk.image, world, self.viewer.dims.units))
        if place is not None:
            self._engine.predict_ahead(
                desk.annotation.foresee(desk.click_at(*place, positive=positive))
            )

    def click(self, world: tuple[float, ...], positive: bool) -> None:
        """Click at a position of the window's world."""
        place = self._place(world)
        if place is not None and self._desk is not None:
            self._last_click = time.monotonic()
            if self._mode == "object" and self._loaded is not None:
                self._canvas.hold()
            # drawn with its mask, if that comes in no time: until then the engine has both cores
            self._desk.shows_later = self._canvas.held
            self._desk.add_click(*place, positive=positive)
            self._desk.shows_later = False

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
        waiting = self._settle.isActive() or self._painted.isActive()
        return self._engine.worker.idle and not waiting
