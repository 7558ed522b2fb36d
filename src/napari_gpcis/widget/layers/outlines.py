"""The labels layer `GPCIS proposals`: outlines, coloured by how certain each is."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap, ensure_colormap

from napari_gpcis.engine.geometry import Box
from napari_gpcis.widget.layers.arrays import labels_array
from napari_gpcis.widget.layers.partial_refresh import refresh_box
from napari_gpcis.widget.layers.transforms import follow_transform, layer_transform, place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_gpcis.engine.proposals.proposal import Proposal
    from napari_gpcis.engine.types import Array
    from napari_gpcis.widget.layers.frame import Frame

NAME = "GPCIS proposals"
COLORMAP, DARKEST = "viridis", 0.3
"""Its dark end cannot be seen on a dark image, and is left out."""
FAINT = 0.45
"""Opacity of what is below the threshold."""
LEVELS = 100
"""Values of the layer: certainty in hundredths."""
SEEN_FROM_AFAR = 800
"""Pixels of an image's side for which a line is one pixel wide."""


def level_of(certainty: float) -> int:
    """Value that a proposal is drawn with."""
    return min(LEVELS, max(1, round(LEVELS * certainty)))


def color_of(certainty: float) -> tuple[float, float, float]:
    """Colour of a certainty of 0 to 1."""
    red, green, blue, _ = ensure_colormap(COLORMAP).map(DARKEST + (1 - DARKEST) * certainty)[0]
    return float(red), float(green), float(blue)


class Outlines:
    """Outlines of proposals over an image, in all slices; the threshold is but a colour map.

    Parameters
    ----------
    viewer : napari.Viewer
    threshold : float
        Certainty from which an outline is solid.
    """

    def __init__(self, viewer: ViewerModel, threshold: float) -> None:
        self._viewer = viewer
        self._threshold = threshold
        self._layer: Labels | None = None
        self._frame: Frame | None = None
        self._drawn: dict[Proposal, int] = {}
        self._unfollow: Callable[[], None] = lambda: None

    @property
    def layer(self) -> Labels | None:
        """The layer, once there was something to draw."""
        return self._layer

    def bind(self, image: Layer, frame: Frame) -> None:
        """Lie over another image; nothing is drawn at first."""
        if self._layer is not None and frame.ndim != self._layer.ndim:
            self.remove()
        self._unfollow()
        self._frame, self._drawn = frame, {}
        if self._layer is not None:
            self._layer.data = labels_array(frame.data_shape, np.uint8)
            place(self._layer, layer_transform(image, frame))
            self._unfollow = follow_transform(self._layer, image, frame)

    def show(self, image: Layer, wanted: Mapping[Proposal, int], below: Layer) -> None:
        """Draw proposals, each with its level, and no others.

        Parameters
        ----------
        image : napari layer
            The one that was bound.
        wanted : mapping of Proposal to int
            From `level_of`.
        below : napari layer
            Above the new layer, if it is not there yet.
        """
        if self._frame is None or (wanted == self._drawn and self._is_listed):
            return
        if wanted and not self._is_listed:
            self._add(image, self._frame, below)
        if self._layer is None:
            return
        gone = [item for item in self._drawn if wanted.get(item) != self._drawn[item]]
        new = [item for item in wanted if self._drawn.get(item) != wanted[item]]
        for proposal in gone:
            self._write(proposal, proposal.mask, 0)
        for proposal in new:
            self._write(proposal, outline(proposal.mask, self._width), wanted[proposal])
        self._drawn = dict(wanted)
        boxes: dict[int, list[Box]] = {}
        for proposal in (*gone, *new):
            boxes.setdefault(proposal.z, []).append(proposal.box)
        for z, changed in boxes.items():
            refresh_box(self._layer, self._frame.index(z, reduce(Box.unite, changed)))

    def set_threshold(self, threshold: float) -> None:
        """Draw what is below a certainty faintly."""
        self._threshold = threshold
        if self._layer is not None:
            self._layer.colormap = self._colors()

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        self._unfollow()
        self._unfollow = lambda: None
        layer, self._layer, self._drawn = self._layer, None, {}
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    @property
    def _is_listed(self) -> bool:
        return self._layer is not None and self._layer in self._viewer.layers

    @property
    def _width(self) -> int:
        """Width of the lines, in pixels of the image."""
        side = 0 if self._frame is None else max(self._frame.shape[1:])
        return max(1, round(side / SEEN_FROM_AFAR))

    def _write(self, proposal: Proposal, where: Array, value: int) -> None:
        if self._layer is not None and self._frame is not None:
            # proposals of a slice share no pixel, so what is written is nobody else's
            part = self._layer.data[self._frame.index(proposal.z, proposal.box)]
            part[where] = value

    def _add(self, image: Layer, frame: Frame, below: Layer) -> None:
        if self._layer is None:
            self._layer = Labels(
                labels_array(frame.data_shape, np.uint8),
                name=NAME,
                opacity=1.0,
                colormap=self._colors(),
                features=_certainties(),
                **layer_transform(image, frame),
            )
            self._layer.editable = False
            self._unfollow = follow_transform(self._layer, image, frame)
        selected = set(self._viewer.layers.selection)
        layers: Any = self._viewer.layers
        layers.insert(layers.index(below) if below in layers else len(layers), self._layer)
        layers.selection = selected

    def _colors(self) -> DirectLabelColormap:
        colors: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
        for level in range(1, LEVELS + 1):
            solid = level >= LEVELS * self._threshold
            colors[level] = (*color_of(level / LEVELS), 1.0 if solid else FAINT)
        return DirectLabelColormap(color_dict=colors)


def outline(mask: Array, width: int) -> Array:
    """Pixels of a mask that are less than some pixels from its edge, bool."""
    thickness = min(width, max(1, min(mask.shape) // 6))
    framed = np.pad(mask.view(np.uint8), 1)
    inner = cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=thickness)[1:-1, 1:-1]
    line: Array = mask & (inner == 0)
    return line


def _certainties() -> dict[str, list[float]]:
    """What napari's status line says of a pixel while the layer is selected."""
    levels = range(LEVELS + 1)
    return {"index": list(levels), "certainty": [level / LEVELS for level in levels]}
