"""Clicks of a batch of images, padded to one size."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


class ClickBatch(NamedTuple):
    """Clicks padded to the largest count in the batch.

    Attributes
    ----------
    positions : Tensor, shape (B, n, 2)
        Row and column in raster pixels; 0 where padded.
    labels : Tensor, shape (B, n, c)
        +1, −1; 0 where padded. One column per latent function.
    valid : Tensor, shape (B, n, 1), bool
    """

    positions: Tensor
    labels: Tensor
    valid: Tensor


def pad_clicks(clicks: Sequence[Tensor], height: int, width: int) -> ClickBatch:
    """Drop clicks outside the frame and older ones under a newer one, then pad.

    Parameters
    ----------
    clicks : sequence of Tensor, each of shape (n_i, 2 + c)
        Row, column (raster pixels; fractions allowed) and c labels (> 0 positive, else negative),
        oldest first. c is 1 for an object, the number of classes for one against the rest.
    height, width : int
        Size of the raster in pixels.

    Returns
    -------
    ClickBatch
        n is the largest count that is left, at least 1.

    Raises
    ------
    ValueError
        If an item is not an (n, 2 + c) tensor or holds NaN.
    """
    kept = [_keep_newest_inside(item, height, width) for item in clicks]
    size = max([1, *(len(item) for item in kept)])
    width_of_row = kept[0].shape[1]
    padded = torch.zeros(len(kept), size, width_of_row, device=kept[0].device)
    valid = torch.zeros(len(kept), size, 1, device=kept[0].device, dtype=torch.bool)
    for row, item in enumerate(kept):
        padded[row, : len(item)] = item
        valid[row, : len(item)] = True
    labels = torch.where(padded[..., 2:] > 0, 1.0, -1.0) * valid
    return ClickBatch(padded[..., :2], labels, valid)


def _keep_newest_inside(clicks: Tensor, height: int, width: int) -> Tensor:
    if clicks.ndim != 2 or clicks.shape[1] < 3:
        raise ValueError(
            f"expected clicks of shape (n, 3) as row, column, label, got {tuple(clicks.shape)}; "
            "pass an empty (0, 3) tensor for no clicks"
        )
    clicks = clicks.to(torch.float32)
    if bool(clicks.isnan().any()):
        raise ValueError("expected numbers as click positions, got NaN; remove that click")
    row, column = clicks[:, 0], clicks[:, 1]
    # a pixel reaches half its width beyond its centre
    inside = (row >= -0.5) & (column >= -0.5) & (row < height - 0.5) & (column < width - 0.5)
    newest: dict[tuple[float, float], int] = {}
    for position, (r, c) in enumerate(clicks[:, :2].tolist()):
        newest.pop((r, c), None)
        newest[(r, c)] = position
    order = torch.tensor(list(newest.values()), dtype=torch.long, device=clicks.device)
    return clicks[order][inside[order]]
