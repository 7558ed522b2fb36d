"""Simulated strokes and boxes: both reach the network as labelled pixels, like clicks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from skimage.morphology import skeletonize

from napari_gpcis_training.augment import BACKGROUND, OTHER, OUTSIDE, TARGET

if TYPE_CHECKING:
    from numpy.random import Generator

Array = np.ndarray[Any, np.dtype[Any]]

_LENGTH = (5, 60)
_BOX_CLICKS = (4, 17)
_NEGATIVE_PROBABILITY = 0.4
_SKELETON_PROBABILITY = 0.4


def stroke_clicks(codes: Array, rng: Generator) -> Array:
    """Draw a stroke through the object and, now and then, one beside it.

    Parameters
    ----------
    codes : uint8, shape (S, S)
        A crop's codes, with at least one `TARGET` pixel.
    rng : Generator
        Source of randomness.

    Returns
    -------
    float32, shape (n, 3)
        Row, column and sign (±1) of 5 to 60 pixels a stroke, or as many as there are.
    """
    target = codes == TARGET
    along = rng.random() < _SKELETON_PROBABILITY
    path = _middle_line(target, rng) if along else _freehand(target, rng)
    strokes = [_signed(_thinned(path, rng), 1.0)]
    if rng.random() < _NEGATIVE_PROBABILITY:
        beside = _beside(target, codes)
        if beside.any():
            strokes.append(_signed(_thinned(_middle_line(beside, rng), rng), -1.0))
    return np.concatenate(strokes)


def box_clicks(codes: Array, rng: Generator) -> Array:
    """Draw 4 to 16 negative pixels just outside the object's box.

    Parameters
    ----------
    codes : uint8, shape (S, S)
        A crop's codes, with at least one `TARGET` pixel.
    rng : Generator
        Source of randomness.

    Returns
    -------
    float32, shape (n, 3)
        Empty where no side of the box is within the crop.
    """
    target = codes == TARGET
    rows, cols = np.flatnonzero(target.any(1)), np.flatnonzero(target.any(0))
    margin = 1 + rng.integers(0, 2 + round(0.04 * max(len(rows), len(cols))))
    frame = np.zeros(codes.shape, np.uint8)
    first, last = (cols[0] - margin, rows[0] - margin), (cols[-1] + margin, rows[-1] + margin)
    cv2.rectangle(frame, tuple(map(int, first)), tuple(map(int, last)), 1)
    places = np.argwhere((frame > 0) & (codes != OUTSIDE) & ~target)
    if not len(places):
        return np.zeros((0, 3), np.float32)
    count = min(len(places), int(rng.integers(*_BOX_CLICKS)))
    # evenly around, as a box's sides are
    start = rng.integers(len(places))
    centre = places.mean(0)
    order = np.argsort(np.arctan2(*(places - centre).T))
    chosen = np.roll(order, -start)[np.linspace(0, len(places), count, endpoint=False).astype(int)]
    return _signed(places[chosen], -1.0)


def _middle_line(mask: Array, rng: Generator) -> Array:
    """A connected part of the mask's skeleton, as rows and columns."""
    line = np.argwhere(skeletonize(mask))
    if not len(line):
        line = np.argwhere(mask)
    start = line[rng.integers(len(line))]
    jitter = rng.integers(-1, 2, line.shape)
    near = np.argsort(np.abs(line - start).max(1), kind="stable")[: rng.integers(*_LENGTH) + 1]
    moved = (line[near] + jitter[near]).clip(0, np.array(mask.shape) - 1)
    inside: Array = moved[mask[moved[:, 0], moved[:, 1]]]
    return inside if len(inside) else start[None]


def _freehand(mask: Array, rng: Generator) -> Array:
    """Those pixels of a line through two to four places of the mask that lie within it."""
    places = np.argwhere(mask)
    corners = places[rng.integers(len(places), size=rng.integers(2, 5))]
    canvas = np.zeros(mask.shape, np.uint8)
    line = corners[:, ::-1].astype(np.int32)[:, None]
    cv2.polylines(canvas, [np.ascontiguousarray(line)], False, 1)
    return np.argwhere((canvas > 0) & mask)


def _thinned(path: Array, rng: Generator) -> Array:
    """Between 5 and 60 of the pixels, evenly spread."""
    count = min(len(path), int(rng.integers(_LENGTH[0], _LENGTH[1] + 1)))
    return np.asarray(path[np.linspace(0, len(path) - 1, count).round().astype(int)])


def _beside(target: Array, codes: Array) -> Array:
    """Background and other objects within a fifth of the object's extent."""
    width = max(3, int(0.2 * np.sqrt(target.sum())))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    grown = cv2.dilate(target.astype(np.uint8), kernel).astype(bool)
    return np.asarray(grown & ((codes == BACKGROUND) | (codes == OTHER)))


def _signed(places: Array, sign: float) -> Array:
    return np.column_stack([places, np.full(len(places), sign)]).astype(np.float32)
