"""Maps over the image: probability, uncertainty, the GP's two parts, and the next click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Points

from napari_gpcis.widget.placement import layer_transform, place, with_offset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.engine.types import Array
    from napari_gpcis.widget.engine import Extras
    from napari_gpcis.widget.frame import Frame

MAPS = ("probability", "uncertainty", "prior", "update")
NEXT = "next click"
NAMES = (*MAPS, NEXT)
NEXT_NAME = "GPCIS next click"
# (colormap, contrast limits); prior and update are logits, of which white says nothing.
_LOOKS: dict[str, tuple[str, tuple[float, float]]] = {
    "probability": ("viridis", (0.0, 1.0)),
    "uncertainty": ("inferno", (0.0, 1.0)),
    "prior": ("PiYG", (-6.0, 6.0)),
    "update": ("PiYG", (-6.0, 6.0)),
}


class Overlays:
    """Layers that come and go with the answers.

    Parameters
    ----------
    viewer : napari.Viewer
    image : napari layer
        Over which they lie.
    frame : Frame
    opacity : float
        0 to 1.
    """

    def __init__(self, viewer: ViewerModel, image: Layer, frame: Frame, opacity: float) -> None:
        self.viewer = viewer
        self.image = image
        self.frame = frame
        self.opacity = opacity
        self._layers: dict[str, Layer] = {}

    @property
    def layers(self) -> Sequence[Layer]:
        """Those that are shown."""
        return list(self._layers.values())

    def show(self, extras: Extras, below: Layer) -> None:
        """Show what was asked for of a result, and nothing else; maps go below a layer."""
        for name in [name for name in self._layers if name not in (*extras.maps, NEXT)]:
            self._remove(name)
        box, z = extras.result.box, extras.result.z
        for name, values in extras.maps.items():
            self._show_map(name, values, z, box, below)
        self._show_next(z, extras.next_click)

    def clear(self) -> None:
        """Take all away."""
        for name in list(self._layers):
            self._remove(name)

    def _show_map(self, name: str, values: Array, z: int, box: Box, below: Layer) -> None:
        if box.empty:
            self._remove(name)
            return
        shown = self.frame.expand(values)
        placed = with_offset(
            layer_transform(self.image, self.frame), self.frame.to_data(z, box.r0, box.c0)
        )
        old = self._layers.get(name)
        if old is not None and old in self.viewer.layers and old.data.shape == shown.shape:
            place(old, placed)
            old.data = shown
            return
        self._remove(name)
        colormap, limits = _LOOKS[name]
        layer = Image(
            shown,
            name=f"GPCIS {name}",
            colormap=colormap,
            contrast_limits=limits,
            opacity=self.opacity,
            blending="translucent",
            **placed,
        )
        self._add(name, layer, below)

    def _show_next(self, z: int, pixel: tuple[int, int] | None) -> None:
        layer = self._layers.get(NEXT)
        if pixel is None:
            self._remove(NEXT)
            return
        point = [self.frame.to_data(z, *pixel)]
        if layer is not None and layer in self.viewer.layers:
            place(layer, layer_transform(self.image, self.frame))
            layer.data = np.asarray(point)
            return
        layer = Points(
            point,
            name=NEXT_NAME,
            symbol="ring",
            face_color="#cc79a7",
            border_width=0,
            size=16,
            **layer_transform(self.image, self.frame),
        )
        layer.canvas_size_limits = (16, 16)
        layer.editable = False
        self._add(NEXT, layer, None)

    def _add(self, name: str, layer: Layer, below: Layer | None) -> None:
        selected = set(self.viewer.layers.selection)
        layers: Any = self.viewer.layers
        at = layers.index(below) if below is not None and below in layers else len(layers)
        layers.insert(at, layer)
        layers.selection = selected
        self._layers[name] = layer

    def _remove(self, name: str) -> None:
        layer = self._layers.pop(name, None)
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)
