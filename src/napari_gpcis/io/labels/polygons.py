"""Objects as polygons that run along the edges of their pixels, so that no area is lost.

Coordinates are those of the pixels' corners, as ImageJ, QuPath and COCO count them: pixel (r, c)
reaches from row r to r + 1 and from column c to c + 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_gpcis.io.labels.encode import LabelPage

__all__ = ["LabelledObject", "Polygon", "objects_of", "polygons_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """A connected part of an object.

    Attributes
    ----------
    exterior : int array, shape (N, 2)
        Row and column of its corners, not closed: the first one is not repeated.
    holes : tuple of int array, shape (M, 2)
        Likewise; a hole may touch another ring in a corner, never cross it.
    """

    exterior: NDArray[np.int64]
    holes: tuple[NDArray[np.int64], ...] = ()

    @property
    def rings(self) -> tuple[NDArray[np.int64], ...]:
        """The exterior and the holes."""
        return self.exterior, *self.holes


@dataclass(frozen=True, slots=True, eq=False)
class LabelledObject:
    """The pixels of a label in a slice.

    Attributes
    ----------
    label : int
    row, column : int
        Of the mask's first pixel.
    mask : bool array
        As small as it can be.
    """

    label: int
    row: int
    column: int
    mask: NDArray[np.bool_]

    def polygons(self) -> list[Polygon]:
        """Its connected parts; of pixels that touch in a corner alone, each is one of its own."""
        return polygons_of(self.mask, self.row, self.column)


def objects_of(page: LabelPage) -> Iterator[LabelledObject]:
    """Objects of a slice in the order of their labels; the slice is in memory meanwhile."""
    rows, columns = page.shape
    labels = np.asarray(page[0:rows, 0:columns])
    # Labels may be millions with few in use, and a box is kept for each number up to the largest.
    used, inverse = np.unique(labels, return_inverse=True)
    dense = inverse.reshape(labels.shape).astype(np.int32) + int(used[0] != 0)
    names = used[used != 0].tolist()
    for number, box in enumerate(ndimage.find_objects(dense), start=1):
        mask = dense[box] == number
        yield LabelledObject(names[number - 1], box[0].start, box[1].start, mask)


def polygons_of(mask: NDArray[np.bool_], row: int = 0, column: int = 0) -> list[Polygon]:
    """Polygons of a mask, whose first pixel lies at `row` and `column`.

    Each part is connected by edges of pixels, so that its rings are valid in the sense of simple
    features; filled by any rule they give the mask again.
    """
    count, parts, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4, ltype=cv2.CV_32S
    )
    found = []
    for part in range(1, count):
        left, top, width, height = (int(value) for value in stats[part, :4])
        own = parts[top : top + height, left : left + width] == part
        found.append(_polygon(own, row + top, column + left))
    return found


def _polygon(part: NDArray[np.bool_], row: int, column: int) -> Polygon:
    # OpenCV's contours run through pixels' middles. With each pixel doubled, those of a border lie
    # on either side of a pixel's edge, and both round to that edge.
    doubled = part.astype(np.uint8).repeat(2, 0).repeat(2, 1)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    exterior: NDArray[np.int64] | None = None
    holes = []
    for contour, (_, _, _, parent) in zip(contours, hierarchy[0], strict=True):
        corners = (contour[:, 0, ::-1].astype(np.int64) + 1) // 2 + (row, column)
        if parent < 0:
            exterior = _without_repeats(corners)
        else:
            holes.append(_without_repeats(corners))
    if exterior is None:
        raise ValueError("expected a mask with at least one pixel, got an empty one; leave it out")
    return Polygon(exterior, tuple(holes))


def _without_repeats(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ring without corners at which nothing turns."""
    ring = corners[(corners != np.roll(corners, 1, 0)).any(1)]
    before, after = ring - np.roll(ring, 1, 0), np.roll(ring, -1, 0) - ring
    turns = (np.sign(before) != np.sign(after)).any(1)
    kept: NDArray[np.int64] = ring[turns]
    return kept
