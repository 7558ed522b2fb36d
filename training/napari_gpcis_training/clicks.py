"""Simulated clicks: the first ones, those on a model's errors, and the benchmark's clicker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from napari_gpcis_training.augment import BACKGROUND, OTHER, OUTSIDE, TARGET

if TYPE_CHECKING:
    from numpy.random import Generator

    from napari_gpcis_training.config import ClickConfig

Array = np.ndarray[Any, np.dtype[Any]]

_NEGATIVE_PLACES = (0.1, 0.4, 0.5)
"""Probabilities that a negative click lies anywhere, on another object, or near the outline."""

_EROSION_PROBABILITY = 0.9


def initial_clicks(codes: Array, rng: Generator, config: ClickConfig) -> Array:
    """Draw the clicks that a crop starts with.

    Parameters
    ----------
    codes : uint8, shape (S, S)
        A crop's codes, with at least one `TARGET` pixel.
    rng, config
        Source of randomness, and how many clicks to draw.

    Returns
    -------
    float32, shape (n, 3)
        Row, column and sign (±1); the first is positive.
    """
    target = codes == TARGET
    clicks = [(*first_position(target, rng), 1.0)]
    if rng.random() >= config.single_probability:
        inner = _eroded(target) if rng.random() < _EROSION_PROBABILITY else target
        clicks += [(*_pick(inner, rng), 1.0) for _ in range(_draw_count(rng, config))]
        clicks += _negative_clicks(codes, target, _draw_count(rng, config), rng)
    return _as_clicks(clicks)


def class_clicks(codes: Array, rng: Generator, config: ClickConfig) -> Array:
    """Draw clicks of a class-mode sample: on objects at random, and on the background.

    Parameters
    ----------
    codes : uint8, shape (S, S)
        A crop's codes with every object as `TARGET`.
    rng, config
        Source of randomness, and how many clicks to draw.

    Returns
    -------
    float32, shape (n, 3)
    """
    target = codes == TARGET
    clicks = [(*first_position(target, rng), 1.0)]
    clicks += [(*_pick(target, rng), 1.0) for _ in range(_draw_count(rng, config))]
    clicks += _negative_clicks(codes, target, 1 + _draw_count(rng, config), rng)
    return _as_clicks(clicks)


def first_position(target: Array, rng: Generator) -> tuple[int, int]:
    """Row and column well inside the target: where its distance transform > max / 1.7."""
    distance = distance_inside(target)
    return _pick(distance > distance.max() / 1.7, rng)


def error_click(
    probability: Array, codes: Array, rng: Generator, threshold: float
) -> tuple[int, int, float] | None:
    """Draw a click from the middle of the larger error.

    Parameters
    ----------
    probability : shape (S, S)
        What the model says so far.
    codes : uint8, shape (S, S)
        The crop's codes.
    rng
        Source of randomness.
    threshold
        Probability above which a pixel counts as object.

    Returns
    -------
    Row, column and sign, or ``None`` where there is no error.
    """
    predicted = probability > threshold
    target = codes == TARGET
    missed = distance_inside(target & ~predicted & (codes != OUTSIDE))
    excess = distance_inside(~target & predicted & (codes != OUTSIDE))
    positive = missed.max() > excess.max()
    distance = missed if positive else excess
    if distance.max() <= 0:
        return None
    return (*_pick(distance > distance.max() / 2, rng), 1.0 if positive else -1.0)


def evaluation_click(
    predicted: Array, target: Array, valid: Array, clicked: Array
) -> tuple[int, int, float] | None:
    """Place the benchmark's next click: in the middle of the largest error, deterministically.

    Parameters
    ----------
    predicted, target, valid, clicked : bool, shape (H, W)
        The mask so far, the object, where errors count, and the pixels that have a click.

    Returns
    -------
    Row, column and sign, or ``None`` where no unclicked pixel is wrong. A missed part wins only if
    it is strictly deeper than an excess; of equal pixels the first in row-major order is taken.

    References
    ----------
    Sofiiuk et al., Reviving Iterative Training with Mask Guidance, 2021: the protocol.
    """
    missed = distance_inside(target & ~predicted & valid) * ~clicked
    excess = distance_inside(~target & predicted & valid) * ~clicked
    positive = bool(missed.max() > excess.max())
    distance = missed if positive else excess
    if distance.max() <= 0:
        return None
    row, col = np.unravel_index(int(distance.argmax()), distance.shape)
    return int(row), int(col), 1.0 if positive else -1.0


def distance_inside(mask: Array) -> Array:
    """Exact Euclidean distance to the nearest pixel outside the mask or beyond the frame, px."""
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance)[1:-1, 1:-1]


def corrupted_mask(target: Array, rng: Generator) -> Array:
    """Make a previous mask that is nearly right: grown or shrunk, with a rectangle flipped.

    Returns
    -------
    float32, shape (S, S), 0–1
    """
    mask: Array = target.astype(np.uint8)
    diameter = 2 * np.sqrt(target.sum() / np.pi)
    radius = round(rng.uniform(0, 0.12) * diameter)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    mask = cv2.dilate(mask, kernel) if rng.random() < 0.5 else cv2.erode(mask, kernel)
    if rng.random() < 0.7:
        row, col = _pick(target, rng)
        height, width = np.rint(rng.uniform(0.1, 0.35, 2) * diameter).astype(int)
        part = np.s_[max(0, row - height) : row + height, max(0, col - width) : col + width]
        mask[part] = 1 - mask[part] if rng.random() < 0.5 else 0
    return blurred(mask, rng)


def blurred(mask: Array, rng: Generator) -> Array:
    """A mask of 0 and 1 with an outline as soft as a network's; float32, shape (S, S)."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), rng.uniform(0.5, 3))
    return np.asarray(soft, np.float32)


def _negative_clicks(
    codes: Array, target: Array, count: int, rng: Generator
) -> list[tuple[int, int, float]]:
    places = (
        (codes == BACKGROUND) | (codes == OTHER),
        codes == OTHER,
        _outline(target) & (codes != OUTSIDE),
    )
    clicks: list[tuple[int, int, float]] = []
    for place in rng.choice(3, size=count, p=_NEGATIVE_PLACES):
        allowed = places[place] if places[place].any() else places[0]
        if allowed.any():
            clicks.append((*_pick(allowed, rng), -1.0))
    return clicks


def _outline(target: Array) -> Array:
    """Pixels outside the target, near it: within a tenth of its extent."""
    width = max(2, int(0.2 * np.sqrt(target.sum())))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    grown: Array = cv2.dilate(target.astype(np.uint8), kernel).astype(bool) & ~target
    return grown


def _eroded(target: Array) -> Array:
    distance = distance_inside(target)
    inner: Array = distance > min(3.0, distance.max() / 2)
    return inner


def _draw_count(rng: Generator, config: ClickConfig) -> int:
    """Draw 0 … maximum − 1 further clicks; one more is `decay` times as likely."""
    weights = config.decay ** np.arange(config.maximum)
    return int(rng.choice(config.maximum, p=weights / weights.sum()))


def _pick(mask: Array, rng: Generator) -> tuple[int, int]:
    places = np.flatnonzero(mask)
    row, col = divmod(int(places[rng.integers(len(places))]), mask.shape[1])
    return row, col


def _as_clicks(clicks: list[tuple[int, int, float]]) -> Array:
    return np.asarray(clicks, np.float32).reshape(-1, 3)
