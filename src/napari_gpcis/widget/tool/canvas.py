"""The canvas paints a click and its mask at once, if the mask is there in no time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel

HELD_MS = 100
"""How long a click is shown late at most."""


class CanvasFreeze(QObject):
    """Keeps the canvas from painting for a moment.

    Under software OpenGL a frame takes as long as an answer, and the interpreter lock is held
    meanwhile: to draw and paint the clicked point first would double the time to the mask.

    Parameters
    ----------
    viewer : napari.Viewer
        One without a window has nothing to hold.
    parent : QObject
        With which this ends.
    on_timeout : callable
        Called when the moment has passed without a release, before the canvas paints again.
    """

    def __init__(
        self, viewer: ViewerModel, parent: QObject, on_timeout: Callable[[], None]
    ) -> None:
        super().__init__(parent)
        self._on_timeout = on_timeout
        # napari hands plugins a viewer that warns of private names
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(HELD_MS)
        self._timer.timeout.connect(self._end)

    def hold(self) -> None:
        """Paint nothing until `release`, or for a moment, however often it is called meanwhile."""
        if not self._timer.isActive():
            self._enable(False)
            self._timer.start()

    def release(self) -> None:
        """Paint what has changed meanwhile."""
        if self._timer.isActive():
            self._timer.stop()
            self._enable(True)

    @property
    def held(self) -> bool:
        """True while nothing is painted."""
        return self._timer.isActive()

    def _end(self) -> None:
        self._on_timeout()
        self._enable(True)

    def _enable(self, on: bool) -> None:
        # napari has no public names for these; without them, frames are painted as they come
        window = getattr(self._viewer, "window", None)
        viewer: Any = getattr(window, "_qt_viewer", None)
        canvas = getattr(getattr(viewer, "canvas", None), "native", None)
        # each change of a layer repaints the list of layers, and with it the window
        for widget in (canvas, getattr(viewer, "layers", None)):
            if isinstance(widget, QWidget):
                widget.setUpdatesEnabled(on)
