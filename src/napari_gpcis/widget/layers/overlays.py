"""Maps over the image: probability, uncertainty, the GP's two parts, and the next click."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Points

from napari_gpcis.widget.layers.clicks import limit_size
from napari_gpcis.widget.layers.transforms import (
    follow_transform,
    layer_transform,
    place,
    with_offset,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array
    from napari_gpcis.widget.layers.frame import Frame

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


@dataclass(frozen=True, slots=True, eq=False)
class Extras:
    """Maps of a result's box, and the next click: all that is shown besides the mask.

    Attributes
    ----------
    result : Result
    maps : dict
        Overlay's name → (rows, columns) float32.
    next_click : (row, col) or None
    """

    result: Result
    maps: dict[str, Array]
    next_click: tuple[int, int] | None


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
        self._corners: dict[str, tuple[float, ...]] = {}
        self._unfollow: dict[str, Callable[[], None]] = {}
        self._hidden: set[str] = set()

    def bind(self, image: Layer, frame: Frame) -> None:
        """Lie over another image; nothing is shown at first."""
        self.hide()
        self.keep((NEXT,) if frame.ndim == self.frame.ndim else ())
        self.image, self.frame = image, frame
        mark = self._layers.get(NEXT)
        if mark is None or mark not in self.viewer.layers:
            return
        self._unfollow.pop(NEXT)()
        self._follow(NEXT, mark)
        place(mark, layer_transform(image, frame))
        layers: Any = self.viewer.layers
        layers.move(layers.index(mark), len(layers))

    @property
    def layers(self) -> Sequence[Layer]:
        """Those that are shown."""
        return list(self._layers.values())

    def show(self, extras: Extras, below: Layer) -> None:
        """Show what was asked for of a result, and nothing else; maps go below a layer."""
        self.keep((*extras.maps, NEXT))
        box, z = extras.result.box, extras.result.z
        for name, values in extras.maps.items():
            self._show_map(name, values, z, box, below)
        self._show_next(z, extras.next_click)

    def hide(self) -> None:
        """Show none for now; a layer that is removed costs napari a collection of all garbage."""
        for name in self._layers:
            self._hide(name)

    def keep(self, names: Iterable[str]) -> None:
        """Take all others away."""
        for name in set(self._layers).difference(names):
            self._remove(name)

    def clear(self) -> None:
        """Take all away."""
        self.keep(())

    def _show_map(self, name: str, values: Array, z: int, box: Box, below: Layer) -> None:
        if box.empty:
            self._hide(name)
            return
        shown = self.frame.expand(values)
        self._corners[name] = self.frame.to_data(z, box.r0, box.c0)
        placed = with_offset(layer_transform(self.image, self.frame), self._corners[name])
        old = self._layers.get(name)
        if old is not None and old in self.viewer.layers:
            place(old, placed)
            old.data = shown
            self._reveal(name)
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
            self._hide(NEXT)
            return
        point = [self.frame.to_data(z, *pixel)]
        if layer is not None and layer in self.viewer.layers:
            layer.data = np.asarray(point)
            self._reveal(NEXT)
            return
        layer = Points(
            point,
            name=NEXT_NAME,
            symbol="star",
            face_color="#cc79a7",
            border_color="#cc79a7",
            size=14,
            text={
                "string": {"constant": "click here next"},
                "color": {"constant": "#cc79a7"},
                "size": 9,
                "anchor": "upper_left",
                "translation": self._beside(),
            },
            **layer_transform(self.image, self.frame),
        )
        limit_size(layer, (10, 20))
        layer.editable = False
        self._add(NEXT, layer, None)

    def _beside(self) -> list[float]:
        """From a mark to its words: to the right of it, in image pixels."""
        offset = [0.0] * self.frame.ndim
        offset[self.frame.plane[1]] = 6.0
        return offset

    def _add(self, name: str, layer: Layer, below: Layer | None) -> None:
        selected = set(self.viewer.layers.selection)
        layers: Any = self.viewer.layers
        at = layers.index(below) if below is not None and below in layers else len(layers)
        layers.insert(at, layer)
        layers.selection = selected
        self._layers[name] = layer
        self._follow(name, layer)

    def _follow(self, name: str, layer: Layer) -> None:
        whole = (0.0,) * self.frame.ndim
        self._unfollow[name] = follow_transform(
            layer, self.image, self.frame, lambda: self._corners.get(name, whole)
        )

    def _hide(self, name: str) -> None:
        layer = self._layers.get(name)
        if layer is not None and layer.visible:
            layer.visible = False
            self._hidden.add(name)

    def _reveal(self, name: str) -> None:
        """Show a layer again, unless it was the user who hid it."""
        if name in self._hidden:
            self._hidden.remove(name)
            self._layers[name].visible = True

    def _remove(self, name: str) -> None:
        self._hidden.discard(name)
        layer = self._layers.pop(name, None)
        if layer is None:
            return
        self._unfollow.pop(name, lambda: None)()
        if layer in self.viewer.layers:
            self.viewer.layers.remove(layer)
