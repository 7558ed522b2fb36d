"""An image or stack, whatever its axes and type, read one slice at a time."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.engine.axes import Axes, as_array
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.normalise import Normalisation, Range, composite, measure

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from napari_gpcis.engine.types import Array, ArrayLike

LARGEST_HELD = 1 << 28
"""Bytes of the slices that are held; a larger one is read piece by piece."""
SLICES_HELD = 4
RANGES_HELD = 4096
STACK_SAMPLE = 12
_fresh = itertools.count()


class ImageSource:
    """Slices of an array as the network wants them: 3 channels, 0–1.

    Parameters
    ----------
    array : array-like
        (Y, X), (Y, X, C), (Z, Y, X) or (Z, Y, X, C). Numpy, or anything with `shape`, `dtype` and
        basic indexing (dask, zarr, h5py), of which one slice is read when it is needed.
    channel_axis : int, optional
        Axis of the channels. When not given, a last axis of at most 4 holds them; 3 are RGB and
        4 are RGBA, of which alpha is ignored.
    channels : sequence of int, optional
        Channels to use; all when not given. See `composite` for how they become 3.
    normalisation : Normalisation, optional
    identity : hashable, optional
        Says that two sources hold the same data, so that embeddings are found again in the cache.

    Raises
    ------
    ValueError
        If the axes, the channels or the type are not those of an image.
    """

    def __init__(
        self,
        array: ArrayLike | Sequence[Any],
        *,
        channel_axis: int | None = None,
        channels: Sequence[int] | None = None,
        normalisation: Normalisation | None = None,
        identity: Hashable | None = None,
    ) -> None:
        self.array = as_array(array)
        self.axes = Axes.find(self.array.shape, channel_axis)
        self.normalisation = normalisation or Normalisation()
        count = self.axes.channel_count
        self.is_rgb = channels is None and channel_axis is None and count in (3, 4)
        self.channels = self.axes.choose(range(min(count, 3)) if self.is_rgb else channels)
        base = ("source", next(_fresh)) if identity is None else ("given", identity)
        self.identity: Hashable = (base, self.channels, self.normalisation)
        self._ranges: OrderedDict[int, Range] = OrderedDict()
        self._held: OrderedDict[int, Array] = OrderedDict()
        self._lock = Lock()
        self._reading = [Lock() for _ in range(SLICES_HELD)]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        return self.axes.slice_count, self.axes.height, self.axes.width

    @property
    def is_stack(self) -> bool:
        """Whether the array has a slice axis."""
        return self.axes.is_stack

    def read(self, z: int, box: Box) -> Array:
        """Normalised pixels of a slice.

        Parameters
        ----------
        z : int
            Slice index.
        box : Box
            In pixels; beyond the slice its border is reflected.

        Returns
        -------
        float32, shape (3, rows, columns)
            In 0–1.
        """
        inside = box.clip(self.shape[1:])
        planes = composite(self._pixels(z, inside), self.range_of(z), rgb=self.is_rgb)
        rows = inside.r0 - box.r0, box.r1 - inside.r1
        cols = inside.c0 - box.c0, box.c1 - inside.c1
        if any((*rows, *cols)):
            planes = np.pad(planes, ((0, 0), rows, cols), mode="symmetric")
        return np.ascontiguousarray(planes)

    def range_of(self, z: int) -> Range:
        """Intensities that become 0 and 1 in a slice, measured once."""
        whole_stack = self.normalisation.scope == "stack"
        key = -1 if whole_stack else z
        found = self._ranges.get(key)
        if found is None:
            chosen = _spread(self.shape[0], STACK_SAMPLE) if whole_stack else [z]
            sample = np.concatenate([self._sample(index, len(chosen)) for index in chosen])
            found = measure(sample, self.normalisation, joint=self.is_rgb)
            with self._lock:
                self._ranges[key] = found
                if len(self._ranges) > RANGES_HELD:
                    self._ranges.popitem(last=False)
        return found

    def _sample(self, z: int, parts: int) -> Array:
        """Evenly spaced pixels of a slice, (n, C)."""
        _, height, width = self.shape
        wanted = self.normalisation.sample_size / parts
        step = max(1, math.ceil(math.sqrt(height * width / wanted)))
        pixels = self._pixels(z, Box(0, 0, height, width), step)
        return pixels.reshape(-1, pixels.shape[-1])

    def _pixels(self, z: int, box: Box, step: int = 1) -> Array:
        """Raw values of the chosen channels, (rows, columns, C)."""
        rows, cols = slice(box.r0, box.r1, step), slice(box.c0, box.c1, step)
        _, height, width = self.shape
        size = height * width * len(self.channels) * np.dtype(self.array.dtype).itemsize
        if isinstance(self.array, np.ndarray) or size > LARGEST_HELD:
            return self.axes.read(self.array, z, rows, cols, self.channels)
        return self._slice(z, size)[rows, cols]

    def _slice(self, z: int, size: int) -> Array:
        """A slice of so many bytes, the last few of which are held: neighbours are compared."""
        room = min(SLICES_HELD, LARGEST_HELD // size)
        # several are read at once where all of them fit, but each by one thread
        with self._reading[z % SLICES_HELD if room == SLICES_HELD else 0]:
            with self._lock:
                held = self._held.pop(z, None)
                while held is None and len(self._held) >= room:
                    self._held.popitem(last=False)
            if held is None:
                _, height, width = self.shape
                whole = slice(0, height), slice(0, width)
                held = self.axes.read(self.array, z, *whole, self.channels)
            with self._lock:
                while len(self._held) >= room:
                    self._held.popitem(last=False)
                self._held[z] = held
            return held


def _spread(count: int, wanted: int) -> list[int]:
    return sorted({round(z) for z in np.linspace(0, count - 1, min(count, wanted))})
