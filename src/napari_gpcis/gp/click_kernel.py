"""The kernel of the latent f = B f_grid + f_colour between an image's pixels and its clicks.

K(x, n) = B · k_deep(grid, clicks) + w · k_colour(x, clicks), where the clicks' deep part is taken
through the same B: a linear map of a Gaussian process is one, so f is exact at the clicks.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_gpcis.gp.kernels import gaussian_kernel, gaussian_sum, scale_features
from napari_gpcis.gp.raster import (
    Taps,
    flatten,
    gather_taps,
    grid_taps,
    raster_taps,
    read,
    unflatten,
    upsample,
)

if TYPE_CHECKING:
    from napari_gpcis.gp.clicks import ClickBatch


class ClickKernel:
    """Kernel between one batch of images and its clicks.

    Parameters
    ----------
    deep : Tensor, shape (B, D, h, w)
        Deep features on the grid.
    colour : Tensor, shape (B, C, H, W)
        Colour of every pixel, H = stride · h.
    clicks : ClickBatch
    log_precision : Tensor, shape (D,)
    colour_weight : Tensor, scalar, or None
        w; None leaves the colour term out, which is w = 0.
    """

    def __init__(
        self,
        deep: Tensor,
        colour: Tensor,
        clicks: ClickBatch,
        log_precision: Tensor,
        colour_weight: Tensor | None,
    ) -> None:
        self.size = (colour.shape[-2], colour.shape[-1])
        self.grid_size = (deep.shape[-2], deep.shape[-1])
        self.stride = self.size[0] // self.grid_size[0]
        self.clicks = clicks
        self.log_precision = log_precision
        self.has_colour = colour_weight is not None
        self.colour_weight = colour.new_zeros(()) if colour_weight is None else colour_weight
        self.deep = flatten(deep)
        self.colour = flatten(colour)
        self.raster_taps = raster_taps(clicks.positions.to(colour.dtype), *self.size)
        self.grid_taps = grid_taps(self.raster_taps, self.size[1], self.grid_size, self.stride)

    @cached_property
    def deep_at_clicks(self) -> Tensor:
        """Interpolated deep features at the clicks, (B, n, D)."""
        return read(self.deep, self.grid_taps)

    @cached_property
    def colour_at_clicks(self) -> Tensor:
        """Interpolated colour at the clicks, (B, n, C)."""
        return read(self.colour, self.raster_taps)

    @cached_property
    def grid_columns(self) -> Tensor:
        """Deep kernel between every grid point and the clicks, (B, h·w, n)."""
        scaled = scale_features(self.deep, self.log_precision)
        neighbours = gather_taps(scaled, self.grid_taps)
        batch, count, taps, _ = neighbours.shape
        kernel = gaussian_kernel(scaled, neighbours.flatten(1, 2))
        weighted = kernel.reshape(batch, -1, count, taps) * self.grid_taps.weight.unsqueeze(1)
        columns: Tensor = weighted.sum(-1)
        return columns

    @cached_property
    def covariance(self) -> Tensor:
        """K_nn without noise, (B, n, n); zero in the rows and columns of padding."""
        deep = read(self.grid_columns, self.grid_taps)
        mask = self.clicks.valid.to(deep.dtype)
        total = deep + self.colour_weight * self._colour_covariance() if self.has_colour else deep
        return 0.5 * (total + total.transpose(-1, -2)) * mask * mask.transpose(-1, -2)

    def _colour_covariance(self) -> Tensor:
        weight = self.raster_taps.weight
        centres, size = self._colour_centres
        kernel = gaussian_kernel(centres, centres)
        count = weight.shape[1]
        kernel = kernel.reshape(-1, count, size, count, size)
        return (kernel * weight[:, None, None] * weight[..., None, None]).sum((2, 4))

    def colour_columns(self, pixels: slice) -> Tensor:
        """Colour kernel, times w, between some flat pixels and the clicks, (B, p, n)."""
        points = self.colour[:, pixels]
        if not self.has_colour:
            return points.new_zeros(*points.shape[:2], self.clicks.valid.shape[1])
        centres, size = self._colour_centres
        kernel = gaussian_kernel(points, centres)
        weight = self.raster_taps.weight.unsqueeze(1)
        kernel = kernel.reshape(*kernel.shape[:2], -1, size) * weight
        return self.colour_weight * kernel.sum(-1)

    @cached_property
    def _colour_centres(self) -> tuple[Tensor, int]:
        points = gather_taps(self.colour, self.raster_taps)
        return points.flatten(1, 2), points.shape[2]

    def apply(self, coefficients: Tensor) -> Tensor:
        """K(x, n) · coefficients at every pixel: (B, n, c) → (B, c, H, W)."""
        grid = self.to_grid(self.grid_columns @ coefficients)
        return upsample(grid, self.stride) + self.apply_colour(coefficients)

    def apply_colour(self, coefficients: Tensor) -> Tensor:
        """The colour part of `apply`."""
        if not self.has_colour:
            return coefficients.new_zeros(len(coefficients), coefficients.shape[-1], *self.size)
        weight = self.raster_taps.weight.unsqueeze(-1)
        weights = (coefficients.unsqueeze(2) * weight).flatten(1, 2)
        total = gaussian_sum(self.colour, self._colour_centres[0], weights)
        return self.to_raster(self.colour_weight * total)

    def to_grid(self, values: Tensor) -> Tensor:
        """(B, h·w, c) → (B, c, h, w)."""
        return unflatten(values, self.grid_size)

    def to_raster(self, values: Tensor) -> Tensor:
        """(B, H·W, c) → (B, c, H, W)."""
        return unflatten(values, self.size)


def prior_variance(kernel: ClickKernel) -> Tensor:
    """k(x, x) at every pixel, (B, 1, H, W): B k_deep Bᵀ + w, which is 1 + w at stride 1.

    With the four grid neighbours' weights b, Σ_pq b_p b_q k_pq = 1 − 2 Σ_{p<q} b_p b_q (1 − k_pq),
    and the six k_pq of a pixel are kernels between neighbours on the grid.
    """
    height, width = kernel.size
    batch = kernel.deep.shape[0]
    if kernel.stride == 1:
        return (1.0 + kernel.colour_weight).expand(batch, 1, height, width)
    device = kernel.deep.device
    flat = torch.arange(height * width, device=device).reshape(1, -1, 1)
    every_pixel = Taps(flat, torch.ones_like(flat, dtype=kernel.deep.dtype))
    taps = grid_taps(every_pixel, width, kernel.grid_size, kernel.stride)
    corners, (top_left, top_right, low_left, low_right) = taps.index[0].T, taps.weight[0].T
    scaled = unflatten(scale_features(kernel.deep, kernel.log_precision), kernel.grid_size)
    across, down, falling, rising = _gaps_on_grid(scaled)
    spread = (
        top_left * top_right * across[:, corners[0]]
        + low_left * low_right * across[:, corners[2]]
        + top_left * low_left * down[:, corners[0]]
        + top_right * low_right * down[:, corners[1]]
        + top_left * low_right * falling[:, corners[0]]
        + top_right * low_left * rising[:, corners[0]]
    )
    variance: Tensor = 1.0 - 2.0 * spread + kernel.colour_weight
    return variance.reshape(batch, 1, height, width)


def _gaps_on_grid(scaled: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """1 − k between grid neighbours, flat (B, h·w): to the right, down, and both diagonals."""
    padded = F.pad(scaled, (0, 1, 0, 1), mode="replicate")
    here, right = padded[..., :-1, :-1], padded[..., :-1, 1:]
    below, beyond = padded[..., 1:, :-1], padded[..., 1:, 1:]

    def gap(left: Tensor, other: Tensor) -> Tensor:
        similarity: Tensor = (-0.5 * (left - other).square().sum(1)).exp()
        return 1.0 - similarity.flatten(1)

    return gap(here, right), gap(here, below), gap(here, beyond), gap(right, below)
