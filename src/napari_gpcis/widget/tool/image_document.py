"""One image under work: its annotation, its layers, and the journal, kept in step.

Everything here happens at once, on the thread of the window; what needs the network is asked of
the engine elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.annotation import Annotation, Change
from napari_gpcis.engine.document.commit import next_label
from napari_gpcis.engine.document.label_store import LabelStore, Patch
from napari_gpcis.engine.prompts import box_clicks, lasso_clicks, scribble_clicks
from napari_gpcis.io.annotations.gpcis_file import (
    NamedClass,
    SavedAnnotation,
    to_metadata,
    with_metadata,
)
from napari_gpcis.widget.layers import paint
from napari_gpcis.widget.layers.arrays import holds_labels_of, labels_array, stack_of
from napari_gpcis.widget.layers.partial_refresh import refresh_box
from napari_gpcis.widget.layers.transforms import (
    data_position,
    follow_transform,
    layer_transform,
    placement_of,
)
from napari_gpcis.widget.tool.class_list import ClassList
from napari_gpcis.widget.tool.types import counted
from napari_gpcis.widget.tool.whole_strokes import with_whole_strokes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_gpcis.engine.click import Prompt
    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.engine.types import Array
    from napari_gpcis.widget.layers.clicks import ClicksLayer
    from napari_gpcis.widget.layers.frame import Frame
    from napari_gpcis.widget.layers.preview import Preview
    from napari_gpcis.widget.tool.document_journal import DocumentJournal
    from napari_gpcis.widget.tool.types import Drag, Level, Mode

WAITING = 2**31 - 1
"""Object number of clicks that are shown, but are not the annotation's yet."""
CLASSES_OPACITY, OBJECTS_OPACITY = 0.3, 0.7
LABEL_NAMES = {"object": "GPCIS labels", "class": "GPCIS classes"}


class ImageDocument:
    """Annotation and layers of an image.

    Parameters
    ----------
    viewer : napari.Viewer
    image : napari layer
        What is segmented.
    frame : Frame
        Its slices.
    mode : {"object", "class"}
    labels : napari Labels layer, optional
        Where committed objects are written; a new one is made when not given.
    journal : DocumentJournal
        Where each change of the annotation is written before the layers show it.
    preview, clicks : Preview, ClicksLayer
        Shared by all documents; they show the one that is open.
    tell : callable
        Called with (text, level) for the status line.

    Raises
    ------
    ValueError
        If the labels layer does not fit the image.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        image: Layer,
        frame: Frame,
        mode: Mode,
        labels: Labels | None,
        journal: DocumentJournal,
        preview: Preview,
        clicks: ClicksLayer,
        tell: Callable[[str, Level], None],
    ) -> None:
        self.viewer = viewer
        self.image = image
        self.frame = frame
        self.mode = mode
        self.journal = journal
        self.preview = preview
        self.clicks = clicks
        self._tell = tell
        self.observer: Callable[[Change], None] | None = None
        self.answered_under: tuple[object, ...] = ()
        self.is_open = False
        self._hidden = False
        self._class_colors: dict[int, str] = {}
        self.shows_later = False
        self.waiting: tuple[Click, ...] = ()
        self._shown: tuple[Click, ...] = ()
        transform = layer_transform(image, frame)
        self.made_labels = labels is None
        self.labels = self._new_labels(transform) if labels is None else labels
        self.annotation = self.fresh_annotation(highest=0 if labels is None else None)
        self._attach()
        if labels is None:
            self._note_committed()
        self._unfollow_labels = follow_transform(self.labels, image, frame)
        self._unfollow: list[Callable[[], None]] = []
        self._labels_data = self.labels.data
        self.labels.events.paint.connect(self._painted)
        self.labels.events.data.connect(self._labels_replaced)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The tool's own layers, from the bottom up."""
        return self.labels, self.preview.layer, self.clicks.layer

    def ensure_layers(self) -> None:
        """Put back what was deleted from the viewer."""
        selected = set(self.viewer.layers.selection)
        missing = [layer for layer in self.layers if layer not in self.viewer.layers]
        for layer in missing:
            layers: Any = self.viewer.layers
            below = self.preview.layer
            at = layers.index(below) if layer is self.labels and below in layers else len(layers)
            layers.insert(at, layer)
        if missing and self.clicks.layer not in missing:
            self.viewer.layers.selection = selected

    def select(self) -> None:
        """Make the clicks layer the active one, so that keys reach the tool."""
        if self.clicks.layer in self.viewer.layers:
            self.viewer.layers.selection = {self.clicks.layer}

    def enter(self, preview: Preview, clicks: ClicksLayer) -> None:
        """Show the document in the layers that all documents share."""
        self.preview, self.clicks = preview, clicks
        transform = layer_transform(self.image, self.frame)
        preview.bind(self.frame, transform)
        if self.mode == "object":
            preview.set_object_colors()
        clicks.bind(self.frame, transform, self._points_changed, self._points_outside)
        shared = (preview.layer, clicks.layer)
        self._unfollow = [follow_transform(layer, self.image, self.frame) for layer in shared]
        self.is_open = True
        if self._hidden:
            self.labels.visible = True
            self._hidden = False
        self.ensure_layers()
        self._lie_on_top()
        self.show()

    def leave(self, *, for_good: bool = False) -> None:
        """Leave the shared layers to another document; everything else is kept.

        The labels are hidden meanwhile: they lie over another image, or under other labels.
        """
        self.is_open = False
        self.waiting = ()
        if self.labels.visible and not for_good:
            self.labels.visible = False
            self._hidden = True
        for unfollow in self._unfollow:
            unfollow()
        self._unfollow = []

    def close(self) -> None:
        """End for good; the labels layer and the journal's file stay."""
        self.leave(for_good=True)
        if self._hidden:
            self.labels.visible = True
        self.annotation.observers.clear()
        self.labels.events.paint.disconnect(self._painted)
        self.labels.events.data.disconnect(self._labels_replaced)
        self._unfollow_labels()
        self.journal.close()

    @property
    def is_untouched(self) -> bool:
        """True if nothing has been done in it, and its labels are empty."""
        done = self.annotation.can_undo or self.annotation.can_redo
        return (
            not done and not self.annotation.state.committed and self.annotation.labels.highest == 0
        )

    def select_label(self, label: int) -> None:
        """Let napari's brush paint into an object."""
        self.labels.selected_label = label

    @property
    def is_shown(self) -> bool:
        """True if the viewer shows the plane that is worked in."""
        return self.viewer.dims.ndisplay == 2 and self.frame.is_shown(self.image, self.viewer)

    @property
    def shown_slice(self) -> int:
        """Slice that the viewer shows, or the nearest one."""
        dims = self.viewer.dims
        return self.frame.slice_of(data_position(self.image, dims.point, dims.units))

    @property
    def view_centre(self) -> tuple[int, int]:
        """Row and column in the middle of the view."""
        viewer = self.viewer
        world = list(viewer.dims.point)
        row_axis, col_axis = viewer.dims.displayed[-2:]
        world[row_axis], world[col_axis] = viewer.scene.camera.center[-2:]
        position = data_position(self.image, world, viewer.dims.units)
        row, col = (round(position[axis]) for axis in self.frame.plane)
        return row, col

    def place_at(self, world: tuple[float, ...]) -> tuple[int, int, int] | None:
        """Slice, row and column of a position in the viewer's world; None outside the image."""
        return self.frame.to_click(data_position(self.image, world, self.viewer.dims.units))

    def go_to_slice(self, z: int) -> None:
        """Show a slice."""
        if self.shown_slice == z:
            return
        world = self.image.data_to_world(self.frame.to_data(z, 0, 0))
        dims = self.viewer.dims
        offset = dims.ndim - len(world)
        displayed = dims.displayed
        for axis, value in enumerate(world):
            if axis + offset not in displayed:
                dims.set_point(axis + offset, float(value))

    def go_to_pixel(self, z: int, row: int, col: int) -> None:
        """Show a slice, and a pixel of it: in the middle, unless it can be seen anyway."""
        self.go_to_slice(z)
        low, high = (self.preview.layer.corner_pixels[:, axis] for axis in self.frame.plane)
        if low[0] < row < low[1] and high[0] < col < high[1]:
            return
        world = self.image.data_to_world(self.frame.to_data(z, row, col))
        self.viewer.scene.camera.center = tuple(world)[-3:]

    def click_at(self, z: int, row: int, col: int, positive: bool) -> Click:
        """Click of the object (class) that is worked on."""
        owner = self.annotation.state.active
        return Click.at(row, col, z=z, positive=positive, object_id=owner, shape=self.frame.shape)

    def stroke_of(self, drag: Drag, object_id: int | None = None) -> tuple[Click, ...]:
        """Pixels that a drag labels, for the object (class) that is worked on or another.

        Raises
        ------
        ValueError
            If nothing of it lies in the image, or it is a box in class mode.
        """
        units = self.viewer.dims.units
        positions = [data_position(self.image, world, units) for world in drag.path]
        z = self.frame.slice_of(positions[0])
        row, col = self.frame.plane
        path = [(position[row], position[col]) for position in positions]
        return self.labelled(drag.prompt, path, z, positive=drag.positive, object_id=object_id)

    def labelled(
        self,
        prompt: Prompt,
        path: Sequence[tuple[float, float]],
        z: int,
        *,
        positive: bool = True,
        object_id: int | None = None,
    ) -> tuple[Click, ...]:
        """Pixels that a scribble, box or lasso labels, of the object (class) that is worked on.

        Parameters
        ----------
        prompt : {"scribble", "box", "lasso"}
            What it is.
        path : sequence of (row, column)
            Corners in pixels; of a box, two or more, around which it lies.
        z, positive, object_id
            Slice, sign and object.

        Raises
        ------
        ValueError
            If nothing of it lies in the image, or it is a box in class mode.
        """
        owner = self.annotation.state.active if object_id is None else object_id
        known: dict[str, Any] = {
            "shape": self.frame.shape,
            "stroke": self.annotation.next_stroke,
            "z": z,
            "object_id": owner,
        }
        if prompt == "box":
            if self.mode == "class":
                raise ValueError(
                    "A box is around one object; for a class, draw a scribble or a lasso"
                )
            (r0, c0), (r1, c1) = np.min(path, axis=0), np.max(path, axis=0)
            return box_clicks(r0, c0, r1, c1, **known)
        make = scribble_clicks if prompt == "scribble" else lasso_clicks
        return make(path, positive=positive, **known)

    def fresh_annotation(self, highest: int | None = None) -> Annotation:
        """Annotation without clicks, on the labels as they are.

        Raises
        ------
        ValueError
            If the labels do not fit the image.
        """
        return Annotation(
            self._store(self.labels, highest),
            class_mode=self.mode == "class",
            committed=with_metadata(
                self.labels.data, self.labels.metadata.get("gpcis"), {}
            ).committed,
        )

    def add_work_of(self, other: Annotation) -> None:
        """Add objects and drafts of another annotation of the image to what there is.

        No pixel that has a label is given another one.
        """
        labels, state = self.annotation.labels, other.state
        for done in state.committed:
            label = next_label(self.annotation.state, labels)
            plans = [
                labels.plan(z, box, other.labels.of_box(z, box) == done.label, label, "protect")
                for z, box in done.places
            ]
            if any(plans):
                self.annotation.edit([plan for plan in plans if plan is not None])
        present = self.annotation.state
        first = 0 if self.mode == "class" else max(present.active, *present.objects(), 0)
        new = [replace(click, object_id=first + click.object_id) for click in state.clicks]
        if new:
            clicks, last = [*present.clicks, *new], new[-1]
            self.annotation.set_clicks(clicks, active=last.object_id, z=last.z)

    def take_over(self, annotation: Annotation) -> None:
        """Go on with a restored annotation, which writes into the same labels."""
        self.annotation.observers.clear()
        self.annotation = annotation
        self._attach()
        self._note_committed()
        self.preview.clear()
        self.show()
        self.labels.refresh()

    def fits(self, labels: Labels) -> bool:
        """True if a labels layer can be written to, pixel for pixel of the image."""
        return holds_labels_of(labels, self.frame)

    def check_labels(self, labels: Labels) -> None:
        """Refuse a labels layer that does not fit.

        Raises
        ------
        ValueError
            Saying what was expected.
        """
        if not self.fits(labels):
            shape = getattr(labels.data, "shape", ())
            reason = (
                f"its size is {_sides(shape)}, that of the image {_sides(self.frame.data_shape)}"
                if tuple(shape) != self.frame.data_shape
                else "it cannot be written to"
            )
            raise ValueError(
                f"“{labels.name}” cannot hold the labels of this image: {reason}. "
                "Choose another labels layer, or a new one"
            )

    def show(self) -> None:
        """Bring points and preview in line with the annotation."""
        state = self.annotation.state
        self.show_clicks()
        if self.mode == "object":
            self.preview.show(state)
        elif not state.clicks:
            self.preview.clear()

    def show_clicks(self) -> None:
        """Bring the points in line with the annotation, and with the clicks that wait."""
        state = self.annotation.state
        self._shown = state.clicks
        self.clicks.show((*state.clicks, *self.waiting), state.active)

    def label_at(self, z: int, row: int, col: int) -> int:
        """Committed label of a pixel; 0 for none."""
        return int(self.labels.data[self.frame.pixel(z, row, col)])

    def committed_in(self, z: int, box: Box) -> Array:
        """Which pixels of a box belong to committed objects, bool."""
        taken: Array = self.annotation.labels.of_box(z, box) > 0
        return taken

    def draft_at(self, z: int, row: int, col: int) -> int:
        """Object under work, other than the active one, whose mask holds a pixel; 0 for none."""
        state = self.annotation.state
        for owner in state.objects():
            found = state.mask_of(owner, z) if owner != state.active else None
            if found is None or not found[0].holds(row, col):
                continue
            box, mask = found
            if mask[row - box.r0, col - box.c0]:
                return owner
        return 0

    def object_areas(self) -> list[int]:
        """Pixels of the object that is worked on, or else of each that is committed."""
        if self.mode != "object":
            return []
        state = self.annotation.state
        masks = [state.mask_of(state.active, z) for z in state.slices_of(state.active)]
        areas = [int(mask[1].sum()) for mask in masks if mask is not None]
        if any(areas):
            return [max(areas)]
        for done in state.committed:
            own = [self.annotation.labels.of_box(z, box) == done.label for z, box in done.places]
            areas += [max(int(mask.sum()) for mask in own)] if own else []
        return [area for area in areas if area]

    def swap_signs(self) -> None:
        """Turn the sign of the selected clicks, or of the last one of the object.

        Of a stroke, all pixels are turned; a box has no sign.
        """
        clicks = list(self.annotation.state.clicks)
        selected = sorted(int(index) for index in self.clicks.layer.selected_data)
        chosen = [clicks[index] for index in selected if index < len(clicks)]
        if not chosen:
            active = self.annotation.state.active
            chosen = [click for click in clicks if click.object_id == active][-1:]
        turned = {*chosen}
        turned |= {one for one in clicks if any(one.in_one_stroke(other) for other in chosen)}
        turned = {click for click in turned if click.prompt != "box"}
        if turned:
            about = chosen[-1]
            after = [
                replace(click, positive=not click.positive) if click in turned else click
                for click in clicks
            ]
            self.annotation.set_clicks(after, active=about.object_id, z=about.z)

    def set_class_colors(self, colors: dict[int, str]) -> None:
        """Colours of the classes, in the preview and in the labels."""
        self.preview.set_class_colors(colors)
        self.clicks.set_colors(colors)
        if colors == self._class_colors:
            return
        self._class_colors = dict(colors)
        rest: dict[int | None, str] = {None: "gray", 0: "transparent"}
        self.labels.colormap = DirectLabelColormap(color_dict=rest | colors)

    def saved_annotation(self, classes: ClassList, diameter: float | None) -> SavedAnnotation:
        """All of it, for a file."""
        state = self.annotation.state
        return SavedAnnotation(
            labels=self.labels.data,
            clicks=state.clicks,
            committed=(*state.committed, *state.taken_up.values()),
            mode=self.mode,
            classes=tuple(
                NamedClass(number=item.number, name=item.name, color=item.color)
                for item in (classes.all if self.mode == "class" else ())
            ),
            object_diameter=diameter,
            image=self.image.name,
            plane_axes=self.frame.plane,
            placement=placement_of(self.labels.as_layer_data_tuple()[1]),
        )

    def _store(self, labels: Labels, highest: int | None = None) -> LabelStore:
        self.check_labels(labels)
        stack = stack_of(labels.data, self.frame)
        return LabelStore(self.frame.shape, stack, in_place=True, highest=highest)

    def _new_labels(self, transform: dict[str, Any]) -> Labels:
        data = labels_array(self.frame.data_shape, np.uint16)
        # classes cover all of the image, which has to be seen through them
        opacity = CLASSES_OPACITY if self.mode == "class" else OBJECTS_OPACITY
        return Labels(data, name=LABEL_NAMES[self.mode], opacity=opacity, **transform)

    def _attach(self) -> None:
        # the observer before the layers: the engine works while these are drawn
        self.annotation.observers[:] = [self.journal.record, self._pass_on, self._draw]

    def _pass_on(self, change: Change) -> None:
        if self.observer is not None:
            self.observer(change)

    def _lie_on_top(self) -> None:
        """Bring the layers above the image, where they are not."""
        layers: Any = self.viewer.layers
        places = [layers.index(layer) for layer in (self.image, *self.layers)]
        if places != sorted(places):
            for layer in self.layers:
                layers.move(layers.index(layer), len(layers))

    def _draw(self, change: Change) -> None:
        if self.is_open:
            self.ensure_layers()
        for patch in change.step.patches:
            refresh_box(self.labels, self.frame.index(patch.z, patch.box))
        if change.step.before.committed is not change.step.after.committed:
            self._note_committed()
        if self.is_open and not self.shows_later:
            self.show()

    def _note_committed(self) -> None:
        """Clicks of committed objects go with the labels layer, and into a saved annotation."""
        nothing = ClassList()
        self.labels.metadata["gpcis"] = to_metadata(self.saved_annotation(nothing, None))

    def _points_changed(self, clicks: list[Click]) -> None:
        state = self.annotation.state
        clicks = [click for click in clicks if click.object_id != WAITING]
        clicks = with_whole_strokes(self._shown, clicks)
        # a click of a moment ago may not be among the points yet
        shown, before = {*self._shown}, {*state.clicks}
        clicks = [*clicks, *(click for click in state.clicks if click not in shown)]
        after = {*clicks}
        new = [click for click in clicks if click not in before]
        gone = [click for click in state.clicks if click not in after]
        if not (new or gone):
            if not self.annotation.set_clicks(clicks):
                self.show()  # of two points on a pixel, one
        else:
            about = (new or gone)[-1]
            owner = about.object_id if about in new or self.mode == "object" else state.active
            self.annotation.set_clicks(clicks, active=owner, z=about.z)

    def _points_outside(self, count: int) -> None:
        self._tell(f"Left out: {counted(count, 'click')} outside the image", "warning")

    def _labels_replaced(self, _: Any) -> None:
        """Another array in the labels layer: taken as a step where it fits, else put beside it."""
        data = self.labels.data
        if data is self._labels_data:
            return
        try:
            store = self._store(self.labels)
        except ValueError as error:
            name = self.labels.name
            self.labels.data = self._labels_data
            self.viewer.add_layer(Labels(data, name=f"{name} (not used)"))
            self._tell(str(error), "warning")
            return
        self._labels_data = data
        old, self.annotation.labels = self.annotation.labels, store
        store.highest = max(store.highest, old.highest)
        changed = paint.differences(old, store)
        if changed:
            self.annotation.edit(changed, written=True)

    def _painted(self, event: Any) -> None:
        """Make a step of what the user paints by hand, so that it can be undone."""
        patches: list[Patch] = paint.patches(event.value, self.frame, self.labels.data)
        if patches:
            self.annotation.edit(patches, written=True)


def _sides(shape: Sequence[int]) -> str:
    """A shape in words: "512 × 512"."""
    return " × ".join(str(side) for side in shape)
