"""The tool: all that the panel, the mouse and the keys ask for."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.annotation import Annotation
from napari_gpcis.engine.document.label_store import LabelStore
from napari_gpcis.engine.geometry import equivalent_diameter
from napari_gpcis.engine.options import Options, check_diameter
from napari_gpcis.widget.tool import keys
from napari_gpcis.widget.tool.action_queue import ActionQueue
from napari_gpcis.widget.tool.answer_loop import AnswerLoop
from napari_gpcis.widget.tool.class_list import ClassList
from napari_gpcis.widget.tool.documents import Documents
from napari_gpcis.widget.tool.engine_thread import EngineThread
from napari_gpcis.widget.tool.export import export, left_out_of
from napari_gpcis.widget.tool.image_document import WAITING
from napari_gpcis.widget.tool.image_switcher import ImageSwitcher
from napari_gpcis.widget.tool.options import ToolOptions
from napari_gpcis.widget.tool.settings import read_settings
from napari_gpcis.widget.tool.slice_jobs import SliceJobs
from napari_gpcis.widget.tool.status import StatusReporter
from napari_gpcis.widget.tool.types import Axis, ModelInfo
from napari_gpcis.widget.tool.viewer_events import ViewerEvents

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer

    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.types import (
        AxisKind,
        ClassInfo,
        Direction,
        Mode,
        Overlap,
        Restorable,
        Status,
    )

CHANNEL_NAMES = ("red", "green", "blue")
DOUBLE_CLICK_S = 1.0


class Tool(QObject):
    """What can be asked for, and what there is to show of it.

    Setters and actions raise ValueError, with a remedy, when they cannot do what is asked.

    Parameters
    ----------
    viewer : napari.Viewer
    engine : callable, optional
        Makes the engine, of a callback for errors and one for warnings.
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
        self._classes = ClassList()
        self._last_click = 0.0
        self._closed = False
        self.reporter = StatusReporter(self)
        self.reporter.changed.connect(self.changed)
        self.documents = Documents(viewer, self.settings, self.reporter.tell)
        self.loop = AnswerLoop(
            viewer, self.options, self.settings, self._classes, self.reporter, engine, self
        )
        self.jobs = SliceJobs(
            self.loop.engine, self.reporter, lambda document: document is self.document
        )
        self.queue = ActionQueue(lambda: self.loop.awaiting, self.reporter.attempt)
        self.loop.settled.connect(self._go_on)
        self.loop.failed.connect(self._give_up_waiting)
        self.events = ViewerEvents(viewer, self)
        self.switcher = ImageSwitcher(
            viewer,
            self.options,
            self.documents,
            self.loop,
            self.events,
            self.reporter,
            self._in_turn,
            self,
        )
        self.switcher.opened.connect(self._document_opened)
        self.switcher.leaving.connect(self._give_up_waiting)
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

    def _listen(self) -> None:
        events = self.events
        attempt = self.reporter.attempt
        events.pressed.connect(lambda *press: attempt(lambda: self.predict_ahead(*press)))
        events.clicked.connect(lambda *click: attempt(lambda: self.click(*click)))
        events.double_clicked.connect(lambda world: attempt(lambda: self.double_click(world)))
        events.layers_changed.connect(self.changed)
        events.slice_changed.connect(self.loop.look_at_slice_later)
        events.view_moved.connect(self._view_moved)
        events.plane_changed.connect(self._plane_changed)

    # the image under work

    @property
    def document(self) -> ImageDocument | None:
        """The document under work."""
        return self.documents.open

    @property
    def _image(self) -> Image | None:
        return self.switcher.image

    def _document_opened(self) -> None:
        self._bind_keys()
        if self.mode == "class":
            self.classes_changed()
        self._ask_what_an_axis_holds()

    def _ask_what_an_axis_holds(self) -> None:
        """A short axis without a name may hold slices or channels."""
        image = self._image
        if image is None or self.documents.is_said(image):
            return
        for axis in self.axes:
            if axis.is_doubtful:
                self.reporter.ask(
                    f"Are the {axis.size} planes of this image slices or channels? "
                    f"Choose it under {axis.title}"
                )

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

    # what is chosen

    @property
    def own_layers(self) -> list[Layer]:
        """Layers that only show what the tool does: clicks, preview, overlays."""
        labels = None if self.document is None else self.document.labels
        shown = [layer for layer in self.loop.layers if layer is not labels]
        return [*shown, *self.documents.own_layers]

    @property
    def images(self) -> list[str]:
        """Names of the image layers."""
        return [layer.name for layer in self.switcher.image_layers]

    @property
    def image(self) -> str | None:
        """Name of the image layer that clicks are taken on."""
        return None if self._image is None else str(self._image.name)

    def set_image(self, name: str) -> None:
        """Take clicks on another image layer."""
        image = _named(name, self.switcher.image_layers, "image")
        self._in_turn(lambda: self.switcher.open(image))
        self.switcher.select_clicks()

    @property
    def label_layers(self) -> list[str]:
        """Names of the labels layers that fit the image."""
        document = self.document
        return [
            layer.name
            for layer in self.switcher.label_layers
            if document is not None and document.fits(layer)
        ]

    @property
    def labels_layer(self) -> str | None:
        """Name of the labels layer written to."""
        return None if self.document is None else str(self.document.labels.name)

    def set_labels_layer(self, name: str | None) -> None:
        """Write to another labels layer; None: to a new one."""
        chosen = None if name is None else _named(name, self.switcher.label_layers, "labels")
        document = self.document
        if chosen is not None and document is not None:
            document.check_labels(chosen)
        if document is not None and chosen is document.labels:
            return
        self._in_turn(lambda: self._set_labels(chosen))
        self.switcher.select_clicks()

    @property
    def channels(self) -> list[str]:
        """Names of the image's channels; none without a channel axis."""
        if self._image is None or self.document is None:
            return []
        frame = self.document.frame
        if self._image.rgb:
            return list(CHANNEL_NAMES)
        count = 0 if frame.channel_axis is None else frame.sizes[frame.channel_axis]
        return [f"channel {index}" for index in range(count)]

    @property
    def chosen_channels(self) -> tuple[int, ...]:
        """Indices of the channels that the model sees."""
        return self.options.channels or tuple(range(len(self.channels)))

    def set_channels(self, indices: tuple[int, ...]) -> None:
        """Choose the channels that the model sees."""
        if not indices:
            raise ValueError("The model needs one channel at least: tick one")
        chosen = tuple(indices) if len(indices) < len(self.channels) else ()
        self.options.channels = chosen
        if self._image is not None:
            self.documents.choose_channels(self._image, chosen)
        self.loop.reopen()
        self.changed.emit()

    @property
    def axes(self) -> list[Axis]:
        """The image's axes that are not displayed, and what they hold."""
        image, document = self._image, self.document
        if image is None or document is None:
            return []
        frame = document.frame
        return [
            Axis(axis, str(image.axis_labels[axis]), size, self._held_by(axis))
            for axis, size in enumerate(frame.sizes)
            if axis not in frame.plane
        ]

    def set_axis(self, axis: int, kind: AxisKind) -> None:
        """Say what an axis of the image holds.

        Of channels the model sees several at once, and nothing is propagated along them.
        """
        self._in_turn(lambda: self._set_axis(axis, kind))

    def _held_by(self, axis: int) -> AxisKind:
        document = self.document
        if document is not None and document.frame.channel_axis == axis:
            return "channels"
        label = "" if self._image is None else str(self._image.axis_labels[axis]).lower()
        return "time" if label in ("t", "time") else "slices"

    def _set_axis(self, axis: int, kind: AxisKind) -> None:
        image, document = self._image, self.document
        if image is None or document is None:
            return
        before = document.frame.channel_axis
        now = axis if kind == "channels" else None if before == axis else before
        if now == before and self.documents.is_said(image):
            return
        if now != before and document.annotation.state.objects():
            raise ValueError("Commit or clear the object first: it was clicked on other slices")
        self.documents.say_channel_axis(image, now)
        if now != before:
            self.switcher.open(image)
        self.changed.emit()

    @property
    def mode(self) -> Mode:
        """Whether clicks outline objects or name classes."""
        return self.options.mode

    def set_mode(self, mode: Mode) -> None:
        """Outline objects or name classes."""
        loaded = self.loop.loaded
        if mode == "class" and loaded is not None and not loaded.has_gp:
            raise ValueError("This model knows no classes; choose another model")
        Options(mode)
        self._in_turn(lambda: self._set_mode(mode))

    def set_object_diameter(self, px: float | None) -> None:
        """Give the diameter of an object in px; None: find it at the first click."""
        check_diameter(px)
        self._in_turn(lambda: self._set_option(object_diameter=px))

    def estimate_diameter(self) -> None:
        """Measure the diameter on the object that is worked on, or on those in the labels."""
        areas = [] if self.document is None else self.document.object_areas()
        if not areas:
            raise ValueError("There is no object to measure yet: click on one, then press Estimate")
        self.set_object_diameter(round(equivalent_diameter(float(np.median(areas))), 1))

    def set_threshold(self, p: float) -> None:
        """Set the probability from which a pixel belongs to the object."""
        Options(threshold=p)
        self._in_turn(lambda: self._set_option(threshold=p))

    def set_overlap(self, overlap: Overlap) -> None:
        """Choose what a commit does with the pixels of other objects."""
        Options(overlap=overlap)
        self._in_turn(lambda: self._set_overlap(overlap))

    def set_overlay(self, name: str, on: bool) -> None:
        """Show or hide a map over the image."""
        self.options.show_overlay(name, on)
        self.loop.ask_extras()
        self.changed.emit()

    def set_active(self, active: bool) -> None:
        """Take clicks in the canvas, or leave them to napari."""
        self.options.takes_clicks = self.events.takes_clicks = active
        self._bind_keys()
        self.changed.emit()

    # model and device

    @property
    def models(self) -> list[ModelInfo]:
        """The models to choose from."""
        from napari_gpcis.model.folders import model_files

        name = self.options.model
        known = [ModelInfo(name, name, str(path)) for name, path in model_files().items()]
        if name not in [info.name for info in known]:
            known.append(ModelInfo(name, name, name))
        return known

    @property
    def model(self) -> str:
        """Name or path of the model in use."""
        return self.options.model

    @property
    def model_card(self) -> str:
        """The model's card in Markdown; empty while it is loading."""
        return "" if self.loop.loaded is None else self.loop.loaded.card

    def set_model(self, name_or_path: str) -> None:
        """Use another model."""
        if name_or_path != self.options.model:
            self.loop.load(name_or_path, self.options.device)

    @property
    def devices(self) -> list[str]:
        """The devices to choose from, "auto" first."""
        return ["auto", "cpu"] if self.loop.loaded is None else self.loop.loaded.devices

    @property
    def device(self) -> str:
        """The device asked for."""
        return self.options.device

    @property
    def device_in_use(self) -> str:
        """The device that computes; empty before a model is loaded."""
        return "" if self.loop.loaded is None else self.loop.loaded.device

    def set_device(self, name: str) -> None:
        """Compute on another device."""
        if name != self.options.device:
            self.loop.load(self.options.model, name)

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self.loop.loaded is not None

    # classes

    @property
    def classes(self) -> list[ClassInfo]:
        """The classes of class mode."""
        return self._classes.all

    @property
    def active_class(self) -> int:
        """Number of the class that clicks are given."""
        if self.document is None or self.mode != "class":
            return self.classes[0].number
        return self.document.annotation.state.active

    def set_active_class(self, number: int) -> None:
        """Choose the class that clicks are given."""
        if number not in [item.number for item in self.classes]:
            raise ValueError(f"There is no class {number}; add it first")
        if self.document is not None and self.mode == "class":
            self.document.annotation.choose(number)
            self.document.show()
        self.changed.emit()

    def add_class(self) -> None:
        """Add a class, and give it the clicks to come."""
        number = self._classes.add()
        self.classes_changed()
        self.set_active_class(number)

    def rename_class(self, number: int, name: str) -> None:
        """Rename a class."""
        self._classes.rename(number, name)
        self.classes_changed()

    def recolor_class(self, number: int, color: str) -> None:
        """Give a class another colour, "#rrggbb"."""
        self._classes.recolor(number, color)
        self.classes_changed()

    def remove_class(self, number: int) -> None:
        """Remove a class and its clicks; undo brings the clicks back."""
        self._classes.remove(number)
        document = self.document
        if document is not None and self.mode == "class":
            state = document.annotation.state
            rest = [click for click in state.clicks if click.object_id != number]
            document.annotation.choose(self.classes[0].number)
            document.annotation.set_clicks(rest)
        self.classes_changed()

    def classes_changed(self) -> None:
        """Show other names and colours."""
        document = self.document
        if document is not None and self.mode == "class":
            document.set_class_colors({item.number: item.color for item in self.classes})
            document.journal.note_meta(self._classes.to_meta())
        self.changed.emit()

    # mouse

    def predict_ahead(self, world: tuple[float, ...], positive: bool) -> None:
        """The mouse is pressed: most likely a click follows, and its answer can be worked on."""
        if self.document is not None and self.document.is_shown:
            place = self.document.place_at(world)
            if place is not None:
                self.loop.predict_ahead(place, positive)

    def click(self, world: tuple[float, ...], positive: bool) -> None:
        """Click at a position of the window's world."""
        self._last_click = time.monotonic()
        if self.loop.loaded is None and not self.queue:
            self._click(world, positive)  # the engine will go through them one by one
            return
        document = self.document
        place = document.place_at(world) if document is not None and document.is_shown else None
        shown = None if place is None else Click(*place, positive=positive, object_id=WAITING)
        self._in_turn(lambda: self._click(world, positive), shown)

    def double_click(self, world: tuple[float, ...]) -> None:
        """Take up the object at a position, if there is one; its first click was none then."""
        fresh = time.monotonic() - self._last_click < DOUBLE_CLICK_S
        self._in_turn(lambda: self._take_up(world, fresh))

    def _click(self, world: tuple[float, ...], positive: bool) -> None:
        place = self._place(world)
        if place is not None:
            self.loop.click(place, positive)

    def _take_up(self, world: tuple[float, ...], fresh: bool) -> None:
        place, document = self._place(world), self.document
        if place is None or document is None or self.mode != "object":
            return
        draft, label = document.draft_at(*place), document.label_at(*place)
        clicked = document.annotation.state.clicks[-1:]
        if (draft or label) and fresh and clicked and clicked[0].place == place:
            document.annotation.undo()
        if draft:
            document.annotation.activate(draft, place[0])
        elif label:
            document.annotation.take_up(label, place[0])
            document.select_label(label)

    def _place(self, world: tuple[float, ...]) -> tuple[int, int, int] | None:
        """Slice, row and column of a position, if clicks are taken there."""
        if self.document is None:
            self.switcher.choose()
        if self.document is None:
            return None  # it has been said why
        if self.viewer.dims.ndisplay != 2:
            self.reporter.tell(
                "Clicks are taken in the 2-D view: press the cube below the layers", "warning"
            )
            return None
        self.switcher.follow_plane()  # which may begin another document
        document = self.document
        if document is None or not document.is_shown:
            return None
        if not document.image.visible:
            raise ValueError(
                f"“{document.image.name}” is hidden: show it, or select the image to click on in "
                "the list of layers"
            )
        return document.place_at(world)

    # actions

    def commit(self) -> None:
        """Write the object under its own label, as soon as its mask is there.

        It is sealed at once: what is clicked from now on belongs to the next one.
        """
        document = self._document_or_raise()
        if self.mode == "object" and document.annotation.unanswered():
            self.loop.ask()  # once more, should it have failed
        self._in_turn(self._commit)
        if self.queue:
            self.reporter.tell("Committing as soon as the mask is there …", "busy")

    def clear(self) -> None:
        """Take the clicks of the object (class) away; its answer is awaited no more."""
        self._now_unless_others_wait(self._clear)

    def new_object(self) -> None:
        """Leave the object as a draft and begin another; in class mode, add a class."""
        self._document_or_raise()
        self._in_turn(self._new_object)

    def undo(self) -> None:
        """Take the last step back."""
        self._now_unless_others_wait(lambda: self._step(undo=True))

    def redo(self) -> None:
        """Take the step again that was taken back."""
        self._now_unless_others_wait(lambda: self._step(undo=False))

    def swap_sign(self) -> None:
        """Turn the sign of the selected clicks, or of the last one."""
        if self.document is not None:
            self._in_turn(self.document.swap_signs)

    def jump_to_next(self) -> None:
        """Show the place where a click would help most."""
        if self.loop.next_click is None or self.document is None:
            self.reporter.tell("No place stands out: the mask is clear everywhere")
        else:
            self.document.go_to_pixel(*self.loop.next_click)

    def propagate(self, direction: Direction = "both") -> None:
        """Carry the object over to neighbouring slices."""
        document = self._document_or_raise()
        if self.mode == "class":
            self.apply_to_all()
        else:
            self._in_turn(lambda: self._propagate(document, direction))

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
        self._commit_classes(list(range(self._document_or_raise().frame.shape[0])))

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
        document = self._document_or_raise()
        export(Path(path), document, self._classes, self.options.object_diameter)
        if Path(path).suffix == ".gpcis":
            document.journal.note_saved(path)
        left_out = left_out_of(Path(path), document)
        self.reporter.tell(f"Saved {Path(path).name}{left_out}", "warning" if left_out else "info")

    @property
    def export_path(self) -> str:
        """Where an export is suggested to go: beside the image, under its name."""
        if self._image is None:
            return ""
        source = self._image.source.path
        folder = Path(source).parent if source else Path.home()
        name = re.sub(r"[^\w.-]+", "_", Path(str(self._image.name)).stem)
        return str(folder / f"{name}_labels.tif")

    def restore(self) -> None:
        """Take up the unsaved work of the earlier session."""
        document = self._document_or_raise()
        waiting = document.journal.waiting
        if waiting is None:
            return
        if document.annotation.can_undo:
            shape, class_mode = document.frame.shape, document.mode == "class"
            recorded = Annotation(LabelStore(shape), class_mode=class_mode)
            document.journal.merge_into(recorded)
            document.add_work_of(recorded)
            self.reporter.tell("Restored, beside what has been done since")
            return
        fresh = document.fresh_annotation()
        document.journal.restore(fresh)
        self._classes.from_meta(dict(waiting.meta))
        document.take_over(fresh)
        self.loop.reopen()
        if self.mode == "class":
            self.classes_changed()
        document.go_to_slice(fresh.state.z)
        self.reporter.tell("Restored")

    def discard_restorable(self) -> None:
        """Do not offer the earlier work again; its file is kept under another name."""
        if self.document is not None:
            self.document.journal.discard()
        self.changed.emit()

    # one thing after another

    def _in_turn(self, action: Callable[[], object], click: Click | None = None) -> None:
        """Do something once all answers are there that it builds on."""
        self.queue.do(action, click)
        self._show_waiting()

    def _now_unless_others_wait(self, action: Callable[[], object]) -> None:
        """Do something that needs no answer, though not before what was asked for earlier."""
        if self.queue:
            self._in_turn(action)
        else:
            action()

    def _go_on(self) -> None:
        self.queue.go_on()
        self._show_waiting()

    def _give_up_waiting(self) -> None:
        self.queue.flush()
        self._show_waiting()

    def _show_waiting(self) -> None:
        document, clicks = self.document, self.queue.clicks
        if document is not None and document.waiting != clicks:
            document.waiting = clicks
            document.show_clicks()

    def _commit(self) -> None:
        document = self._document_or_raise()
        if self.mode == "class":
            self._commit_classes([document.shown_slice])
            return
        annotation = document.annotation
        if annotation.state.active not in annotation.state.objects():
            self.reporter.tell("Nothing to commit: click on an object first", "warning")
        elif annotation.unanswered():
            annotation.begin_object()  # what is clicked now must not be added to it
            self.reporter.tell("The object has no mask yet: it stays a draft", "warning")
        else:
            self.reporter.attempt(self._write_object)

    def _write_object(self) -> None:
        document = self._document_or_raise()
        label = document.annotation.commit(overlap=self.options.overlap)
        document.select_label(label)
        self.reporter.tell(f"Committed as label {label}")

    def _clear(self) -> None:
        if self.document is not None and not self.document.annotation.clear():
            self.loop.tell_ready()

    def _new_object(self) -> None:
        if self.mode == "class":
            self.add_class()
        else:
            self._document_or_raise().annotation.begin_object()

    def _propagate(self, document: ImageDocument, direction: Direction) -> None:
        if not self.can_propagate:
            raise ValueError(
                "Click on an object first. It can be propagated to other slices of a stack"
            )
        self.jobs.propagate(document, direction)

    def _set_labels(self, labels: Labels | None) -> None:
        if self._image is not None:
            self.switcher.open(self._image, labels, new=labels is None)

    def _set_mode(self, mode: Mode) -> None:
        before = self.options.mode
        if mode == before:
            return
        self.options.mode = mode
        if self._image is None:
            return
        try:
            self.switcher.open(self._image)
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
        document = self._document_or_raise()
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
        """Whether it was closed: another tool can take its place."""
        return self._closed

    @property
    def status(self) -> Status:
        """What the tool is doing."""
        return self.reporter.status

    @property
    def click_counts(self) -> tuple[int, int]:
        """Numbers of positive and negative clicks of the active object (class: of all)."""
        if self.document is None:
            return 0, 0
        state = self.document.annotation.state
        own = state.clicks if self.mode == "class" else state.of(state.active)
        positive = sum(click.positive for click in own)
        return positive, len(own) - positive

    @property
    def object_count(self) -> int:
        """Number of committed objects."""
        return 0 if self.document is None else len(self.document.annotation.state.committed)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self.document is not None and self.document.annotation.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to take again."""
        return self.document is not None and self.document.annotation.can_redo

    @property
    def can_commit(self) -> bool:
        """Whether there is something to commit."""
        if self.document is None:
            return False
        state = self.document.annotation.state
        return bool(state.clicks) if self.mode == "class" else state.active in state.objects()

    @property
    def can_propagate(self) -> bool:
        """Whether there is an object to carry over to neighbouring slices."""
        if self.document is None or self.document.frame.shape[0] < 2 or self.can_cancel:
            return False
        annotation = self.document.annotation
        if self.mode == "class":
            return bool(annotation.state.clicks)
        return bool(annotation.state.of(annotation.state.active)) and not annotation.unanswered()

    @property
    def can_cancel(self) -> bool:
        """Whether the running work can be stopped."""
        return self.jobs.running

    @property
    def restorable(self) -> Restorable | None:
        """Unsaved work of an earlier session, if there is any."""
        return None if self.document is None else self.document.journal.restorable

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, encoding ahead included."""
        return self.loop.idle and not self.queue

    def _document_or_raise(self) -> ImageDocument:
        if self.document is None:
            raise ValueError("Open an image first, or choose one above")
        return self.document


def _named(name: str, layers: list[Any], kind: str) -> Any:
    for layer in layers:
        if layer.name == name:
            return layer
    raise ValueError(f"There is no {kind} layer “{name}” any more; choose one in the list")
