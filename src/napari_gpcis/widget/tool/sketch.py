"""The line that the mouse draws, before it is anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.widget.layers.clicks import COLORS

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_gpcis.engine.types import Array
    from napari_gpcis.widget.tool.types import Drag

BOX_COLOR = "#ffffff"
WIDTH = 2.5
ON_TOP = 1_000_000


class Sketch:
    """A line straight on the canvas: a layer would take longer to appear than a stroke to draw.

    Parameters
    ----------
    viewer : napari.Viewer
        One without a window has nothing to draw on.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        # napari hands plugins a viewer that warns of private names
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self._line: Any = None

    def show(self, drag: Drag) -> None:
        """Draw the path of a scribble, the outline of a lasso, the sides of a box."""
        line = self._made()
        if line is None:
            return
        displayed = self._viewer.dims.displayed[-2:]
        path = np.array([[world[axis] for axis in displayed[::-1]] for world in drag.path])
        color = BOX_COLOR if drag.prompt == "box" else COLORS[drag.positive]
        line.set_data(pos=_outline(drag.prompt, path), color=color, width=WIDTH)
        line.visible = True

    def hide(self) -> None:
        """Draw nothing."""
        if self._line is not None:
            self._line.visible = False

    def _made(self) -> Any:
        """The line, made when it is first needed; None where there is no canvas."""
        if self._line is None:
            # napari has no public names for these; without them, nothing is drawn
            qt_viewer = getattr(getattr(self._viewer, "window", None), "_qt_viewer", None)
            view = getattr(getattr(qt_viewer, "canvas", None), "view", None)
            scene = getattr(view, "scene", None)
            if scene is None:
                return None
            from vispy.scene.visuals import Line

            self._line = Line(parent=scene, antialias=True, width=WIDTH)
            self._line.order = ON_TOP
            self._line.set_gl_state("translucent", depth_test=False)
        return self._line


def _outline(prompt: str, path: Array) -> Array:
    """Corners of what is drawn, (n, 2) in x and y."""
    if prompt == "box":
        (x0, y0), (x1, y1) = path[0], path[-1]
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
    if prompt == "lasso":
        return np.concatenate([path, path[:1]])
    return path
