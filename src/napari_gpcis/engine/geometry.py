"""Boxes, and the scale between image pixels and network pixels.

A cell is a square that measures `Scale.cell` network pixels and `Scale.pixels` image pixels, both
integers. Tiles and windows are boxes of cells, so their edges fall on pixel edges on both sides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from napari_gpcis.engine.types import Array

SMALLEST_CELL = 32


class Box(NamedTuple):
    """Rows r0 … r1 − 1 and columns c0 … c1 − 1, of pixels or of cells."""

    r0: int
    c0: int
    r1: int
    c1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.r1 - self.r0, self.c1 - self.c0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in an array."""
        return slice(self.r0, self.r1), slice(self.c0, self.c1)

    @property
    def empty(self) -> bool:
        """True if nothing is inside."""
        return self.r1 <= self.r0 or self.c1 <= self.c0

    def moved(self, rows: int, cols: int) -> Box:
        """The same box further down and to the right."""
        return Box(self.r0 + rows, self.c0 + cols, self.r1 + rows, self.c1 + cols)

    def times(self, factor: int) -> Box:
        """Multiply every edge."""
        return Box(*(edge * factor for edge in self))

    def clip(self, shape: tuple[int, int]) -> Box:
        """Cut off the part outside an array of this shape."""
        (height, width) = shape
        r0, r1 = (min(max(edge, 0), height) for edge in (self.r0, self.r1))
        c0, c1 = (min(max(edge, 0), width) for edge in (self.c0, self.c1))
        return Box(r0, c0, r1, c1)

    def grow(self, margin: int) -> Box:
        """Move every edge outwards."""
        return Box(self.r0 - margin, self.c0 - margin, self.r1 + margin, self.c1 + margin)

    def intersect(self, other: Box) -> Box:
        """Box that both hold; may be empty."""
        return Box(
            max(self.r0, other.r0),
            max(self.c0, other.c0),
            min(self.r1, other.r1),
            min(self.c1, other.c1),
        )

    def unite(self, other: Box) -> Box:
        """Smallest box around both."""
        return Box(
            min(self.r0, other.r0),
            min(self.c0, other.c0),
            max(self.r1, other.r1),
            max(self.c1, other.c1),
        )

    def within(self, outer: Box) -> Box:
        """The same box seen from the corner of `outer`."""
        return Box(self.r0 - outer.r0, self.c0 - outer.c0, self.r1 - outer.r0, self.c1 - outer.c0)

    def holds(self, row: int, col: int) -> bool:
        """Tell whether a pixel is inside."""
        return self.r0 <= row < self.r1 and self.c0 <= col < self.c1


def bounding_box(mask: Array) -> Box | None:
    """Smallest box around the true pixels of a (Y, X) mask, or None if there are none."""
    rows = np.flatnonzero(mask.any(1))
    if not len(rows):
        return None
    cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(0))
    return Box(int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1)


def found_in(mask: Array, box: Box) -> Box | None:
    """Bounding box, in the slice, of a mask that lies in a box of the slice."""
    found = bounding_box(mask)
    return None if found is None else found.moved(box.r0, box.c0)


def paste(values: Array, box: Box, target: Box, beyond: float = 0) -> Array:
    """Cut values of a box to another box; `beyond` where they say nothing."""
    pasted = np.full(target.shape, beyond, values.dtype)
    shared = box.intersect(target)
    if not shared.empty:
        pasted[shared.within(target).slices] = values[shared.within(box).slices]
    return pasted


def mask_iou(one: tuple[Box, Array], other: tuple[Box, Array]) -> float:
    """Intersection over union of two masks, each with the box that it covers."""
    shared = one[0].intersect(other[0])
    if shared.empty:
        return 0.0
    here, there = (mask[shared.within(box).slices] for box, mask in (one, other))
    common = int((here & there).sum())
    return common / max(1, int(one[1].sum()) + int(other[1].sum()) - common)


@dataclass(frozen=True, slots=True)
class Scale:
    """Size of an image pixel for the network.

    Attributes
    ----------
    cell : int
        Network pixels along a cell; a multiple of the network's size divisor.
    pixels : int
        Image pixels along a cell.
    """

    cell: int
    pixels: int

    @classmethod
    def for_diameter(
        cls, diameter: float, trained_diameter: float, size_divisor: int, level: int = 0
    ) -> Scale:
        """Scale at which an object has the diameter that the network was trained on.

        Parameters
        ----------
        diameter : float
            Diameter of the object, in image pixels.
        trained_diameter : float
            Diameter of the objects of the training, in network pixels.
        size_divisor : int
            Divisor of the heights and widths that the network takes.
        level : int
            Each level up halves the network's resolution, each level down doubles it.
        """
        cell = size_divisor * math.ceil(SMALLEST_CELL / size_divisor)
        exact = cell * diameter / trained_diameter * 2.0**level
        return cls(cell, max(1, round(exact)))

    @property
    def factor(self) -> float:
        """Network pixels per image pixel."""
        return self.cell / self.pixels

    def canvas(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of cells that cover an image of this shape."""
        return -(-shape[0] // self.pixels), -(-shape[1] // self.pixels)

    @property
    def magnifies(self) -> bool:
        """True if network pixels are smaller than image pixels, or as large."""
        return self.pixels <= self.cell

    def to_network(self, pixel: int) -> float:
        """Network coordinate at which the centre of an image pixel is read.

        Where the network magnifies, that is the network pixel that holds the centre: a click on a
        single one costs the GP a quarter of one between four.
        """
        if self.magnifies:
            return (2 * pixel + 1) * self.cell // (2 * self.pixels)
        return (pixel + 0.5) * self.factor - 0.5

    def cells_around(self, box: Box) -> Box:
        """Smallest box of cells around a box of image pixels."""
        size = self.pixels
        return Box(box.r0 // size, box.c0 // size, -(-box.r1 // size), -(-box.c1 // size))


def equivalent_diameter(area: float) -> float:
    """Diameter of the disk of an area."""
    return 2 * math.sqrt(area / math.pi)
