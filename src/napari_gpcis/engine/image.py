"""An image or stack, whatever its axes and type, read one slice at a time."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.normalise import Normalisation, Range, composite, measure

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from napari_gpcis.engine.types import Array, ArrayLike

MOST_CHANNELS_GUESSED = 4
LARGEST_HELD = 1 << 28
"""Bytes of the slices that are held; a larger one is read piece by piece."""
SLICES_HELD = 4
RANGES_HELD = 4096
STACK_SAMPLE = 12
_fresh = itertools.count()


@dataclass(frozen=True, slots=True)
class Axes:
    """Axes of an image or stack.

    Attributes
    ----------
    slice_count, height, width, channel_count : int
        1 slice and 1 channel where the axis is missing.
    is_stack : bool
        Whether there is a slice axis; it comes before the rows and the columns.
    channel_axis : int or None
        Position of the axis of the channels.
    """

    slice_count: int
    height: int
    width: int
    channel_count: int
    is_stack: bool
    channel_axis: int | None

    @classmethod
    def find(cls, shape: Sequence[int], channel_axis: int | None) -> Axes:
        """Find the axes of (Y, X), (Y, X, C), (Z, Y, X) or (Z, Y, X, C), or as `channel_axis` says.

        Raises
        ------
        ValueError
            If the number of axes fits none of these, or an axis is empty.
        """
        sizes = tuple(int(size) for size in shape)
        if 0 in sizes:
            raise ValueError(f"expected an image with pixels, got shape {sizes}; it is empty")
        axis = _channel_axis(sizes, channel_axis)
        spatial = [size for position, size in enumerate(sizes) if position != axis]
        if len(spatial) not in (2, 3):
            raise ValueError(
                f"expected an image (Y, X[, C]) or a stack (Z, Y, X[, C]), got shape {sizes}; "
                "index the other axes away, or name the channels with channel_axis"
            )
        is_stack = len(spatial) == 3
        count = 1 if axis is None else sizes[axis]
        height, width = spatial[-2:]
        return cls(spatial[0] if is_stack else 1, height, width, count, is_stack, axis)

    def choose(self, channels: Iterable[int] | None) -> tuple[int, ...]:
        """Channels to use, from the end if negative; all when None.

        Raises
        ------
        ValueError
            If there is none, or one that the image does not have.
        """
        wanted = tuple(range(self.channel_count)) if channels is None else tuple(channels)
        count = self.channel_count
        if not wanted or any(not -count <= channel < count for channel in wanted):
            raise ValueError(
                f"expected channels between 0 and {count - 1}, got {list(wanted)}; "
                "leave channels out to use all"
            )
        return tuple(int(channel) % count for channel in wanted)

    def read(
        self, array: ArrayLike, z: int, rows: slice, cols: slice, channels: tuple[int, ...]
    ) -> Array:
        """Part of a slice, (rows, columns, C), read with integers and slices only."""
        place: list[Any] = [z, rows, cols] if self.is_stack else [rows, cols]
        if self.channel_axis is None:
            return np.asarray(array[tuple(place)])[..., None]
        axis = self.channel_axis
        if channels == tuple(range(self.channel_count))[: len(channels)]:
            key = (*place[:axis], slice(0, len(channels)), *place[axis:])
            # the slice index, an integer, takes its axis away
            return np.moveaxis(np.asarray(array[key]), axis - int(self.is_stack and axis > 0), -1)
        planes = [
            np.asarray(array[(*place[:axis], channel, *place[axis:])]) for channel in channels
        ]
        return np.stack(planes, -1)


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
        Percentiles, per slice (the default) or per stack.
    identity : hashable, optional
        Equal for two sources of the same data, so that embeddings are found again in the cache.
    spacing : float
        Distance of two slices, by the size of a pixel in them.

    Raises
    ------
    ValueError
        If the axes, the channels or the type are not those of an image, or the spacing is not
        above 0.
    """

    def __init__(
        self,
        array: ArrayLike | Sequence[Any],
        *,
        channel_axis: int | None = None,
        channels: Sequence[int] | None = None,
        normalisation: Normalisation | None = None,
        identity: Hashable | None = None,
        spacing: float = 1.0,
    ) -> None:
        if not 0 < spacing < math.inf:
            raise ValueError(
                f"expected a spacing of slices above 0, got {spacing}; "
                "give their distance by the size of a pixel"
            )
        self.spacing = spacing
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
        """True if the array has a slice axis."""
        return self.axes.is_stack

    def read(self, z: int, box: Box) -> Array:
        """Normalised pixels of a slice.

        Parameters
        ----------
        z : int
            Slice index.
        box : Box
            Box of pixels; beyond the slice its border is reflected.

        Returns
        -------
        float32, shape (3, rows, columns)
            Values in 0–1.
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


def as_array(image: ArrayLike | Sequence[Any]) -> ArrayLike:
    """Check that an image holds real numbers, without reading it.

    Raises
    ------
    ValueError
        If it does not.
    """
    array = image if hasattr(image, "shape") and hasattr(image, "dtype") else _from_list(image)
    kind = np.dtype(array.dtype).kind
    if kind in "biuf":
        return array
    remedy = {
        "c": "take its magnitude with abs(image)",
        "O": "convert it with image.astype(float), and index multiscale data at its finest level",
    }.get(kind, "convert it with image.astype(float)")
    raise ValueError(f"expected integers, floats or booleans, got {array.dtype}; {remedy}")


def _from_list(image: Any) -> Array:
    try:
        return np.asarray(image)
    except ValueError as error:
        raise ValueError(
            "expected one array, got a list of arrays of different shapes; "
            "for multiscale data give its finest level, image[0]"
        ) from error


def _channel_axis(sizes: tuple[int, ...], given: int | None) -> int | None:
    if given is not None:
        if not -len(sizes) <= given < len(sizes):
            raise ValueError(
                f"expected channel_axis between 0 and {len(sizes) - 1}, got {given}; "
                f"the image has shape {sizes}"
            )
        return given % len(sizes)
    if len(sizes) in (3, 4) and sizes[-1] <= MOST_CHANNELS_GUESSED < min(sizes[-3:-1]):
        return len(sizes) - 1
    return None
