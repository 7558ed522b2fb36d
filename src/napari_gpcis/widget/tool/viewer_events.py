"""Events of the viewer: clicks, drags, layers that come and go, another slice, another plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_gpcis.widget.tool.types import Drag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.utils.events import Event

    from napari_gpcis.engine.click import Prompt

LEFT, MIDDLE = 1, 3
STILL = 5
"""Pixels of the screen that the mouse may move between press and release of a click."""


class ViewerEvents(QObject):
    """Signals of one viewer, and of the image under work in it.

    A press and a release on one spot are a click. A drag stays napari's, which pans, unless one
    is drawn with; napari has no meaning for a drag with Shift, and zooms to one with Alt.

    Parameters
    ----------
    viewer : napari.Viewer
    parent : QObject, optional

    Attributes
    ----------
    takes_clicks : bool
        Whether presses in the canvas are reported at all.
    draws : {"click", "scribble", "box", "lasso"}
        What a drag draws; "click" for nothing.
    pans : bool
        Whether a drag pans all the same, for now.
    """

    pressed = Signal(object, bool)
    """Position in the world, and whether a click there would be positive."""
    clicked = Signal(object, bool)
    dragged = Signal(object)
    """A `Drag` under way, at each move."""
    drawn = Signal(object)
    """A `Drag` that has ended."""
    drag_dropped = Signal()
    double_clicked = Signal(object)
    layers_changed = Signal()
    """The list of layers, their order or an image's name."""
    layer_added = Signal(object)
    image_selected = Signal(object)
    """An image layer, in the list of layers."""
    image_removed = Signal(object)
    """The one that is followed; it is followed no more."""
    layer_removed = Signal(object)
    """Any other one."""
    image_data_changed = Signal()
    slice_changed = Signal()
    view_moved = Signal()
    """The camera, not the slice."""
    plane_changed = Signal()
    mouse_taken = Signal()
    """Another layer is selected, or another of its tools: the mouse may be somebody else's."""

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.takes_clicks = True
        self.draws: Prompt = "click"
        self.pans = False
        self._drag: Drag | None = None
        self._image: Image | None = None
        layers: Any = viewer.layers
        self._links = [
            (layers.events.inserted, self._inserted),
            (layers.events.removed, self._removed),
            (layers.events.reordered, self._listed),
            (layers.selection.events.active, self._selected),
            (viewer.dims.events.current_step, self._stepped),
            (viewer.scene.camera.events.center, self._moved),
            (viewer.events.help, self._help_changed),
            (viewer.dims.events.order, self._turned),
            (viewer.dims.events.ndisplay, self._turned),
        ]
        for emitter, handler in self._links:
            emitter.connect(handler)
        viewer.mouse_drag_callbacks.append(self.press)
        # a double-click means an object now, and zooms no more
        callbacks = viewer.mouse_double_click_callbacks
        self._zooms = [found for found in callbacks if found.__name__ == "double_click_to_zoom"]
        for zoom in self._zooms:
            callbacks.remove(zoom)
        callbacks.append(self.double_click)

    def disconnect_all(self) -> None:
        """Listen no more, and let a double-click zoom again."""
        for emitter, handler in self._links:
            emitter.disconnect(handler)
        self.unfollow()
        if self.press in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self.press)
        callbacks = self.viewer.mouse_double_click_callbacks
        if self.double_click in callbacks:
            callbacks.remove(self.double_click)
            callbacks.extend(self._zooms)

    def follow(self, image: Image) -> None:
        """Listen to the image under work."""
        self.unfollow()
        self._image = image
        image.events.data.connect(self._data_replaced)
        image.events.name.connect(self._listed)

    def unfollow(self) -> None:
        """Listen to no image."""
        if self._image is not None:
            self._image.events.data.disconnect(self._data_replaced)
            self._image.events.name.disconnect(self._listed)
            self._image = None

    def press(self, _: ViewerModel, event: Any) -> Iterator[None]:
        """Wait for the release, then click; the engine need not wait that long."""
        positive, prompt = _sign(event), self._drawn_by(event)
        if (positive is None and prompt == "click") or not self._is_ours():
            return
        world, start = tuple(event.position), tuple(event.pos)
        camera = self.viewer.scene.camera
        panned = camera.mouse_pan
        if prompt != "click":
            camera.mouse_pan = False
        if positive is not None and prompt in ("click", "scribble"):
            self.pressed.emit(world, positive)
        drag = Drag(prompt, (world,), positive is not False)
        moved = False
        try:
            yield
            while event.type == "mouse_move":
                far = max(abs(now - then) for now, then in zip(event.pos, start, strict=True))
                if far > STILL and prompt == "click":
                    return
                if far > STILL and not moved:
                    moved, self._drag = True, drag
                if moved and self._drag is not None:
                    drag = self._drag = drag.to(tuple(event.position))
                    self.dragged.emit(drag)
                yield
        finally:
            camera.mouse_pan = panned
        if not moved:
            if positive is not None:
                self.clicked.emit(world, positive)
        elif self._drag is not None:
            self._drag = None
            # where the button was let go: Qt may have left out the last moves
            self.drawn.emit(drag.to(tuple(event.position)))

    def drop_drag(self) -> bool:
        """Forget the drag under way; False if there is none."""
        if self._drag is None:
            return False
        self._drag = None
        self.drag_dropped.emit()
        return True

    def double_click(self, _: ViewerModel, event: Any) -> None:
        """Take up the object under the mouse."""
        if _sign(event) and self._is_ours():
            self.double_clicked.emit(tuple(event.position))

    def _drawn_by(self, event: Any) -> Prompt:
        """What a drag that begins with this press draws; "click" for nothing."""
        if self.pans or self.viewer.dims.ndisplay != 2:
            return "click"
        if event.button == LEFT and _modifiers(event) == {"Shift"}:
            return "box"
        return "click" if _sign(event) is None else self.draws

    def _is_ours(self) -> bool:
        """True if a click is meant for the tool: not while a layer's own tool has the mouse."""
        active = self.viewer.layers.selection.active
        mode = str(getattr(active, "mode", "pan_zoom"))
        return self.takes_clicks and (active is None or mode == "pan_zoom")

    def _inserted(self, event: Event) -> None:
        if isinstance(event.value, Image):
            event.value.events.name.connect(self._listed)
        self.layer_added.emit(event.value)
        self.layers_changed.emit()

    def _removed(self, event: Event) -> None:
        if event.value is self._image:
            self.unfollow()
            self.image_removed.emit(event.value)
        else:
            self.layer_removed.emit(event.value)
        self.layers_changed.emit()

    def _selected(self, event: Event) -> None:
        if isinstance(event.value, Image):
            self.image_selected.emit(event.value)

    def _listed(self, _: Event) -> None:
        self.layers_changed.emit()

    def _stepped(self, _: Event) -> None:
        self.slice_changed.emit()

    def _moved(self, _: Event) -> None:
        self.view_moved.emit()

    def _help_changed(self, _: Event) -> None:
        self.mouse_taken.emit()  # napari says so with other words in its status line

    def _turned(self, _: Event) -> None:
        self.plane_changed.emit()

    def _data_replaced(self, _: Event) -> None:
        self.image_data_changed.emit()


def _sign(event: Any) -> bool | None:
    """True for a positive click, False for a negative one, None for none."""
    modifiers = _modifiers(event)
    if event.button == MIDDLE and not modifiers:
        return False
    if event.button != LEFT or modifiers & {"Shift", "Alt"}:
        return None
    return not modifiers & {"Control", "Meta"}


def _modifiers(event: Any) -> set[str]:
    return {str(getattr(modifier, "name", modifier)) for modifier in event.modifiers}
