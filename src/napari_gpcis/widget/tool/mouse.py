"""Mouse: a press and a release on one spot are a click; a drag stays napari's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel

LEFT, MIDDLE = 1, 3
STILL = 5
"""Pixels of the screen that the mouse may move between press and release of a click."""


class Mouse:
    """Clicks in the canvas, for the tool.

    Parameters
    ----------
    viewer : napari.Viewer
    tool : Tool
        Asked whether it takes clicks, and given them.
    """

    def __init__(self, viewer: ViewerModel, tool: Any) -> None:
        self.viewer = viewer
        self.tool = tool
        self._zooms: list[Any] = []

    def connect(self) -> None:
        """Listen. A double-click means an object now, and zooms no more."""
        self.viewer.mouse_drag_callbacks.append(self.press)
        callbacks = self.viewer.mouse_double_click_callbacks
        self._zooms = [found for found in callbacks if found.__name__ == "double_click_to_zoom"]
        for zoom in self._zooms:
            callbacks.remove(zoom)
        callbacks.append(self.double_click)

    def disconnect(self) -> None:
        """Listen no more."""
        if self.press in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self.press)
        callbacks = self.viewer.mouse_double_click_callbacks
        if self.double_click in callbacks:
            callbacks.remove(self.double_click)
            callbacks.extend(self._zooms)

    def press(self, _: ViewerModel, event: Any) -> Iterator[None]:
        """Wait for the release, then click; the engine need not wait that long."""
        positive = self._sign(event)
        if positive is None or not self._is_ours():
            return
        world, start = tuple(event.position), tuple(event.pos)
        self.tool.predict_ahead(world, positive)
        yield
        while event.type == "mouse_move":
            if max(abs(now - then) for now, then in zip(event.pos, start, strict=True)) > STILL:
                return
            yield
        self.tool.click(world, positive)

    def double_click(self, _: ViewerModel, event: Any) -> None:
        """Take up the object under the mouse."""
        if self._sign(event) and self._is_ours():
            self.tool.double_click(tuple(event.position))

    def _is_ours(self) -> bool:
        """Whether a click means a click: not while a layer's own tool has the mouse."""
        active = self.viewer.layers.selection.active
        mode = str(getattr(active, "mode", "pan_zoom"))
        return self.tool.active and (active is None or mode == "pan_zoom")

    @staticmethod
    def _sign(event: Any) -> bool | None:
        """True for a positive click, False for a negative one, None for none."""
        modifiers = {str(getattr(modifier, "name", modifier)) for modifier in event.modifiers}
        if event.button == MIDDLE and not modifiers:
            return False
        if event.button != LEFT or modifiers & {"Shift", "Alt"}:
            return None
        return not modifiers & {"Control", "Meta"}
