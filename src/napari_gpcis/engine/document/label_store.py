"""Committed labels: slices made when first written, each write with its way back."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_gpcis.engine.geometry import Box, bounding_box

if TYPE_CHECKING:
    from napari_gpcis.engine.options import Overlap
    from napari_gpcis.engine.types import Array


LARGEST_UNPACKED = 1 << 18


class Patch:
    """One change of labels.

    Large ones are kept compressed, so that the history of a stack fits into memory.

    Parameters
    ----------
    z : int
        Slice index.
    box : Box
        Pixels that the change touches.
    before, after : int32, shape of `box`
    """

    __slots__ = ("_after", "_before", "box", "z")

    def __init__(self, z: int, box: Box, before: Array, after: Array) -> None:
        self.z = z
        self.box = box
        self._before = _pack(before)
        self._after = _pack(after)

    @property
    def before(self) -> Array:
        """Labels before the change, int32."""
        return self._unpack(self._before)

    @property
    def after(self) -> Array:
        """Labels after it, int32."""
        return self._unpack(self._after)

    def _unpack(self, packed: Array | _Packed) -> Array:
        if isinstance(packed, _Packed):
            values = np.frombuffer(zlib.decompress(packed.content), packed.kind)
            return values.astype(np.int32).reshape(self.box.shape)
        return packed


class _Packed(NamedTuple):
    content: bytes
    kind: np.dtype[Any]


def _pack(values: Array) -> Array | _Packed:
    if values.size < LARGEST_UNPACKED:
        return values
    kind = np.min_scalar_type(int(values.max()))
    return _Packed(zlib.compress(values.astype(kind).tobytes(), 1), kind)


class LabelStore:
    """Labels of an image or stack.

    Parameters
    ----------
    shape : tuple of int
        Slices, rows and columns.
    existing : array of int, optional
        Labels to go on from, of that shape or, for a single slice, (Y, X). Copied, unless
        `in_place`.
    in_place : bool
        Read and write `existing` itself, which has the full shape then and any integer type.
    highest : int, optional
        Highest label of `existing`; looked for when not given.

    Raises
    ------
    ValueError
        If existing labels have another shape, or are no integers of 0 or more.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        existing: Array | None = None,
        *,
        in_place: bool = False,
        highest: int | None = None,
    ) -> None:
        self.shape = shape
        self.highest = highest or 0
        self._slices: dict[int, Array] = {}
        self._array: Array | None = None
        if existing is not None and in_place:
            self._check(existing)
            self._array = existing
            if highest is None:
                self.highest = max(int(np.max(existing[z])) for z in range(shape[0]))
        elif existing is not None:
            self._load(np.asarray(existing))

    @property
    def largest(self) -> int:
        """Largest label that can be written."""
        kind = np.int32 if self._array is None else self._array.dtype
        return 1 if kind == np.bool_ else min(int(np.iinfo(kind).max), int(np.iinfo(np.int32).max))

    def of_slice(self, z: int) -> Array:
        """Labels of a slice, (Y, X) int32; a copy."""
        return self.of_box(z, Box(0, 0, *self.shape[1:]))

    def of_box(self, z: int, box: Box) -> Array:
        """Labels in a box of a slice, int32; a copy."""
        if self._array is not None:
            return np.array(self._array[(z, *box.slices)], np.int32)
        if z in self._slices:
            return self._slices[z][box.slices].copy()
        return np.zeros(box.shape, np.int32)

    def stack(self) -> Array:
        """Labels of all slices, (Z, Y, X) int32; a copy."""
        whole = np.zeros(self.shape, np.int32)
        for z in range(self.shape[0]) if self._array is not None else self._slices:
            whole[z] = self.of_slice(z)
        return whole

    def plan(
        self,
        z: int,
        box: Box,
        mask: Array,
        values: Array | int,
        overlap: Overlap,
        *,
        own: int = 0,
        own_box: Box | None = None,
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
            Labels to write.
        overlap : {"protect", "overwrite"}
            Fate of pixels that have a label already.
        own : int
            A label that is replaced: its pixels are free, and those outside the mask become 0.
        own_box : Box, optional
            Box around its pixels.

        Returns
        -------
        Patch or None
            None if no pixel is left to write.
        """
        tight = bounding_box(mask)
        if tight is None and own_box is None:
            return None
        place = None if tight is None else tight.moved(box.r0, box.c0)
        whole = own_box if place is None else place if own_box is None else place.unite(own_box)
        if whole is None:
            return None
        before = self.of_box(z, whole)
        after = np.where(before == own, 0, before) if own else before.copy()
        if tight is not None and place is not None:
            inside, target = mask[tight.slices], after[place.within(whole).slices]
            if overlap == "protect":
                inside = inside & (target == 0)
            given = values[tight.slices] if isinstance(values, np.ndarray) else values
            target[...] = np.where(inside, given, target)
        if np.array_equal(before, after):
            return None
        return Patch(z, whole, before, after.astype(np.int32, copy=False))

    def write(self, patch: Patch, *, back: bool = False, changed_only: bool = False) -> None:
        """Make a planned change, or take it back.

        With `changed_only`, pixels that it does not change stay as they are now.
        """
        values = patch.before if back else patch.after
        if self._array is not None:
            place: tuple[int | slice, ...] = (patch.z, *patch.box.slices)
            if changed_only:
                values = np.where(patch.before != patch.after, values, self._array[place])
            self._array[place] = values
        else:
            if patch.z not in self._slices:
                self._slices[patch.z] = np.zeros(self.shape[1:], np.int32)
            target = self._slices[patch.z][patch.box.slices]
            np.copyto(target, values, where=patch.before != patch.after if changed_only else True)

    def _check(self, existing: Array) -> None:
        wanted = (self.shape, self.shape[1:]) if self.shape[0] == 1 else (self.shape,)
        if existing.shape not in wanted or existing.dtype.kind not in "biu":
            raise ValueError(
                f"expected labels as integers of shape {wanted[-1]}, got {existing.dtype} of shape "
                f"{existing.shape}; give one label per pixel of the image"
            )

    def _load(self, existing: Array) -> None:
        self._check(existing)
        for z, labels in enumerate(existing.reshape(self.shape)):
            if labels.any():
                self._slices[z] = labels.astype(np.int32)
                if self._slices[z].min() < 0:
                    raise ValueError("expected labels of 0 or more, got negative ones; relabel")
                self.highest = max(self.highest, int(self._slices[z].max()))
