"""The labels layer `GPCIS preview`: masks that are not committed, drawn box by box."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_gpcis.engine.document.history import StoredMask
from napari_gpcis.engine.geometry import Box
from napari_gpcis.widget.layers.arrays import labels_array
from napari_gpcis.widget.layers.partial_refresh import write_box
from napari_gpcis.widget.layers.transforms import place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_gpcis.engine.document.history import State
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array
    from napari_gpcis.widget.layers.frame import Frame

NAME = "GPCIS preview"
ACTIVE, DRAFT = 1, 2
# a draft has a colour that is far from all of those that napari gives labels
COLORS = {ACTIVE: "#f0e442", DRAFT: "#ff00ff"}
OPACITY, CLASSES_OPACITY = 0.45, 0.25


class Drawn(NamedTuple):
    """A mask on the screen.

    Attributes
    ----------
    box : Box
        Pixels that it covers.
    value : int
        Label that it is drawn with.
    owner : int
        Object; 0 for classes.
    source : Result, StoredMask or None
        Where the mask comes from.
    """

    box: Box
    value: int
    owner: int
    source: Result | StoredMask | None


class Preview:
    """Masks of the objects under work, in all slices.

    Parameters
    ----------
    frame : Frame
        From slices to the layer's data.
    transform : mapping
        Of the image, for the layer.
    """

    def __init__(self, frame: Frame, transform: dict[str, Any]) -> None:
        self.frame = frame
        self.layer = Labels(
            labels_array(frame.data_shape, np.uint8), name=NAME, opacity=OPACITY, **transform
        )
        self.layer.editable = False
        self._colors: dict[int, str] = {}
        self.set_colors(COLORS)
        self._drawn: dict[int, list[Drawn]] = {}

    def bind(self, frame: Frame, transform: dict[str, Any]) -> None:
        """Lie over another image of as many axes; nothing is drawn at first."""
        self._drawn.clear()
        self.frame = frame
        self.layer.data = labels_array(frame.data_shape, np.uint8)
        place(self.layer, transform)

    def set_object_colors(self) -> None:
        """Colours of the object that is worked on, and of drafts."""
        self.layer.opacity = OPACITY
        self.set_colors(COLORS)

    def set_class_colors(self, colors: Mapping[int, str]) -> None:
        """Colours of the classes, which cover all of the image: it is seen through them."""
        self.layer.opacity = CLASSES_OPACITY
        self.set_colors(colors)

    def set_colors(self, colors: Mapping[int, str]) -> None:
        """Colours of the values; the rest is transparent."""
        if colors == self._colors:
            return  # napari makes a new texture and draws all of it
        self._colors = dict(colors)
        clear: dict[int | None, str] = {None: "transparent", 0: "transparent"}
        self.layer.colormap = DirectLabelColormap(color_dict=clear | dict(colors))

    def show(self, state: State) -> None:
        """Draw the objects of a state; an object whose answer is awaited stays as it is drawn."""
        wanted: dict[int, list[Drawn]] = {}
        for owner in state.objects():
            for z in state.slices_of(owner):
                drawn = self._wanted(state, owner, z)
                if drawn is not None:
                    wanted.setdefault(z, []).append(drawn)
        for z in {*wanted, *self._drawn}:
            # the active object comes last, on top of the drafts
            masks = sorted(wanted.get(z, []), key=lambda drawn: -drawn.value)
            if masks != self._drawn.get(z, []):
                self._draw(z, masks)

    def show_classes(self, result: Result) -> None:
        """Draw the classes of a part of a slice."""
        self._write(result.z, result.box, result.box_classes.astype(np.uint8))
        drawn = self._drawn.setdefault(result.z, [])
        if result.box not in [other.box for other in drawn]:
            drawn.append(Drawn(result.box, 0, 0, None))

    def clear(self) -> None:
        """Draw nothing."""
        for z in list(self._drawn):
            self._draw(z, [])

    def _wanted(self, state: State, owner: int, z: int) -> Drawn | None:
        value = ACTIVE if owner == state.active else DRAFT
        source = state.carried_for(owner, z) or state.answers.get((owner, z))
        if source is not None:
            return Drawn(source.box, value, owner, source)
        # no answer yet: what is drawn of it stays until there is one
        before = [drawn for drawn in self._drawn.get(z, []) if drawn.owner == owner]
        return before[0]._replace(value=value) if before else None

    def _draw(self, z: int, masks: list[Drawn]) -> None:
        boxes = [drawn.box for drawn in (*self._drawn.get(z, []), *masks) if not drawn.box.empty]
        if masks:
            self._drawn[z] = masks
        else:
            self._drawn.pop(z, None)
        if not boxes:
            return
        whole = reduce(Box.unite, boxes)
        values = np.zeros(whole.shape, np.uint8)
        for box, value, _, source in masks:
            values[box.within(whole).slices][_mask(source)] = value
        self._write(z, whole, values)

    def _write(self, z: int, box: Box, values: Array) -> None:
        write_box(self.layer, self.frame.index(z, box), values)


def _mask(source: Result | StoredMask | None) -> Array:
    if source is None:
        return np.zeros((0, 0), np.bool_)
    return source.mask if isinstance(source, StoredMask) else source.box_mask
