"""Clicks of elsewhere: the features around a click, carried to another window.

The GP reads a click's features by bilinear interpolation of a raster. A click of another slice,
or of another part of a large one, is taken along as a small patch of its own rasters, and the
patches are attached below the window's. What it reads there is exactly what it read at home.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDE = 4


class ClickPatch(NamedTuple):
    """Surroundings of a click.

    Attributes
    ----------
    deep : Tensor, shape (D, 4, 4)
        Grid points around the click; beyond a border its last ones again.
    colour : Tensor, shape (3, 4 · stride, 4 · stride)
    row, col : float
        The click in pixels of `colour`.
    """

    deep: Tensor
    colour: Tensor
    row: float
    col: float


def cut_patch(deep: Tensor, colour: Tensor, row: float, col: float) -> ClickPatch:
    """Cut out the surroundings of a position.

    Parameters
    ----------
    deep : Tensor, shape (1, D, h, w)
        Features on the grid.
    colour : Tensor, shape (1, 3, H, W)
        Colour of every pixel.
    row, col : float
        Position in pixels of `colour`.
    """
    stride = colour.shape[-1] // deep.shape[-1]
    # the GP reads no farther than the centres of the outermost pixels
    place = [
        min(max(position, 0.0), length - 1.0)
        for position, length in zip((row, col), colour.shape[-2:], strict=True)
    ]
    starts = [math.floor((position + 0.5) / stride - 0.5) - 1 for position in place]
    return ClickPatch(
        _take(deep[0], starts, 1),
        _take(colour[0], starts, stride),
        *(position - start * stride for position, start in zip(place, starts, strict=True)),
    )


def attach(
    deep: Tensor, colour: Tensor, patches: Sequence[ClickPatch]
) -> tuple[Tensor, Tensor, list[tuple[float, float]]]:
    """Put patches in rows below a window.

    Parameters
    ----------
    deep : Tensor, shape (1, D, h, w)
        Features on the window's grid.
    colour : Tensor, shape (1, 3, H, W)
        Colour of its pixels.
    patches : sequence of ClickPatch
        Patches of the same D and stride.

    Returns
    -------
    deep : Tensor, shape (1, D, h + more, w)
    colour : Tensor, shape (1, 3, H + stride · more, W)
    positions : list of (float, float)
        Row and column of each patch's click in pixels.
    """
    if not patches:
        return deep, colour, []
    stride = colour.shape[-1] // deep.shape[-1]
    height, width = deep.shape[-2:]
    per_row = width // SIDE
    # one row repeats the window's last, so that upsampling the window does not see the patches
    more = 1 + SIDE * math.ceil(len(patches) / per_row)
    long_deep = _lengthen(deep, more, 1)
    long_colour = _lengthen(colour, more * stride, stride)
    positions = []
    for number, patch in enumerate(patches):
        row, col = height + 1 + SIDE * (number // per_row), SIDE * (number % per_row)
        _paste(long_deep, patch.deep, row, col)
        _paste(long_colour, patch.colour, row * stride, col * stride)
        positions.append((row * stride + patch.row, col * stride + patch.col))
    return long_deep, long_colour, positions


def _take(raster: Tensor, starts: Sequence[int], stride: int) -> Tensor:
    """Cells from `starts` on; beyond a border its last cell again."""
    rows, cols = (
        _pixels_of_cells(start, length // stride, stride, raster.device)
        for start, length in zip(starts, raster.shape[-2:], strict=True)
    )
    return raster[:, rows[:, None], cols]


def _pixels_of_cells(start: int, count: int, stride: int, device: torch.device) -> Tensor:
    cells = torch.arange(start, start + SIDE, device=device).clamp(0, count - 1)
    return (cells[:, None] * stride + torch.arange(stride, device=device)).flatten()


def _lengthen(raster: Tensor, more: int, repeated: int) -> Tensor:
    longer = raster.new_zeros((*raster.shape[:2], raster.shape[2] + more, raster.shape[3]))
    longer[:, :, : raster.shape[2]] = raster
    longer[:, :, raster.shape[2] : raster.shape[2] + repeated] = raster[:, :, -repeated:]
    return longer


def _paste(raster: Tensor, patch: Tensor, row: int, col: int) -> None:
    raster[0, :, row : row + patch.shape[-2], col : col + patch.shape[-1]] = patch
