"""One box of a Labels layer is rewritten and shown: a click costs the same on any slice.

`layer.refresh()` recolours and uploads the whole slice. napari's own brush gets by with less: it
recolours a box and sends it to the texture with the event `labels_update`. So do we. napari has no
public name for what it shows of a layer; those that it uses are all in this file, and a napari
without them gets the whole slice refreshed.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels
    from numpy.typing import NDArray

__all__ = ["Index", "refresh_box", "write_box"]

Index: TypeAlias = "tuple[int | slice, ...]"


def write_box(layer: Labels, index: Index, values: NDArray[Any]) -> None:
    """Write labels into one box of one slice, and show that box.

    The write is not part of the layer's own undo history.

    Parameters
    ----------
    layer : Labels
        The layer; numpy, memory-mapped, dask or zarr data, not multiscale.
    index : tuple of int and slice
        One entry per axis of the data: a slice (px, step 1) for each of the plane's two axes, the
        position for every other axis.
    values : array of int, shape (height, width)
        The labels, in the order of the data's axes (not of the displayed ones).

    Raises
    ------
    ValueError
        If index, shape or a label does not fit the layer. Nothing is written then.
    """
    if layer.multiscale:
        raise ValueError(
            f"expected labels of a single scale, got the multiscale layer {layer.name!r}; "
            "write to a layer of its full resolution"
        )
    region = _region(index, layer.data.shape)
    plane = tuple(_length(r) for r, i in zip(region, index, strict=True) if isinstance(i, slice))
    if values.shape != plane:
        raise ValueError(f"expected labels of shape {plane}, got {values.shape}; crop them")
    if 0 in plane:
        return
    _check_range(values, layer)
    layer.data[region] = values.reshape([_length(r) for r in region])
    _show(layer, region)


def refresh_box(layer: Labels, index: Index) -> None:
    """Show what was changed in place in one box of one slice of a layer's data.

    A hidden layer is left alone, since napari reads its slice anew when it is shown; so is a box
    that the displayed slice does not meet. The whole slice is refreshed where no box can be: while
    it still loads, where it is larger than a texture, and for multiscale layers.

    Parameters
    ----------
    layer : Labels
        The layer.
    index : tuple of int and slice
        The box, as in `write_box`.

    Raises
    ------
    ValueError
        If index does not fit the layer.
    """
    region = _region(index, layer.data.shape)
    if all(_length(r) for r in region):
        _show(layer, region)


def _show(layer: Labels, region: tuple[slice, ...]) -> None:
    if not layer.visible:
        return
    if layer.multiscale or not layer.loaded:
        _refresh_slice(layer)
        return
    try:
        shown = _shown(layer, region)
        if shown is None:
            return
        box, colors = _recolor(layer, shown)
        upload = layer.events.labels_update
    except (AttributeError, TypeError):  # another napari, with other private names
        _refresh_slice(layer)
        return
    # Where the texture has another shape than the slice (larger than GL_MAX_TEXTURE_SIZE, or not
    # painted yet), napari's answer to this is to refresh the slice.
    upload(data=colors, offset=[axis.start for axis in box])


def _refresh_slice(layer: Labels) -> None:
    layer.refresh(thumbnail=False, extent=False, highlight=False)


def _shown(layer: Labels, region: tuple[slice, ...]) -> tuple[slice, ...] | None:
    """The part of the region that is in the slice on display; None where there is none."""
    displayed = layer._slice_input.displayed
    shown = list(region)
    for axis, position in enumerate(layer._slicing_state.data_slice.point):
        if axis not in displayed:
            at = round(float(position))
            if not region[axis].start <= at < region[axis].stop:
                return None
            shown[axis] = slice(at, at + 1)
    if layer._slice.image.raw.shape != tuple(layer.data.shape[axis] for axis in displayed):
        raise TypeError("expected the slice on display to be one of the data")
    return tuple(shown)


def _recolor(layer: Labels, shown: tuple[slice, ...]) -> tuple[tuple[slice, ...], NDArray[Any]]:
    """Bring napari's copies of the slice up to date; what to upload, and where in the slice."""
    image, displayed = layer._slice.image, layer._slice_input.displayed
    box = tuple(shown[axis] for axis in displayed)
    if not isinstance(layer.data, np.ndarray):  # then `raw` is a copy, else a view of the data
        image.raw[box] = _read(layer.data, shown, displayed)
    if layer.contour:  # is drawn inside a label, and also where its neighbour begins
        box = tuple(
            slice(max(0, axis.start - layer.contour), min(size, axis.stop + layer.contour))
            for axis, size in zip(box, image.raw.shape, strict=True)
        )
    colors: NDArray[Any] = layer._raw_to_displayed(image.raw, data_slice=box)
    if not np.may_share_memory(image.view, image.raw):
        image.view[box] = colors
    return box, colors


def _read(data: Any, shown: tuple[slice, ...], displayed: Sequence[int]) -> NDArray[Any]:
    """Read a box that is one pixel thick across the displayed axes, in the order of these."""
    part: NDArray[Any] = np.asarray(data[shown])
    others = tuple(axis for axis in range(part.ndim) if axis not in displayed)
    return part.transpose((*others, *displayed)).squeeze(tuple(range(len(others))))


def _region(index: Index, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The index as one slice per axis, with bounds inside the array."""
    if len(index) != len(shape) or sum(isinstance(entry, slice) for entry in index) != 2:
        raise ValueError(
            f"expected an index of {len(shape)} axes, two of them slices, got {index}; "
            "give the position on every axis that is not of the plane"
        )
    return tuple(_extent(entry, size) for entry, size in zip(index, shape, strict=True))


def _extent(entry: int | slice, size: int) -> slice:
    if isinstance(entry, slice):
        start, stop, step = entry.indices(size)
        if step != 1:
            raise ValueError(f"expected a slice of step 1, got {entry}; write a whole box")
        return slice(start, max(start, stop))
    position = operator.index(entry)
    if not 0 <= position < size:
        raise ValueError(f"expected a position of 0 to {size - 1}, got {position}; clip it")
    return slice(position, position + 1)


def _length(extent: slice) -> int:
    return int(extent.stop - extent.start)


def _check_range(values: NDArray[Any], layer: Labels) -> None:
    """Raise where numpy would wrap a label that the layer's dtype cannot hold."""
    if np.can_cast(values.dtype, layer.dtype):
        return
    limits = np.iinfo(layer.dtype)
    low, high = int(values.min()), int(values.max())
    if low < limits.min or high > limits.max:
        raise ValueError(
            f"expected labels of {limits.min} to {limits.max} ({layer.dtype}), got {low} to "
            f"{high}; convert the layer {layer.name!r} to a larger type"
        )
