"""The papers' zoom: which part of the image the network sees, and where pixels lie in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_gpcis.engine.geometry import Box, bounding_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
    Clicks = Sequence[tuple[int, int, bool]]

EXPANSION = 1.4
KEPT_IOU = 0.5
SMALLEST_SIDE = 10


class Zoom:
    """Follows an object from click to click.

    The first click sees the whole image. Later ones see the box around the previous mask and all
    positive clicks, 1.4 times as large; the last box is kept while it holds all positive clicks
    and its IoU with the wanted one is 0.5 or more. While the mask is empty, the view stays as it
    is.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image, px.

    References
    ----------
    Sofiiuk et al., Reviving Iterative Training with Mask Guidance, 2021: the protocol. The
    smallest side, 10 px, is that of FocalClick and of the reference implementation of GPCIS.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.box = Box(0, 0, *shape)
        self._zoomed = False

    def follow(self, mask: Array, clicks: Clicks) -> Box:
        """Box in which the newest click is to be answered.

        Parameters
        ----------
        mask : bool, shape (Y, X)
            Answer to the clicks before.
        clicks : sequence of (row, column, positive)
            All, oldest first.
        """
        if len(clicks) < 2 or not mask.any():
            return self.box
        wanted = self._wanted(mask, clicks)
        if not self._zoomed or not self._may_stay(wanted, clicks):
            self.box, self._zoomed = wanted, True
        return self.box

    def _wanted(self, mask: Array, clicks: Clicks) -> Box:
        occupied = mask.copy()
        for row, col, positive in clicks:
            occupied[row, col] |= positive
        found = bounding_box(occupied) or self.box
        rows = _expanded(found.r0, found.r1)
        cols = _expanded(found.c0, found.c1)
        return Box(rows[0], cols[0], rows[1], cols[1]).clip(self.shape)

    def _may_stay(self, wanted: Box, clicks: Clicks) -> bool:
        inside = all(self.box.holds(row, col) for row, col, positive in clicks if positive)
        return inside and box_iou(self.box, wanted) >= KEPT_IOU


def _expanded(start: int, stop: int) -> tuple[int, int]:
    centre = (start + stop - 1) / 2
    half = max(EXPANSION * (stop - start), SMALLEST_SIDE) / 2
    return round(centre - half), round(centre + half) + 1


def box_iou(box: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    shared = box.intersect(other)
    common = 0 if shared.empty else shared.shape[0] * shared.shape[1]
    areas = sum(rows * cols for rows, cols in (box.shape, other.shape))
    return common / max(1, areas - common)


@dataclass(frozen=True, slots=True)
class ZoomedView:
    """A box of the image, resized to a square for the network.

    The centre of an image pixel lies at a fraction of a network pixel. There the GP reads its
    clicks, and there `to_image` reads the logits, both bilinearly: what the GP makes true at a
    click is true of the clicked image pixel, whether the view shrinks or magnifies.

    Attributes
    ----------
    box : Box
        The box, in image pixels.
    size : int
        Side of the square, network pixels.
    """

    box: Box
    size: int

    def cut(self, raster: Tensor) -> Tensor:
        """Cut the box out of an image, (1, C, Y, X), and resize it: (1, C, size, size)."""
        rows, cols = self.box.slices
        return F.interpolate(
            raster[..., rows, cols],
            (self.size, self.size),
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )

    def place(self, clicks: Clicks, device: torch.device) -> Tensor:
        """Clicks inside the box as the network takes them: (n, 3), row, column, ±1."""
        rows, cols = (self.size / extent for extent in self.box.shape)
        placed = [
            [
                (row - self.box.r0 + 0.5) * rows - 0.5,
                (col - self.box.c0 + 0.5) * cols - 0.5,
                1.0 if positive else -1.0,
            ]
            for row, col, positive in clicks
            if self.box.holds(row, col)
        ]
        return torch.tensor(placed, device=device).reshape(-1, 3)

    def to_image(self, raster: Tensor) -> Array:
        """Values at the pixels of the box: (1, 1, size, size) → (rows, columns) float32."""
        pixels = F.interpolate(raster, self.box.shape, mode="bilinear", align_corners=False)
        values: Array = pixels[0, 0].float().cpu().numpy()
        return values
