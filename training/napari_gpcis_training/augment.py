"""Crops around an object at network scale, and their augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from scipy.special import ndtr, ndtri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from napari_gpcis_training.config import AugmentConfig
    from napari_gpcis_training.data.sets import LabelledSlice

Array = np.ndarray[Any, np.dtype[Any]]

BACKGROUND, TARGET, OTHER, OUTSIDE = 0, 1, 2, 255
"""Codes of a crop's pixels: nothing, the picked object, another object, beyond the image."""

_SHARPEST_DOWNSCALING = 1.5
_LARGEST_PART = 0.95
_LEAST_INSIDE = 0.7
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Crop:
    """A square crop.

    Attributes
    ----------
    image : float32, shape (3, S, S), 0–1
    codes : uint8, shape (S, S)
        `BACKGROUND`, `TARGET`, `OTHER` or `OUTSIDE`.
    """

    image: Array
    codes: Array


def training_crop(source: LabelledSlice, rng: Generator, config: AugmentConfig, size: int) -> Crop:
    """Pick an object of a slice and draw an augmented crop of `size` px around it."""
    picked = source.objects[rng.integers(len(source.objects))]
    scale = draw_scale(source, picked, rng, config, size)
    matrix = draw_affine(source, picked, scale, rng, config, size)
    numbers = _with_another(source, picked, matrix, rng, config, size)
    image, codes = warp(source, numbers, matrix, size)
    if not np.any(codes == TARGET):
        matrix = centred_affine(picked, size / scale, size)
        image, codes = warp(source, numbers, matrix, size)
    return Crop(augment_intensity(source, image, rng, config), codes)


def image_crop(source: LabelledSlice, rng: Generator, config: AugmentConfig, size: int) -> Crop:
    """Draw a part of the image, resized to `size` px, and an object that shows in it.

    References
    ----------
    Zhou et al., "Interactive Segmentation as Gaussian Process Classification", CVPR 2023: the
    aligned augmentation of its reference implementation. There, what lies beyond the image is
    black background; here it does not count.
    """
    for _ in range(_TRIES):
        matrix = _draw_part(source, rng, config, size)
        shown = objects_within(source, matrix, size)
        if not len(shown):
            continue
        picked = shown[rng.integers(len(shown))]
        numbers = _with_another(source, picked, matrix, rng, config, size)
        image, codes = warp(source, numbers, matrix, size)
        if np.count_nonzero(codes == TARGET) >= config.least_target:
            return Crop(augment_intensity(source, image, rng, config), codes)
    picked = source.objects[rng.integers(len(source.objects))]
    matrix = centred_affine(picked, min(source.labels.shape), size)
    image, codes = warp(source, (int(picked[0]),), matrix, size)
    return Crop(augment_intensity(source, image, rng, config), codes)


def plain_crop(source: LabelledSlice, picked: Array, sizes: float, size: int) -> Crop:
    """Cut out a square of `sizes` times the object's longer side, resized to `size` px."""
    side = sizes * max(picked[3] - picked[1], picked[4] - picked[2])
    image, codes = warp(source, (int(picked[0]),), centred_affine(picked, side, size), size)
    return Crop(_to_network(normalise(image, source.low, source.high)), codes)


def centred_affine(picked: Array, side: float, size: int) -> Array:
    """Map a square of `side` px around an object onto one of `size` px; shape (2, 3), x before y.

    Pixel centres have integer coordinates on both sides.
    """
    scale = size / side
    centre_col, centre_row = (picked[2] + picked[4] - 1) / 2, (picked[1] + picked[3] - 1) / 2
    middle = (size - 1) / 2
    return np.array(
        [[scale, 0, middle - scale * centre_col], [0, scale, middle - scale * centre_row]]
    )


def objects_within(source: LabelledSlice, matrix: Array, size: int) -> Array:
    """Those rows of the slice's objects whose middle an affine map takes into the crop."""
    boxes = source.objects[:, 1:5].astype(float)
    middles = (boxes[:, :2] + boxes[:, 2:] - 1)[:, ::-1] / 2
    mapped = middles @ matrix[:, :2].T + matrix[:, 2]
    inside: Array = ((mapped >= 0) & (mapped <= size - 1)).all(1)
    return np.asarray(source.objects[inside])


def warp(
    source: LabelledSlice, numbers: Sequence[int], matrix: Array, size: int
) -> tuple[Array, Array]:
    """Apply an affine map to the image, and to its labels as codes for the objects `numbers`.

    The image is reflected beyond its border; the codes say `OUTSIDE` there.

    Returns
    -------
    image : float32, shape (S, S, 3) or (S, S), 0–255
    codes : uint8, shape (S, S)
    """
    view = View(source, matrix, size)
    return view.image(), view.codes(numbers)


class View:
    """What a crop shows of a slice.

    Parameters
    ----------
    source : LabelledSlice
    matrix : shape (2, 3)
        Affine map from the slice to the crop, x before y.
    size : int
        Side of the crop, px.
    bend : float32, shape (S, S, 2), optional
        Where each pixel of the crop is taken from, relative to its own place: x, y in px.
    """

    def __init__(
        self, source: LabelledSlice, matrix: Array, size: int, bend: Array | None = None
    ) -> None:
        self._scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        reach = 0.0 if bend is None else float(np.abs(bend).max())
        margin = int(4 + (3 + reach) / self._scale)
        rows, cols = _needed_box(matrix, size, source.labels.shape, margin)
        self._image, self._labels = source.image[rows, cols], source.labels[rows, cols]
        self._matrix = matrix.copy()
        self._matrix[:, 2] += matrix[:, :2] @ (cols.start, rows.start)
        self._size = size
        self._map = None if bend is None else self._bent_map(bend)

    def image(self) -> Array:
        """Pixels, float32, (S, S, 3) or (S, S), 0–255; reflected beyond the slice's border."""
        image = self._image
        if self._scale < 1 / _SHARPEST_DOWNSCALING:
            sigma = 0.4 / self._scale
            image = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
        return self._warped(image, cv2.BORDER_REFLECT_101).astype(np.float32)

    def codes(self, numbers: Sequence[int]) -> Array:
        """Codes with the objects `numbers` as target, uint8, (S, S)."""
        masks = np.zeros((*self._labels.shape, 3), np.uint8)
        for number in numbers:
            masks[..., 0] |= np.where(self._labels == number, np.uint8(255), np.uint8(0))
        masks[..., 1] = 255 * (self._labels > 0)
        masks[..., 2] = 255
        # linear interpolation, cut at half, so that outlines stay smooth
        warped = self._warped(masks, cv2.BORDER_CONSTANT)
        target, foreground, inside = (warped[..., channel] > 127 for channel in range(3))
        codes = np.where(target, TARGET, np.where(foreground, OTHER, BACKGROUND)).astype(np.uint8)
        codes[~inside] = OUTSIDE
        return codes

    def numbers(self) -> Array:
        """Label numbers, uint16, (S, S), of the nearest pixels; 0 beyond the slice's border."""
        shape = (self._size, self._size)
        if self._map is not None:
            nearest = cv2.remap(self._labels, *self._map, cv2.INTER_NEAREST)
            return np.asarray(nearest)
        return np.asarray(
            cv2.warpAffine(self._labels, self._matrix, shape, flags=cv2.INTER_NEAREST)
        )

    def _warped(self, pixels: Array, border: int) -> Array:
        if self._map is not None:
            warped = cv2.remap(pixels, *self._map, cv2.INTER_LINEAR, borderMode=border)
        else:
            shape = (self._size, self._size)
            warped = cv2.warpAffine(
                pixels, self._matrix, shape, flags=cv2.INTER_LINEAR, borderMode=border
            )
        return np.asarray(warped)

    def _bent_map(self, bend: Array) -> tuple[Array, Array]:
        rows, cols = np.mgrid[: self._size, : self._size].astype(np.float32)
        places = np.stack([cols, rows], -1) + bend
        inverse = cv2.invertAffineTransform(self._matrix).astype(np.float32)
        mapped = places @ inverse[:, :2].T + inverse[:, 2]
        return np.ascontiguousarray(mapped[..., 0]), np.ascontiguousarray(mapped[..., 1])


def augment_intensity(
    source: LabelledSlice, image: Array, rng: Generator, config: AugmentConfig
) -> Array:
    """Normalise as the engine does, most of the time, and vary tone, channels, noise and blur.

    Returns
    -------
    float32, shape (3, S, S), 0–1
    """
    if not config.intensity:
        return _to_network(normalise(image, 0.0, 255.0))
    image = normalise(image, *_draw_range(source, image, rng))
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if rng.random() < config.channel_probability:
        image = _mix_channels(image, rng)
    if rng.random() < config.invert_probability:
        image = 1 - image
    if rng.random() < 0.5:
        image = image ** np.float32(config.gamma ** rng.uniform(-1, 1))
    if rng.random() < 0.5:
        image = image * np.float32(rng.uniform(0.6, 1.2)) + np.float32(rng.uniform(-0.15, 0.15))
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, max(config.blur, 0.31)))
    if rng.random() < 0.4:
        grey = rng.random() < 0.7
        shape = (*image.shape[:2], 1) if grey else image.shape
        deviation = np.float32(rng.uniform(0, config.noise))
        image = image + deviation * rng.standard_normal(shape, np.float32)
    return _to_network(image)


def normalise(image: Array, low: float, high: float) -> Array:
    """Stretch intensities from `low`–`high` to 0–1, clipped."""
    stretched: Array = ((image - np.float32(low)) / np.float32(high - low)).clip(0, 1)
    return stretched


def _with_another(
    source: LabelledSlice,
    picked: Array,
    matrix: Array,
    rng: Generator,
    config: AugmentConfig,
    size: int,
) -> tuple[int, ...]:
    """Number of the picked object and, now and then, of another one in the crop."""
    number = int(picked[0])
    if config.merge_probability and rng.random() < config.merge_probability:
        others = [int(row[0]) for row in objects_within(source, matrix, size) if row[0] != number]
        if others:
            return number, others[rng.integers(len(others))]
    return (number,)


def _draw_part(source: LabelledSlice, rng: Generator, config: AugmentConfig, size: int) -> Array:
    """Map a part of the image, of its own height and width, onto the crop; flips included."""
    linear, offset = np.zeros((2, 2)), np.zeros(2)
    mean, deviation, *ends = config.image_ratio
    low, high = ndtr((np.array(ends) - mean) / deviation)
    for axis, length in ((0, source.labels.shape[1]), (1, source.labels.shape[0])):
        part = length * (mean + deviation * ndtri(rng.uniform(low, high)))
        # a part beyond the image's size lies around it as freely as a smaller one lies within
        start = rng.uniform(min(0.0, length - part), max(0.0, length - part))
        scale = size / part
        linear[axis, axis], offset[axis] = scale, -0.5 - scale * (start - 0.5)
        if rng.random() < config.flip_probability:
            linear[axis, axis], offset[axis] = -scale, size - 1 - offset[axis]
    return np.column_stack([linear, offset])


def draw_scale(
    source: LabelledSlice, picked: Array, rng: Generator, config: AugmentConfig, size: int
) -> float:
    """Crop pixels per image pixel; raised where the image would fill too little of the crop."""
    diameter = 2 * np.sqrt(picked[5] / np.pi)
    smallest, largest = config.diameter
    largest = max(smallest, min(largest, _LARGEST_PART * size))
    scale = _draw_diameter(smallest, largest, rng, config) / diameter
    filling = _LEAST_INSIDE * size / min(source.labels.shape)
    return float(max(scale, min(filling, largest / diameter)))


def _draw_diameter(smallest: float, largest: float, rng: Generator, config: AugmentConfig) -> float:
    if config.usual_diameter is None:
        return float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
    drawn = config.usual_diameter * np.exp(rng.normal(0, config.diameter_spread))
    return float(np.clip(drawn, smallest, largest))


def draw_affine(
    source: LabelledSlice,
    picked: Array,
    scale: float,
    rng: Generator,
    config: AugmentConfig,
    size: int,
) -> Array:
    """Scale, stretch, rotate and flip around a point near the object; shape (2, 3), x before y."""
    quarter = np.pi / 2 * rng.integers(4)
    free = rng.uniform(0, np.pi / 2) if rng.random() < config.rotation_probability else 0.0
    cos, sin = np.cos(quarter + free), np.sin(quarter + free)
    stretch = config.aspect ** rng.uniform(-0.5, 0.5)
    flip = rng.choice((-1, 1))
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag(
        (flip * scale * stretch, scale / stretch)
    )
    height, width = source.labels.shape
    middle = np.array([(picked[2] + picked[4] - 1) / 2, (picked[1] + picked[3] - 1) / 2])
    jitter = np.clip(rng.normal(0, config.centre_jitter / 2, 2), -0.45, 0.45) * size / scale
    half = np.minimum(0.5 * size / scale, 0.5 * np.array([width, height]))
    centre = np.clip(middle + jitter, half, np.array([width, height]) - half)
    offset = (size - 1) / 2 - linear @ centre
    return np.column_stack([linear, offset])


def _needed_box(
    matrix: Array, size: int, shape: tuple[int, ...], margin: int
) -> tuple[slice, slice]:
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]]) @ inverse[:, :2].T
    corners = corners + inverse[:, 2]
    bounds = []
    for axis, length in ((1, shape[0]), (0, shape[1])):
        start = int(np.clip(np.floor(corners[:, axis].min()) - margin, 0, length - 1))
        stop = int(np.clip(np.ceil(corners[:, axis].max()) + margin, start + 1, length))
        bounds.append(slice(start, stop))
    return bounds[0], bounds[1]


def _draw_range(source: LabelledSlice, image: Array, rng: Generator) -> tuple[float, float]:
    draw = rng.random()
    if draw < 0.7:
        return source.low, source.high
    if draw < 0.9:
        low, high = np.percentile(image, (0.1, 99.9))
        return float(low), float(max(high, low + 8))
    return 0.0, 255.0


def _mix_channels(image: Array, rng: Generator) -> Array:
    """Grey, shuffled, one dropped, tinted, or one channel alone."""
    kind = rng.integers(5)
    if kind == 0:
        grey = image @ rng.dirichlet((2, 2, 2)).astype(np.float32)
        return np.repeat(grey[..., None], 3, axis=2)
    if kind == 1:
        return np.ascontiguousarray(image[..., rng.permutation(3)])
    if kind == 2:
        weights = np.arange(3) != rng.integers(3)
    elif kind == 3:
        weights = rng.uniform(0.3, 1, 3)
    else:
        weights = np.arange(3) == rng.integers(3)
    return np.asarray(image * weights.astype(np.float32), np.float32)


def _to_network(image: Array) -> Array:
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    planes: Array = np.ascontiguousarray(image.clip(0, 1).transpose(2, 0, 1), dtype=np.float32)
    return planes
