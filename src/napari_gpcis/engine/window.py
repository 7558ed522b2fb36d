"""The window in which a click is answered, and the level at which the network sees it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_gpcis.engine.geometry import Box, Scale
from napari_gpcis.engine.prompts import extent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.click import Click

MARGIN = 1.4
SMALLEST_WINDOW = 384
LARGEST_WINDOW = 1024
# Measured on held-out objects: a coarser level only pays for very large ones (on branched neurons
# the IoU after five clicks was 0.59 with 2 and 0.77 with 4), a finer one soon for small ones.
COARSER_BEYOND = 4.0
FINER_BELOW = 0.5
NEAR_BORDER = 8
"""Network pixels."""


def object_box(mask_box: Box | None, clicks: Sequence[Click]) -> Box:
    """Smallest box of image pixels around an object's last mask and its clicks."""
    if mask_box is None:
        return extent(clicks)
    return mask_box.unite(extent(clicks)) if clicks else mask_box


def canvas_of(clicks: Sequence[Click], scale: Scale, shape: tuple[int, int]) -> Box:
    """Cells that a window may hold: the slice's, and one beyond each side that a click is close to.

    Without it the network, whose convolutions see zeros outside, hardly answers a click in the
    outermost pixels. What lies beyond is the slice, mirrored.
    """
    rows, cols = scale.canvas(shape)
    near = math.ceil(NEAR_BORDER / scale.factor)
    height, width = shape
    return Box(
        -any(click.row < near for click in clicks),
        -any(click.col < near for click in clicks),
        rows + any(height - click.row <= near for click in clicks),
        cols + any(width - click.col <= near for click in clicks),
    )


def open_window(
    box: Box,
    scale: Scale,
    shape: tuple[int, int],
    smallest: int = SMALLEST_WINDOW,
    clicks: Sequence[Click] = (),
) -> Box:
    """Cells around an object: 1.4 times its box, 384 network pixels or more.

    They lie inside the slice, save for a cell beyond a side that a click is close to.

    Parameters
    ----------
    box : Box
        Box of the object, in image pixels.
    scale : Scale
        Scale of the cells.
    shape : tuple of int
        Rows and columns of the slice, in pixels.
    smallest : int
        Shortest side, in network pixels, where the slice has as much.
    clicks : sequence of Click
        The object's.
    """
    canvas = canvas_of(clicks, scale, shape)
    least = math.ceil(smallest / scale.cell)
    (r0, r1), (c0, c1) = (
        _span(low, high, scale.pixels, least, first, last)
        for low, high, first, last in zip(box[:2], box[2:], canvas[:2], canvas[2:], strict=True)
    )
    return Box(r0, c0, r1, c1)


def keep_window(window: Box, box: Box, newest: Click, scale: Scale, shape: tuple[int, int]) -> bool:
    """Tell whether a window still serves: the object is inside and not cut off by an edge.

    A negative click says that the mask is too large, so a mask that leaks over the edge does
    not make the window grow then.
    """
    pixels = window.times(scale.pixels)
    if _lacks_margin(window, canvas_of([newest], scale, shape), scale.canvas(shape)):
        return False
    if not pixels.holds(newest.row, newest.col) or pixels.unite(box) != pixels:
        return False
    if not newest.positive:
        return True
    edges = zip(box, pixels, (0, 0, *shape), strict=True)
    return not any(side == edge and side != end for side, edge, end in edges)


def _lacks_margin(window: Box, canvas: Box, cells: tuple[int, int]) -> bool:
    """Tell whether a window ends with the slice where it may hold a cell beyond."""
    edges = zip(window, (0, 0, *cells), canvas, strict=True)
    return any(side == edge != wanted for side, edge, wanted in edges)


def better_level(
    level: int, box: Box, extent: Box, newest: Click, trained_diameter: float, scale: Scale
) -> int:
    """Move a level up (coarser) or down (finer) for an object unlike those of the training.

    Parameters
    ----------
    level : int
        The present level; each level up halves the resolution.
    box : Box
        Box of the last mask and all clicks, in image pixels; it has to fit into a window.
    extent : Box
        Box of the last mask and the positive clicks alone: the size of the object.
    newest : Click
        Only a positive click, which says that the object is larger still, moves a level up, and
        only a negative one a level down.
    trained_diameter : float
        Diameter of the objects of the training, in network pixels.
    scale : Scale
        Scale of the present level.
    """
    needed = max(box.shape) * scale.factor * MARGIN
    if needed > LARGEST_WINDOW:
        return level + math.ceil(math.log2(needed / LARGEST_WINDOW))
    side = max(extent.shape) * scale.factor
    if newest.positive and side > COARSER_BEYOND * trained_diameter:
        return level + 1
    if not newest.positive and side < FINER_BELOW * trained_diameter and scale.pixels > 1:
        return level - 1
    return level


def _span(low: int, high: int, pixels: int, least: int, first: int, last: int) -> tuple[int, int]:
    """Cells from a margin before `low` to one after `high`, shifted into first … last."""
    middle, half = (low + high) / 2, (high - low) / 2 * MARGIN
    start, stop = math.floor((middle - half) / pixels), math.ceil((middle + half) / pixels)
    if stop - start < least:
        start = round(middle / pixels - least / 2)
        stop = start + least
    shift = max(0, first - start) - max(0, stop - last)
    return max(first, start + shift), min(last, stop + shift)
