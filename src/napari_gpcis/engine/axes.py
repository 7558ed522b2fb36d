"""Which axis of an array is what, and how one slice is read from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_gpcis.engine.types import Array, ArrayLike

MOST_CHANNELS_GUESSED = 4


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
    """

    slice_count: int
    height: int
    width: int
    channel_count: int
    is_stack: bool
    channel_axis: int | None

    @classmethod
    def find(cls, shape: Sequence[int], channel_axis: int | None) -> Axes:
        """Take (Y, X), (Y, X, C), (Z, Y, X) or (Z, Y, X, C) apart, or what `channel_axis` makes.

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
            If there is none, or one that the image has not.
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
