"""What happens to layers and to the view while the tool runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from napari.layers import Image

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels
    from napari.utils.events import Event

    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.types import Level


class _Watcher(Protocol):
    """What the watch asks of the tool."""

    changed: Any
    _desk: ImageDocument | None
    _image: Image | None
    _labels: dict[str, Labels | None]

    def _image_layers(self) -> list[Image]: ...
    def _desk_layers(self) -> list[Any]: ...
    def _tell(self, text: str, level: Level | str) -> None: ...
    def _try(self, action: Any) -> None: ...
    def set_image(self, name: str) -> None: ...
    def open_image(self) -> None: ...
    def reopen_engine(self) -> None: ...
    def leave_image(self) -> None: ...
    def slice_changed(self) -> None: ...
    def view_moved(self) -> None: ...


class ViewerEvents:
    """Listens to the viewer for the tool.

    Parameters
    ----------
    viewer : napari.Viewer
    tool : AnswerLoop
        What is to know of it.
    """

    def __init__(self, viewer: ViewerModel, tool: _Watcher) -> None:
        self.viewer = viewer
        self.tool = tool
        self._image: Image | None = None
        layers: Any = viewer.layers
        self._links = [
            (layers.events.inserted, self._inserted),
            (layers.events.removed, self._removed),
            (layers.events.reordered, self._listed),
            (viewer.dims.events.current_step, self._slice_changed),
            (viewer.scene.camera.events.center, self._view_moved),
            (viewer.dims.events.order, self._axes_changed),
            (viewer.dims.events.ndisplay, self._axes_changed),
        ]
        for emitter, handler in self._links:
            emitter.connect(handler)

    def disconnect(self) -> None:
        """Listen no more."""
        for emitter, handler in self._links:
            emitter.disconnect(handler)
        self._unfollow()

    def follow(self, image: Image) -> None:
        """Listen to the image under work."""
        self._unfollow()
        self._image = image
        image.events.data.connect(self._data_changed)
        image.events.name.connect(self._listed)

    def choose_image(self) -> None:
        """Take the selected image layer, or the topmost one, if none is chosen yet."""
        if self.tool._image is not None:
            return
        candidates = self.tool._image_layers()
        active = self.viewer.layers.selection.active
        chosen = active if active in candidates else next(iter(reversed(candidates)), None)
        if chosen is not None:
            self.tool._try(lambda: self.tool.set_image(chosen.name))

    def follow_axes(self) -> None:
        """Work in the plane that is shown, unless that would cost clicks."""
        desk = self.tool._desk
        if desk is None or self.viewer.dims.ndisplay != 2:
            return
        if desk.frame.is_shown(desk.image, self.viewer):
            return
        if desk.annotation.state.objects():
            self.tool._tell(
                "Another plane is shown than the one that you clicked in: commit or clear the "
                "object to go on here",
                "warning",
            )
        else:
            self.tool._try(self.tool.open_image)

    def _unfollow(self) -> None:
        if self._image is not None:
            self._image.events.data.disconnect(self._data_changed)
            self._image.events.name.disconnect(self._listed)
            self._image = None

    def _inserted(self, event: Event) -> None:
        layer = event.value
        if isinstance(layer, Image) and layer not in self.tool._desk_layers():
            layer.events.name.connect(self._listed)
            self.choose_image()
        self.tool.changed.emit()

    def _removed(self, event: Event) -> None:
        tool, layer = self.tool, event.value
        if layer is tool._image:
            self._unfollow()
            tool._image = None
            tool.leave_image()
            tool._tell("The image was removed; its labels stay. Choose another image", "warning")
            self.choose_image()
        elif tool._desk is not None and layer in tool._desk.layers and not tool._desk.leaving:
            tool._tell(
                f"{layer.name!r} was removed; nothing is lost, it comes back with the next click",
                "warning",
            )
        tool.changed.emit()

    def _listed(self, _: Event) -> None:
        self.tool.changed.emit()

    def _slice_changed(self, _: Event) -> None:
        self.tool.slice_changed()

    def _view_moved(self, _: Event) -> None:
        self.tool.view_moved()

    def _axes_changed(self, _: Event) -> None:
        self.follow_axes()
        self.tool.slice_changed()

    def _data_changed(self, _: Event) -> None:
        """Another array in the same layer: the clicks stay where it has the same shape."""
        tool, desk = self.tool, self.tool._desk
        if desk is None:
            return
        data = desk.image.data[0] if desk.image.multiscale else desk.image.data
        if desk.frame.fits(data.shape, rgb=bool(desk.image.rgb)):
            tool.reopen_engine()
        else:
            tool._tell("The image has another shape now: began anew on it", "warning")
            tool._labels = {"object": None, "class": None}
            tool.open_image()
