"""Linear maps between the decoder's grid, the image raster and the clicks.

The latent is f = B f_grid + f_colour: B is bilinear upsampling of the grid to the raster. A click
reads f by bilinear interpolation between pixel centres (at a pixel centre: that pixel alone), so
a click is a short list of (index, weight) *taps* on the raster and, through B, on the grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Taps:
    """A sparse linear functional per click.

    Attributes
    ----------
    index : Tensor, shape (B, n, t), int64
        Flat positions, row · width + column.
    weight : Tensor, shape (B, n, t)
        Sums to one over t.
    """

    index: Tensor
    weight: Tensor


def raster_taps(positions: Tensor, height: int, width: int) -> Taps:
    """Bilinear taps of positions on a raster; one tap each where all are pixel centres.

    Parameters
    ----------
    positions : Tensor, shape (B, n, 2)
        Row and column in pixels; integers are pixel centres. Clamped to the raster.
    height, width : int
        Size of the raster in pixels.

    Returns
    -------
    Taps
        t = 1 or 4.
    """
    limit = positions.new_tensor([height - 1, width - 1])
    inside = torch.minimum(positions.clamp(min=0), limit)
    low = inside.floor()
    fraction = inside - low
    if not bool(fraction.any()):
        corner = low.long()
        index = corner[..., 0] * width + corner[..., 1]
        return Taps(index.unsqueeze(-1), torch.ones_like(fraction[..., :1]))
    high = torch.minimum(low + 1, limit)
    rows = torch.stack([low[..., 0], low[..., 0], high[..., 0], high[..., 0]], -1).long()
    columns = torch.stack([low[..., 1], high[..., 1], low[..., 1], high[..., 1]], -1).long()
    row, column = fraction[..., :1], fraction[..., 1:]
    weight = torch.cat(
        [(1 - row) * (1 - column), (1 - row) * column, row * (1 - column), row * column], -1
    )
    return Taps(rows * width + columns, weight)


def grid_taps(raster: Taps, width: int, grid_size: tuple[int, int], stride: int) -> Taps:
    """Compose raster taps with B: what a click reads of the grid.

    Parameters
    ----------
    raster : Taps
        Taps on a raster of `width` columns.
    width : int
        Columns of the raster in pixels.
    grid_size : tuple of int
        Rows and columns of the grid.
    stride : int
        Raster pixels between grid points; 1 means that B is the identity.

    Returns
    -------
    Taps
        t = raster t (stride 1) or 4 times as many.
    """
    if stride == 1:
        return raster
    rows = torch.div(raster.index, width, rounding_mode="floor")
    pixel = torch.stack([rows, raster.index - rows * width], -1).to(raster.weight.dtype)
    centres = (pixel + 0.5) / stride - 0.5
    batch, count, taps, _ = centres.shape
    on_grid = raster_taps(centres.reshape(batch, count * taps, 2), *grid_size)
    weight = on_grid.weight.reshape(batch, count, taps, -1) * raster.weight.unsqueeze(-1)
    return Taps(on_grid.index.reshape(batch, count, -1), weight.flatten(2))


def read(values: Tensor, taps: Taps) -> Tensor:
    """Apply taps to values on a raster or grid.

    Parameters
    ----------
    values : Tensor, shape (B, P, C)
        P flat positions.
    taps : Taps
        With (B, n, t) entries.

    Returns
    -------
    Tensor, shape (B, n, C)
    """
    gathered = gather_taps(values, taps)
    return (gathered * taps.weight.unsqueeze(-1).to(values.dtype)).sum(2)


def gather_taps(values: Tensor, taps: Taps) -> Tensor:
    """Values at each tap, unweighted: (B, P, C) → (B, n, t, C)."""
    batch, count, size = taps.index.shape
    channels = values.shape[-1]
    flat = taps.index.reshape(batch, count * size, 1).expand(-1, -1, channels)
    return values.gather(1, flat).reshape(batch, count, size, channels)


def upsample(grid: Tensor, stride: int) -> Tensor:
    """Apply B: (B, C, h, w) on the grid → (B, C, stride·h, stride·w) on the raster."""
    if stride == 1:
        return grid
    return F.interpolate(grid, scale_factor=stride, mode="bilinear", align_corners=False)


def pool(raster: Tensor, stride: int) -> Tensor:
    """Mean of each grid cell: (B, C, H, W) → (B, C, H / stride, W / stride)."""
    return raster if stride == 1 else F.avg_pool2d(raster, stride)


def flatten(values: Tensor) -> Tensor:
    """(B, C, H, W) → (B, H·W, C)."""
    return values.flatten(2).transpose(1, 2)


def unflatten(values: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, H·W, C) → (B, C, H, W)."""
    batch, _, channels = values.shape
    return values.transpose(1, 2).reshape(batch, channels, *size)
