"""Layers' arrays as the engine's stacks, one slice read at a time, and room for new labels."""

from __future__ import annotations

import math
import operator
import shutil
import tempfile
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image, Labels
    from numpy.typing import DTypeLike

    from napari_gpcis.engine.types import Array, ArrayLike
    from napari_gpcis.widget.layers.frame import Frame

__all__ = ["StackView", "check_image", "holds_labels_of", "image_stack", "labels_array", "stack_of"]

LARGEST_IN_MEMORY = 0.5
"""Share of the machine's memory beyond which new labels go to a file."""
SMALLEST_SIDE = 5
"""Rows and columns of a slice, in pixels; below, the engine takes an axis for colours."""


class StackView:
    """An n-D array seen as (Z, Y, X[, C]); a copy of nothing.

    Reads and writes go to the array itself, so that lazy ones read only what is asked for.

    Parameters
    ----------
    data : array-like
        With `shape`, `dtype` and basic indexing: numpy, dask, zarr, h5py, xarray.
    frame : Frame
        Which axes of `data` are what.
    channel_axis : int, optional
        Axis of `data` that becomes the last one; when not given, there is none in the view.
    """

    def __init__(self, data: Any, frame: Frame, channel_axis: int | None = None) -> None:
        self._data = data
        self._frame = frame
        self._channel_axis = channel_axis
        channels = () if channel_axis is None else (int(data.shape[channel_axis]),)
        self.shape: tuple[int, ...] = (*frame.shape, *channels)

    @property
    def dtype(self) -> Any:
        """Type of a value."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """Number of axes, 3 or 4."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Array:
        """Part of one slice: `[z]`, `[z, rows]` … `[z, rows, cols, channels]`."""
        place, moved = self._place(key)
        values = np.asarray(self._data[place])
        return values if moved is None else np.moveaxis(values, moved, -1)

    def __setitem__(self, key: Any, values: Any) -> None:
        place, moved = self._place(key)
        if moved is not None and np.ndim(values) > 1:
            values = np.moveaxis(np.asarray(values), -1, moved)
        self._data[place] = values

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """Read everything. It is always a copy."""
        if copy is False:
            raise ValueError("expected copy not to be False, got False; a stack view is no array")
        return np.stack([self[z] for z in range(len(self))]).astype(dtype or self.dtype, copy=False)

    def _place(self, key: Any) -> tuple[tuple[int | slice, ...], int | None]:
        """Index into the data, and where its channels are in what that gives."""
        given = key if isinstance(key, tuple) else (key,)
        if len(given) > self.ndim:
            raise IndexError(f"expected at most {self.ndim} indices, got {len(given)}")
        first, rows, cols, *rest = given + (slice(None),) * (self.ndim - len(given))
        z = operator.index(first)
        if not -len(self) <= z < len(self):
            raise IndexError(f"expected a slice below {len(self)}, got {z}")
        place = self._frame.place(z % len(self), rows, cols)
        axis = self._channel_axis
        if axis is None:
            return place, None
        place = (*place[:axis], rest[0], *place[axis + 1 :])
        if not isinstance(rest[0], slice):
            return place, None
        return place, sum(isinstance(place[other], slice) for other in range(axis))


def stack_of(array: Any, frame: Frame) -> Any:
    """View of an array of the shape of `frame.data_shape` as (Z, Y, X); writes reach the array.

    Parameters
    ----------
    array : array-like
        The data of a labels layer.
    frame : Frame
        Of the image.

    Returns
    -------
    array or StackView
        A numpy view where the axes allow it.

    Raises
    ------
    ValueError
        If the array has another shape.
    """
    if tuple(array.shape) != frame.data_shape:
        raise ValueError(
            f"expected data of shape {frame.data_shape}, got {tuple(array.shape)}; "
            "choose a layer that was made for this image"
        )
    flat = _flat(array, frame.leading_axes, (*frame.plane,), frame.channel_axis)
    return StackView(array, frame) if flat is None else flat


def image_stack(layer: Image, frame: Frame) -> tuple[ArrayLike, dict[str, Any]]:
    """Image of a layer as (Z, Y, X) or, with colours or channels, (Z, Y, X, C).

    Of a multiscale layer it is the finest level.

    Parameters
    ----------
    layer : Image
        numpy, dask, zarr or xarray data, which is read when a slice is asked for.
    frame : Frame
        Of that layer.

    Returns
    -------
    array : array or StackView
        A numpy view where there can be one.
    arguments : dict
        For `Session.set_image`, beside it: `channel_axis`, which is None for RGB.

    Raises
    ------
    ValueError
        If the layer is no longer what the frame was made of, or its slices are too small.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(size) for size in data.shape)
    if not frame.fits(shape, rgb=layer.rgb):
        raise ValueError(
            f"expected an image of shape {frame.sizes}, got {shape}; choose the image again"
        )
    if min(frame.shape[1:]) < SMALLEST_SIDE:
        raise ValueError(
            f"“{layer.name}” has slices of {frame.shape[1]} × {frame.shape[2]} pixels, which is "
            f"too small: {SMALLEST_SIDE} × {SMALLEST_SIDE} is the least. If the last axis holds "
            "colours, open the image with rgb=True, otherwise display other axes"
        )
    axis = len(shape) - 1 if layer.rgb else frame.channel_axis
    trailing = frame.plane if axis is None else (*frame.plane, axis)
    flat = _flat(data, frame.leading_axes, trailing)
    stack = StackView(data, frame, axis) if flat is None else flat
    return stack, {"channel_axis": None if frame.channel_axis is None else 3}


def check_image(layer: Image) -> None:
    """Refuse an image in which nothing can be clicked.

    Raises
    ------
    ValueError
        If it has no pixels, or fewer than two axes.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(size) for size in data.shape)
    if 0 in shape:
        raise ValueError(f"“{layer.name}” has no pixels (its shape is {shape}); choose another")
    if layer.ndim < 2:
        raise ValueError(f"“{layer.name}” has one axis only; choose an image with rows and columns")


def holds_labels_of(layer: Labels, frame: Frame) -> bool:
    """True if a labels layer can be written to, pixel for pixel of an image."""
    data: Any = layer.data
    in_memory = isinstance(data, np.ndarray) and bool(data.flags.writeable)
    return in_memory and data.shape == frame.data_shape


def labels_array(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """Zeros for a new labels layer, which take up memory only where they are written.

    Beyond half of the machine's memory they are a sparse file in the folder for temporary ones,
    which nobody has to remove: it is gone when the array is.

    Raises
    ------
    ValueError
        If the file would not fit on the disk. Writing to it would then end the program.
    """
    sizes = tuple(int(size) for size in shape)
    needed = math.prod(sizes) * np.dtype(dtype).itemsize
    if needed <= LARGEST_IN_MEMORY * psutil.virtual_memory().total:
        return np.zeros(sizes, dtype)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"expected {needed / 1e9:.1f} GB for labels of shape {sizes}, got {free / 1e9:.1f} GB "
            f"of room in {folder}; crop the image, or set TMPDIR (Windows: TEMP) to a larger disk"
        )
    # unnamed, or deleted on closing (Windows); the map keeps it open
    with tempfile.TemporaryFile(prefix="napari-gpcis-") as file:
        return np.memmap(file, dtype, "w+", shape=sizes)


def _flat(
    array: Any, leading: tuple[int, ...], trailing: tuple[int, ...], dropped: int | None = None
) -> Array | None:
    """View of a numpy array with leading axes made one, the others after it; None if none is.

    Of the dropped axis, the first item is taken.
    """
    if not isinstance(array, np.ndarray):
        return None
    first = () if dropped is None else (dropped,)
    moved = array.transpose(*first, *leading, *trailing)
    if first:
        moved = moved[0]
    count = len(leading)
    steps = zip(moved.shape[:count], moved.strides[:count], strict=True)
    for (_, outer), (size, inner) in pairwise(step for step in steps if step[0] > 1):
        if outer != size * inner:
            return None
    return moved.reshape(math.prod(moved.shape[:count]), *moved.shape[count:])
