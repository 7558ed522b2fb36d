"""Committed labels: slices made when first written, each write with its way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from napari_gpcis.engine.geometry import Box, bounding_box

if TYPE_CHECKING:
    from napari_gpcis.engine.types import Array

Overlap: TypeAlias = Literal["protect", "overwrite"]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """One change of labels.

    Attributes
    ----------
    z : int
        Slice index.
    box : Box
        Pixels that the change touches.
    before, after : int32, shape of `box`
    """

    z: int
    box: Box
    before: Array
    after: Array


class LabelStore:
    """Labels of an image or stack.

    Parameters
    ----------
    shape : tuple of int
        Slices, rows and columns.
    existing : array of int, optional
        Labels to go on from, of that shape or, for a single slice, (Y, X). Copied.

    Raises
    ------
    ValueError
        If existing labels have another shape, or are no integers of 0 or more.
    """

    def __init__(self, shape: tuple[int, int, int], existing: Array | None = None) -> None:
        self.shape = shape
        self.highest = 0
        self._slices: dict[int, Array] = {}
        if existing is not None:
            self._load(np.asarray(existing))

    def of_slice(self, z: int) -> Array:
        """Labels of a slice, (Y, X) int32; a copy."""
        if z in self._slices:
            return self._slices[z].copy()
        return np.zeros(self.shape[1:], np.int32)

    def of_box(self, z: int, box: Box) -> Array:
        """Labels in a box of a slice, int32; a copy."""
        if z in self._slices:
            return self._slices[z][box.slices].copy()
        return np.zeros(box.shape, np.int32)

    def stack(self) -> Array:
        """Labels of all slices, (Z, Y, X) int32; a copy."""
        whole = np.zeros(self.shape, np.int32)
        for z, labels in self._slices.items():
            whole[z] = labels
        return whole

    def plan(
        self, z: int, box: Box, mask: Array, values: Array | int, overlap: Overlap
    ) -> Patch | None:
        """Change that writes values where a mask is; nothing is written yet.

        Parameters
        ----------
        z : int
            Slice index.
        box : Box
            Pixels that `mask` covers.
        mask : bool, shape of `box`
            Pixels to write.
        values : int, or array of int of that shape
            What to write.
        overlap : {"protect", "overwrite"}
            What happens to pixels that have a label already.

        Returns
        -------
        Patch or None
            None if no pixel is left to write.
        """
        tight = bounding_box(mask)
        if tight is None:
            return None
        inside = mask[tight.slices]
        given = values[tight.slices] if isinstance(values, np.ndarray) else values
        place = Box(box.r0, box.c0, box.r0, box.c0)
        place = Box(*(corner + edge for corner, edge in zip(place, tight, strict=True)))
        before = self.of_box(z, place)
        if overlap == "protect":
            inside = inside & (before == 0)
        if not inside.any():
            return None
        return Patch(z, place, before, np.where(inside, given, before).astype(np.int32))

    def write(self, patch: Patch, *, back: bool = False) -> None:
        """Make a planned change, or take it back."""
        if patch.z not in self._slices:
            self._slices[patch.z] = np.zeros(self.shape[1:], np.int32)
        self._slices[patch.z][patch.box.slices] = patch.before if back else patch.after

    def _load(self, existing: Array) -> None:
        wanted = (self.shape, self.shape[1:]) if self.shape[0] == 1 else (self.shape,)
        if existing.shape not in wanted or existing.dtype.kind not in "biu":
            raise ValueError(
                f"expected labels as integers of shape {wanted[-1]}, got {existing.dtype} of shape "
                f"{existing.shape}; give one label per pixel of the image"
            )
        for z, labels in enumerate(existing.reshape(self.shape)):
            if labels.any():
                self._slices[z] = labels.astype(np.int32)
                if self._slices[z].min() < 0:
                    raise ValueError("expected labels of 0 or more, got negative ones; relabel")
                self.highest = max(self.highest, int(self._slices[z].max()))
