"""Regions of an array that lies uncompressed in a file, whatever the order of its axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["read_strided"]

# What is read in one go, at most; and what share of it has to be wanted.
_PIECE_BYTES = 16 << 20
_DENSE = 0.25


def read_strided(
    read_bytes: Callable[[int, int], bytes],
    offset: int,
    dtype: np.dtype[Any],
    indices: Sequence[range],
    strides: Sequence[int],
) -> NDArray[Any]:
    """Read a region of an array, in pieces and without what lies between them.

    Parameters
    ----------
    read_bytes : callable
        Given offset and number, bytes of the file.
    offset : int
        Where the array's first element lies.
    dtype : numpy.dtype
        As stored.
    indices : sequence of range
        What to read along each axis, ascending.
    strides : sequence of int
        Bytes from one element to the next along each axis, in the whole array.

    Returns
    -------
    ndarray, shape of the region

    Raises
    ------
    ValueError
        When the file ends before the region does.
    """
    out = np.empty(tuple(map(len, indices)), dtype)
    if out.size == 0:
        return out
    offset += sum(wanted[0] * stride for wanted, stride in zip(indices, strides, strict=True))
    steps = [wanted.step * stride for wanted, stride in zip(indices, strides, strict=True)]
    # What varies slowest is walked through, what varies fastest comes in one piece.
    order = sorted(range(out.ndim), key=lambda axis: -strides[axis])
    _fill(out.transpose(order), read_bytes, offset, [steps[axis] for axis in order])
    return out


def _fill(
    out: NDArray[Any], read_bytes: Callable[[int, int], bytes], offset: int, steps: list[int]
) -> None:
    extent = out.itemsize + sum((n - 1) * step for n, step in zip(out.shape, steps, strict=True))
    dense = out.nbytes >= _DENSE * extent or out.ndim == 1
    if extent <= _PIECE_BYTES and dense:
        data = read_bytes(offset, extent)
        if len(data) < extent:
            raise ValueError("the file ends before this slice does")
        out[...] = np.ndarray(out.shape, out.dtype, data, 0, tuple(steps))
        return
    if out.ndim == 1:
        half = len(out) // 2
        _fill(out[:half], read_bytes, offset, steps)
        _fill(out[half:], read_bytes, offset + half * steps[0], steps)
        return
    for index, part in enumerate(out):
        _fill(part, read_bytes, offset + index * steps[0], steps[1:])
