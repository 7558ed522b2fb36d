"""Objects that cost no labels: regions that an image itself suggests, drawn and pasted objects.

References
----------
Wong et al., "ScribblePrompt: Fast and Flexible Interactive Segmentation for Any Biomedical Image",
ECCV 2024: superpixels as labels make a network general.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator

Array = np.ndarray[Any, np.dtype[Any]]

_SPACING = (16.0, 80.0)
_LEAST_AREA = 60
_LARGEST_PART = 0.5
_LEAST_CONTRAST = 0.25
_TRIES = 3
_MOST_UNIONS = 4


def suggested_region(image: Array, rng: Generator) -> Array | None:
    """Flood an image from random markers and unite neighbours of like brightness.

    Parameters
    ----------
    image : float32, shape (S, S) or (S, S, 3), 0–255
        A crop before its intensities are varied.
    rng : Generator
        Source of randomness.

    Returns
    -------
    bool, shape (S, S), or ``None`` where the image suggests nothing: all that was tried differs
    from its surroundings by less than a quarter of the image's standard deviation.
    """
    sharp = _three_channels(image).clip(0, 255).astype(np.uint8)
    pixels = np.asarray(cv2.GaussianBlur(sharp, (0, 0), rng.uniform(0.8, 3.0)))
    for _ in range(_TRIES):
        regions = _flooded(pixels, rng)
        mask = _united(regions, pixels, rng)
        area = np.count_nonzero(mask)
        if _LEAST_AREA <= area <= _LARGEST_PART * mask.size and _stands_out(mask, pixels):
            return mask
    return None


def drawn_object(image: Array, rng: Generator) -> tuple[Array, Array, Array]:
    """Draw a worm, a tree, a ring or a blob with a texture of its own, among others of its kind.

    Parameters
    ----------
    image : float32, shape (S, S) or (S, S, 3), 0–255
        A crop before its intensities are varied.
    rng : Generator
        Source of randomness.

    Returns
    -------
    image : float32, of the same shape
    mask : bool, shape (S, S)
        Of the object.
    others : bool, shape (S, S)
        Of those like it; where they cross, the object lies on top.
    """
    size = image.shape[0]
    kind = _KINDS[rng.integers(len(_KINDS))]
    extent = float(np.exp(rng.uniform(np.log(14), np.log(0.9 * size))))
    thickness = float(rng.uniform(1.5, max(2.5, min(14.0, 0.15 * extent))))
    look = _Look(rng)
    others = np.zeros((size, size), bool)
    for _ in range(rng.integers(4)):
        soft = kind(size, rng.uniform(0.15, 0.85, 2) * size, extent, thickness, rng)
        image = look.painted(image, soft, rng)
        others |= soft > 127
    soft = kind(size, rng.uniform(0.35, 0.65, 2) * size, extent, thickness, rng)
    mask: Array = soft > 127
    return look.painted(image, soft, rng), mask, others & ~mask


def pasted_object(image: Array, pasted: Array, mask: Array, rng: Generator) -> Array:
    """Lay an object's pixels onto an image, with a soft rim and a tone near the image's own.

    Parameters
    ----------
    image, pasted : float32, shape (S, S) or (S, S, 3), 0–255
        Where to, and where from.
    mask : bool, shape (S, S)
        The object in `pasted`.
    rng : Generator
        Source of randomness.

    Returns
    -------
    float32, shape (S, S) or (S, S, 3)
    """
    if image.ndim != pasted.ndim:
        image, pasted = _three_channels(image), _three_channels(pasted)
    own, other = image.std() + 1.0, pasted.std() + 1.0
    pasted = (pasted - pasted.mean()) * np.float32(own / other * rng.uniform(0.8, 1.3))
    pasted = pasted + np.float32(image.mean())
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), rng.uniform(0.4, 1.2))
    if image.ndim == 3:
        soft = soft[..., None]
    blended: Array = image + soft * (pasted - image)
    return blended


class _Look:
    """Brightness, colour, texture and sharpness that drawn objects of a crop share."""

    def __init__(self, rng: Generator) -> None:
        self._contrast = rng.uniform(20, 110, 3) * rng.choice((-1, 1))
        if rng.random() < 0.7:
            self._contrast[:] = self._contrast[0]
        self._grain = rng.uniform(0, 25)
        self._cells = int(rng.integers(6, 48))
        self._blur = rng.uniform(0.4, 1.6)
        self._hollow = rng.random() < 0.15

    def painted(self, image: Array, soft: Array, rng: Generator) -> Array:
        """Paint a mask of 0–255 onto an image."""
        alpha = cv2.GaussianBlur(soft.astype(np.float32) / 255, (0, 0), self._blur)
        if self._hollow:  # a wall is all that shows
            inner = cv2.erode(soft, np.ones((5, 5), np.uint8)).astype(np.float32) / 255
            alpha = alpha - 0.8 * cv2.GaussianBlur(inner, (0, 0), self._blur)
        noise = rng.standard_normal((self._cells, self._cells)).astype(np.float32)
        grain = self._grain * cv2.resize(noise, soft.shape[::-1], interpolation=cv2.INTER_CUBIC)
        if image.ndim == 2:
            return np.asarray(image + alpha * (np.float32(self._contrast[0]) + grain), np.float32)
        added = self._contrast.astype(np.float32) + grain[..., None]
        return np.asarray(image + alpha[..., None] * added, np.float32)


def _worm(size: int, start: Array, extent: float, thickness: float, rng: Generator) -> Array:
    canvas = np.zeros((size, size), np.uint8)
    _draw_line(canvas, _walk(start, extent, rng), thickness)
    return canvas


def _tree(size: int, start: Array, extent: float, thickness: float, rng: Generator) -> Array:
    canvas = np.zeros((size, size), np.uint8)
    trunk = _walk(start, extent, rng)
    _draw_line(canvas, trunk, thickness)
    for _ in range(rng.integers(2, 6)):
        root = trunk[rng.integers(len(trunk))]
        branch = _walk(root, extent * rng.uniform(0.2, 0.7), rng)
        _draw_line(canvas, branch, max(1.5, thickness * rng.uniform(0.4, 0.9)))
    if rng.random() < 0.4:  # a cell body
        cv2.circle(canvas, _point(trunk[0]), round(thickness * rng.uniform(1, 2.5)), 255, -1)
    return canvas


def _ring(size: int, start: Array, extent: float, thickness: float, rng: Generator) -> Array:
    canvas = np.zeros((size, size), np.uint8)
    axes = (max(2, round(extent / 2)), max(2, round(extent / 2 * rng.uniform(0.4, 1))))
    angle = rng.uniform(0, 180)
    sweep = 360 if rng.random() < 0.7 else rng.uniform(120, 330)
    width = max(2, round(thickness))
    cv2.ellipse(canvas, _point(start), axes, angle, 0, sweep, 255, width, cv2.LINE_AA)
    return canvas


def _blob(size: int, start: Array, extent: float, thickness: float, rng: Generator) -> Array:
    canvas = np.zeros((size, size), np.uint8)
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.full(64, extent / 2)
    for order in range(2, 7):
        wave = rng.normal(0, 0.35 / order)
        radius *= 1 + wave * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    radius = radius.clip(0.1 * extent)
    outline = start + radius[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    cv2.fillPoly(canvas, [np.rint(outline).astype(np.int32)], 255, cv2.LINE_AA)
    return canvas


_KINDS = (_worm, _tree, _ring, _blob)


def _walk(start: Array, length: float, rng: Generator) -> Array:
    """Points, x before y, along a line that bends at random."""
    steps = max(4, round(length / 4))
    turns = rng.normal(0, rng.uniform(0.02, 0.35), steps).cumsum() + rng.uniform(0, 2 * np.pi)
    moves = np.column_stack([np.cos(turns), np.sin(turns)]) * (length / steps)
    path: Array = start + moves.cumsum(0)
    return path


def _draw_line(canvas: Array, points: Array, thickness: float) -> None:
    line = np.rint(points).astype(np.int32)[:, None]
    cv2.polylines(canvas, [line], False, 255, max(1, round(thickness)), cv2.LINE_AA)


def _point(place: Array) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))


def _three_channels(image: Array) -> Array:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _flooded(pixels: Array, rng: Generator) -> Array:
    """Watershed regions, numbered from 1; 0 where they meet."""
    size = pixels.shape[0]
    spacing = float(np.exp(rng.uniform(*np.log(_SPACING))))
    count = int(np.clip((size / spacing) ** 2, 4, 400))
    markers = np.zeros(pixels.shape[:2], np.int32)
    places = rng.choice(markers.size, count, replace=False)
    markers.ravel()[places] = np.arange(1, count + 1)
    return np.asarray(cv2.watershed(np.ascontiguousarray(pixels), markers)).clip(0)


def _united(regions: Array, pixels: Array, rng: Generator) -> Array:
    """A region at random and up to four of its neighbours, those of likest brightness first."""
    grey = pixels.mean(-1)
    sums = np.bincount(regions.ravel(), grey.ravel())
    means = sums / np.bincount(regions.ravel()).clip(1)
    chosen = [int(rng.integers(1, len(means)))]
    kernel = np.ones((5, 5), np.uint8)
    for _ in range(rng.integers(_MOST_UNIONS + 1)):
        grown = cv2.dilate(np.isin(regions, chosen).astype(np.uint8), kernel) > 0
        beside = [item for item in np.unique(regions[grown]) if item and item not in chosen]
        if not beside:
            break
        own = means[chosen].mean()
        chosen.append(int(min(beside, key=lambda item: abs(means[item] - own))))
    mask = np.isin(regions, chosen).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))) > 0


def _stands_out(mask: Array, pixels: Array) -> bool:
    around = cv2.dilate(mask.astype(np.uint8), np.ones((11, 11), np.uint8)).astype(bool) & ~mask
    if not around.any():
        return False
    difference = np.abs(pixels[mask].mean(0) - pixels[around].mean(0)).max()
    return bool(difference > _LEAST_CONTRAST * max(float(pixels.std()), 4.0))
