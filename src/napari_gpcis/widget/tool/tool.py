"""The tool: all that the panel, the mouse and the keys ask for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_gpcis.engine.geometry import equivalent_diameter
from napari_gpcis.engine.options import Options
from napari_gpcis.engine.prompts import rounds, says_where
from napari_gpcis.widget.tool import keys
from napari_gpcis.widget.tool.action_queue import ActionQueue
from napari_gpcis.widget.tool.answer_loop import AnswerLoop
from napari_gpcis.widget.tool.axes_choice import AxesChoice
from napari_gpcis.widget.tool.class_list import ClassList
from napari_gpcis.widget.tool.document_classes import DocumentClasses
from napari_gpcis.widget.tool.documents import Documents
from napari_gpcis.widget.tool.earlier_work import EarlierWork
from napari_gpcis.widget.tool.engine_thread import EngineThread
from napari_gpcis.widget.tool.export import export, left_out_of
from napari_gpcis.widget.tool.image_switcher import ImageSwitcher
from napari_gpcis.widget.tool.instructions import Hint, hints, in_words
from napari_gpcis.widget.tool.model_choice import ModelChoice
from napari_gpcis.widget.tool.mouse import Mouse
from napari_gpcis.widget.tool.options import ToolOptions
from napari_gpcis.widget.tool.proposals import Proposals
from napari_gpcis.widget.tool.settings import read_settings
from napari_gpcis.widget.tool.shapes_input import add_shapes, shapes_layer
from napari_gpcis.widget.tool.slice_jobs import SliceJobs
from napari_gpcis.widget.tool.status import StatusReporter, sentence
from napari_gpcis.widget.tool.viewer_events import ViewerEvents

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Shapes

    from napari_gpcis.engine.click import Click, Prompt
    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.types import Direction, Mode, Overlap, Status


class Tool(QObject):
    """The parts of the tool, put together, and the actions that need several of them.

    Setters and actions raise ValueError, with a remedy, when they cannot do what is asked.

    Parameters
    ----------
    viewer : napari.Viewer
    engine : callable, optional
        Makes the engine, of a callback for errors and one for warnings.

    Attributes
    ----------
    options : ToolOptions
    switcher : ImageSwitcher
        The image and the labels layer under work.
    axes : AxesChoice
        What the image's axes hold, and its channels.
    model : ModelChoice
        The model and the device.
    classes : DocumentClasses
        The classes of class mode.
    earlier_work : EarlierWork
        Unsaved work that can be restored.
    mouse : Mouse
    proposals : Proposals
        Objects like the committed ones.
    """

    changed = Signal()
    help_wanted = Signal()

    def __init__(
        self, viewer: ViewerModel, engine: Callable[..., EngineThread] = EngineThread
    ) -> None:
        super().__init__()
        self.viewer = viewer
        self.settings, warnings = read_settings()
        self.options = ToolOptions.from_settings(self.settings)
        self._class_list = ClassList()
        self._closed = False
        self._told = ""
        self.reporter = StatusReporter(self)
        self.reporter.changed.connect(self.changed)
        self.documents = Documents(viewer, self.settings, self.reporter.tell)
        self.loop = AnswerLoop(
            viewer, self.options, self.settings, self._class_list, self.reporter, engine, self
        )
        self.jobs = SliceJobs(
            self.loop.engine, self.reporter, lambda document: document is self.document
        )
        self.proposals = Proposals(self.documents, self.loop, self.reporter, self)
        self.queue = ActionQueue(
            lambda: self.loop.awaiting, self.reporter.attempt, self._show_waiting
        )
        self.events = ViewerEvents(viewer, self)
        self.switcher = ImageSwitcher(
            viewer,
            self.options,
            self.documents,
            self.loop,
            self.events,
            self.reporter,
            self.queue,
            self,
        )
        self.axes = AxesChoice(self.switcher, self.queue, self.changed.emit)
        self.model = ModelChoice(self.loop)
        self.classes = DocumentClasses(self._class_list, self.documents, self.changed.emit)
        self.earlier_work = EarlierWork(
            self.documents, self._class_list, self.loop, self.classes.show, self.changed.emit
        )
        self.mouse = Mouse(self.switcher, self.queue, self._seal)
        self._listen()
        keys.bind(viewer, self)
        for warning in warnings:
            self.reporter.tell(warning, "warning")
        self.loop.load(self.options.model, self.options.device)
        self.switcher.choose_if_any()

    def close(self) -> None:
        """Give everything back: mouse, keys, thread. The journal keeps what is not saved."""
        if self._closed:
            return
        self._closed = True
        self.queue.flush()
        keys.unbind(self.viewer)
        self.events.disconnect_all()
        self.reporter.close()
        self.loop.close()
        self.switcher.close()
        self.proposals.close()

    def _listen(self) -> None:
        self.loop.settled.connect(self.queue.go_on)
        self.loop.failed.connect(self.queue.flush)
        self.switcher.opened.connect(self._document_opened)
        self.switcher.leaving.connect(self.queue.flush)
        events, mouse, attempt = self.events, self.mouse, self.reporter.attempt
        events.pressed.connect(lambda *press: attempt(lambda: mouse.press(*press)))
        events.clicked.connect(lambda *click: attempt(lambda: self._click(*click)))
        events.dragged.connect(lambda drag: attempt(lambda: mouse.drag(drag)))
        events.drawn.connect(lambda drag: attempt(lambda: mouse.draw(drag)))
        events.drag_dropped.connect(mouse.drop)
        events.double_clicked.connect(lambda world: attempt(lambda: mouse.double_click(world)))
        events.layers_changed.connect(self.changed)
        events.slice_changed.connect(self.loop.look_at_slice_later)
        events.view_moved.connect(self._view_moved)
        events.plane_changed.connect(self._plane_changed)
        events.mouse_taken.connect(self._mouse_taken)
        self.changed.connect(self._tell_napari)

    # the image under work

    @property
    def document(self) -> ImageDocument | None:
        """The document under work."""
        return self.documents.open

    def _click(self, world: tuple[float, ...], positive: bool) -> None:
        """On a proposal, a click accepts or rejects it."""
        if not self.proposals.click(world, positive):
            self.mouse.click(world, positive)

    def _document_opened(self) -> None:
        self.proposals.opened()
        self._bind_keys()
        if self.mode == "class":
            self.classes.show()
            if self.options.draws == "box":
                self.draw_nothing()
        self._show_cursor()
        self.axes.ask_if_doubtful()

    def _show_cursor(self) -> None:
        """A cross where a drag draws."""
        if self.document is not None:
            drawing = self.options.draws != "click" and self.options.takes_clicks
            self.document.clicks.layer.cursor = "crosshair" if drawing else "standard"

    def _mouse_taken(self) -> None:
        if self._told != self.viewer.help:
            self.changed.emit()

    def _tell_napari(self) -> None:
        """Say in napari's status line what the panel says, where napari's own tools are off."""
        document = self.document
        if document is None or self._closed:
            return
        active = self.viewer.layers.selection.active
        if active in document.layers and active.mode == "pan_zoom":
            self._told = active.help = in_words(self.hints)
            self.viewer.help = self._told

    def _bind_keys(self) -> None:
        """Take the keys, or leave them to napari together with the clicks."""
        document = self.document
        targets = [self.viewer, *(document.layers if document is not None else ())]
        for target in targets:
            if self.options.takes_clicks:
                keys.bind(target, self)
            else:
                keys.unbind(target)

    def _view_moved(self) -> None:
        """Another part of the slice is shown, which may not be encoded yet."""
        if self.options.mode == "object" and self.document is not None:
            self.loop.look_at_slice_later()

    def _plane_changed(self) -> None:
        self.switcher.follow_plane()
        self.loop.look_at_slice_later()

    # options

    @property
    def mode(self) -> Mode:
        """The mode: clicks outline objects or name classes."""
        return self.options.mode

    def set_mode(self, mode: Mode) -> None:
        """Outline objects or name classes."""
        if mode == "class" and not self.model.knows_classes:
            raise ValueError("This model cannot do class mode; choose another model")
        Options(mode)
        self.queue.do(lambda: self._set_mode(mode))

    def set_object_diameter(self, px: float | None) -> None:
        """Give the diameter of an object in px; None: find it at the first click."""
        Options(object_diameter=px)
        self.queue.do(lambda: self._set_option(object_diameter=px))

    def estimate_diameter(self) -> None:
        """Measure the diameter on the object that is worked on, or on those in the labels."""
        areas = [] if self.document is None else self.document.object_areas()
        if not areas:
            raise ValueError("There is no object to measure yet: click on one, then press Estimate")
        self.set_object_diameter(round(equivalent_diameter(float(np.median(areas))), 1))

    def set_threshold(self, p: float) -> None:
        """Set the probability from which a pixel belongs to the object."""
        Options(threshold=p)
        self.queue.do(lambda: self._set_option(threshold=p))

    def set_overlap(self, overlap: Overlap) -> None:
        """Choose what a commit does with the pixels of other objects."""
        Options(overlap=overlap)
        self.queue.do(lambda: self._set_overlap(overlap))

    def set_overlay(self, name: str, on: bool) -> None:
        """Show or hide a map over the image."""
        self.options.show_overlay(name, on)
        self.loop.ask_extras()
        self.changed.emit()

    def set_draws(self, prompt: Prompt) -> None:
        """Choose what a drag in the canvas draws; "click" for nothing: it pans."""
        if prompt == "box" and self.mode == "class":
            raise ValueError("A box is around one object; for a class, draw a scribble or a lasso")
        self.options.draws = self.events.draws = prompt
        self._show_cursor()
        self.changed.emit()

    def set_auto_commit(self, on: bool) -> None:
        """Let a click well outside the object commit it, or not."""
        self.options.auto_commit = on
        self.changed.emit()

    def draw_nothing(self) -> None:
        """A drag pans."""
        self.set_draws("click")

    def draw_scribbles(self) -> None:
        """A drag labels the pixels that it runs over."""
        self.set_draws("scribble")

    def draw_boxes(self) -> None:
        """A drag is a box around the object."""
        self.set_draws("box")

    def draw_lassos(self) -> None:
        """A drag is an outline whose inside belongs to the object."""
        self.set_draws("lasso")

    def set_active(self, active: bool) -> None:
        """Take clicks in the canvas, or leave them to napari."""
        self.options.takes_clicks = self.events.takes_clicks = active
        self._bind_keys()
        self._show_cursor()
        self.changed.emit()

    # actions

    def commit(self) -> None:
        """Write the object under its own label, as soon as its mask is there.

        It is sealed at once: what is clicked from now on belongs to the next one.
        """
        document = self.documents.open_or_raise()
        if self.mode == "object" and document.annotation.unanswered():
            self.loop.ask()  # once more, should it have failed
        self.queue.do(self._commit)
        if self.queue:
            self.reporter.tell("Committing as soon as the mask is there …", "busy")

    def commit_all(self) -> None:
        """Write all objects that are not committed, the drafts first."""
        document = self.documents.open_or_raise()
        if self.mode == "class":
            self.commit()
            return
        state = document.annotation.state
        owners = sorted(state.objects(), key=lambda owner: owner == state.active)
        if not owners:
            self.reporter.tell("Nothing to commit: click on an object first", "warning")
        for owner in owners:
            self.queue.do(partial(document.annotation.activate, owner))
            self.queue.do(self._commit)

    def use_shapes(self) -> None:
        """Make drafts of the shapes in the selected Shapes layer, or in the only one."""
        document = self.documents.open_or_raise()
        layer = shapes_layer(self.viewer)
        self.queue.do(lambda: self._use_shapes(document, layer))

    def clear(self) -> None:
        """Forget the stroke under way, or take the clicks of the object (class) away.

        Its answer is awaited no more.
        """
        if self.events.drop_drag():
            return
        self.queue.do_now(self._clear)

    def new_object(self) -> None:
        """Leave the object as a draft and begin another; in class mode, add a class."""
        self.documents.open_or_raise()
        self.queue.do(self._new_object)

    def undo(self) -> None:
        """Take the last step back."""
        self.queue.do_now(lambda: self._step(undo=True))

    def redo(self) -> None:
        """Take the step again that was taken back."""
        self.queue.do_now(lambda: self._step(undo=False))

    def swap_sign(self) -> None:
        """Turn the sign of the selected clicks, or of the last one."""
        if self.document is not None:
            self.queue.do(self.document.swap_signs)

    def jump_to_next(self) -> None:
        """Show the place where a click would help most."""
        if self.loop.next_click is None or self.document is None:
            self.reporter.tell("No place stands out: the mask is clear everywhere")
        else:
            self.document.go_to_pixel(*self.loop.next_click)

    def propagate(self, direction: Direction = "both") -> None:
        """Carry the object over to neighbouring slices."""
        document = self.documents.open_or_raise()
        if self.mode == "class":
            self.apply_to_all()
        else:
            self.queue.do(lambda: self._propagate(document, direction))

    def propagate_up(self) -> None:
        """Carry the object over to later slices."""
        self.reporter.attempt(lambda: self.propagate("up"))

    def propagate_down(self) -> None:
        """Carry the object over to earlier slices."""
        self.reporter.attempt(lambda: self.propagate("down"))

    def propagate_both(self) -> None:
        """Carry the object over to slices on both sides."""
        self.reporter.attempt(lambda: self.propagate("both"))

    def apply_to_all(self) -> None:
        """Class mode: give every pixel of every slice a class."""
        self._commit_classes(list(range(self.documents.open_or_raise().frame.shape[0])))

    def propose(self) -> None:
        """Propose all objects that are like the committed ones."""
        self.queue.do(self.proposals.propose)

    def cancel(self) -> None:
        """Stop the running work; what is done stays, and undo takes it back."""
        self.jobs.cancel()

    def toggle_masks(self) -> None:
        """Hide preview and labels, or show them again."""
        if self.document is not None:
            layers = (self.document.labels, self.document.preview.layer)
            visible = not any(layer.visible for layer in layers)
            for layer in layers:
                layer.visible = visible

    def show_help(self) -> None:
        """Open the help sheet."""
        self.help_wanted.emit()

    def export(self, path: str) -> None:
        """Write labels, shapes, clicks or all of it to a file; its suffix says which."""
        document = self.documents.open_or_raise()
        export(Path(path), document, self._class_list, self.options.object_diameter)
        if Path(path).suffix == ".gpcis":
            document.journal.note_saved(path)
        left_out = left_out_of(Path(path), document)
        self.reporter.tell(f"Saved {Path(path).name}{left_out}", "warning" if left_out else "info")

    # how it is done

    def _show_waiting(self, clicks: tuple[Click, ...]) -> None:
        document = self.document
        if document is not None and document.waiting != clicks:
            document.waiting = clicks
            document.show_clicks()

    def _commit(self) -> None:
        document = self.documents.open_or_raise()
        if self.mode == "class":
            self._commit_classes([document.shown_slice])
            return
        annotation = document.annotation
        if annotation.state.active not in annotation.state.objects():
            if self.proposals.accept_all():
                return
            self.reporter.tell("Nothing to commit: click on an object first", "warning")
        elif annotation.unanswered():
            annotation.begin_object()  # what is clicked now must not be added to it
            self.reporter.tell("The object has no mask yet: it stays a draft", "warning")
        else:
            self.reporter.attempt(self._write_object)

    def _write_object(self) -> None:
        document = self.documents.open_or_raise()
        label = document.annotation.commit(overlap=self.options.overlap)
        document.select_label(label)
        self.reporter.tell(f"Committed as label {label}")

    def _seal(self) -> None:
        """Commit the object, as another one is begun; if that cannot be, it stays a draft."""
        document = self.documents.open_or_raise()
        try:
            self._write_object()
        except ValueError as error:
            document.annotation.begin_object()
            self.reporter.tell(f"{sentence(error)}. It stays a draft", "warning")

    def _use_shapes(self, document: ImageDocument, layer: Shapes) -> None:
        taken, outside = add_shapes(document, layer)
        if taken:
            layer.visible = False
            document.select()
        left = f"; {outside} outside the image left out" if outside else ""
        if not taken:
            self.reporter.tell(f"No shape was taken{left}", "warning")
        elif self.mode == "class":
            self.reporter.tell(f"{taken} shapes are of this class now{left}")
        else:
            self.reporter.tell(f"{taken} shapes are drafts now{left}. Shift-Enter commits them")

    def _clear(self) -> None:
        if self.document is None or self.document.annotation.clear():
            return
        if not self.proposals.dismiss():
            self.loop.tell_ready()

    def _new_object(self) -> None:
        if self.mode == "class":
            self.classes.add()
        else:
            self.documents.open_or_raise().annotation.begin_object()

    def _propagate(self, document: ImageDocument, direction: Direction) -> None:
        if not self.can_propagate:
            raise ValueError(
                "Click on an object first. It can be propagated to other slices of a stack"
            )
        self.jobs.propagate(document, direction)

    def _set_mode(self, mode: Mode) -> None:
        before = self.options.mode
        if mode == before:
            return
        self.options.mode = mode
        if self.switcher.image is None:
            return
        try:
            self.switcher.open(self.switcher.image)
        except ValueError:
            self.options.mode = before
            raise

    def _set_option(self, **option: Any) -> None:
        ((name, value),) = option.items()
        if value != getattr(self.options, name):
            setattr(self.options, name, value)
            self.loop.set_options(**option)

    def _set_overlap(self, overlap: Overlap) -> None:
        self.options.overlap = overlap
        self.changed.emit()

    def _commit_classes(self, slices: list[int]) -> None:
        document = self.documents.open_or_raise()
        if not document.annotation.state.clicks:
            self.reporter.tell("Nothing to apply: click on pixels of each class first", "warning")
            return
        self.jobs.apply_classes(document, slices)

    def _step(self, *, undo: bool) -> None:
        document = self.document
        if document is None:
            return
        step = document.annotation.undo() if undo else document.annotation.redo()
        if step is None:
            self.reporter.tell("Nothing to undo" if undo else "Nothing to redo")
            return
        z = step.after.z
        if step.patches and z not in [patch.z for patch in step.patches]:
            z = step.patches[0].z
        document.go_to_slice(z)

    # state

    @property
    def closed(self) -> bool:
        """True once it was closed: another tool can take its place."""
        return self._closed

    @property
    def status(self) -> Status:
        """State of the tool, as the status line shows it."""
        return self.reporter.status

    @property
    def hints(self) -> tuple[Hint, ...]:
        """What can be done now."""
        return hints(self.viewer, self.options, self.document, self._class_list)

    @property
    def click_counts(self) -> tuple[int, int]:
        """Numbers of positive and negative prompts of the active object (class: of all).

        A stroke counts once; a box says what is there, so it counts as positive.
        """
        if self.document is None:
            return 0, 0
        state = self.document.annotation.state
        own = state.clicks if self.mode == "class" else state.of(state.active)
        first = [drawn[0] for drawn in rounds(own)]
        positive = sum(says_where(click) for click in first)
        return positive, len(first) - positive

    @property
    def object_count(self) -> int:
        """Number of committed objects."""
        return 0 if self.document is None else len(self.document.annotation.state.committed)

    @property
    def can_undo(self) -> bool:
        """True if there is a step to take back."""
        return self.document is not None and self.document.annotation.can_undo

    @property
    def can_redo(self) -> bool:
        """True if there is a step to take again."""
        return self.document is not None and self.document.annotation.can_redo

    @property
    def can_commit(self) -> bool:
        """True if there is something to commit."""
        if self.document is None:
            return False
        state = self.document.annotation.state
        return bool(state.clicks) if self.mode == "class" else state.active in state.objects()

    @property
    def can_propagate(self) -> bool:
        """True if there is an object to carry over to neighbouring slices."""
        if self.document is None or self.document.frame.shape[0] < 2 or self.can_cancel:
            return False
        annotation = self.document.annotation
        if self.mode == "class":
            return bool(annotation.state.clicks)
        return bool(annotation.state.of(annotation.state.active)) and not annotation.unanswered()

    @property
    def can_cancel(self) -> bool:
        """True while there is running work, which can be stopped."""
        return self.jobs.running

    @property
    def idle(self) -> bool:
        """True if nothing is under way, encoding ahead included."""
        return self.loop.idle and not self.queue
