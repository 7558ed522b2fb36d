"""A crop with several objects in it: one pass of the encoder serves them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from napari_gpcis_training.augment import (
    BACKGROUND,
    OTHER,
    OUTSIDE,
    TARGET,
    View,
    augment_intensity,
    centred_affine,
    draw_affine,
    draw_scale,
    image_crop,
    objects_within,
    training_crop,
)
from napari_gpcis_training.regions import drawn_object, pasted_object, suggested_region

if TYPE_CHECKING:
    from numpy.random import Generator

    from napari_gpcis_training.config import AugmentConfig
    from napari_gpcis_training.data.sets import LabelledSlice

Array = np.ndarray[Any, np.dtype[Any]]

_LEAST_PIXELS = 40
_LEAST_SHARED = 0.25
_BEND_NODES = 5
_LEAST_TARGETS = 2


@dataclass(frozen=True, slots=True)
class Target:
    """An object that is asked for.

    Attributes
    ----------
    codes : uint8, shape (S, S)
        As in `augment`.
    carried : uint8, shape (S, S), 0 or 1, or None
        Mask that the object has in a neighbouring slice.
    """

    codes: Array
    carried: Array | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """A crop and the objects that are asked for in it.

    Attributes
    ----------
    image : float32, shape (3, S, S), 0–1
    targets : tuple of Target
        At least one.
    """

    image: Array
    targets: tuple[Target, ...]


def draw_scene(
    source: LabelledSlice,
    rng: Generator,
    config: AugmentConfig,
    size: int,
    donor: LabelledSlice | None = None,
    neighbour: LabelledSlice | None = None,
) -> Scene:
    """Draw a crop around an object of a slice, and the objects to be asked for.

    Parameters
    ----------
    source : LabelledSlice
        With at least one object.
    rng : Generator
        Source of randomness.
    config : AugmentConfig
        How crops vary, and how many objects are asked for in one.
    size : int
        Side of the crop, px.
    donor : LabelledSlice, optional
        Where an object to be pasted comes from.
    neighbour : LabelledSlice, optional
        Slice above or below, in which the objects are sought.
    """
    if config.targets == 1 or config.framing == "image":
        draw = training_crop if config.framing == "object" else image_crop
        crop = draw(source, rng, config, size)
        return Scene(crop.image, (Target(crop.codes),))
    picked = source.objects[rng.integers(len(source.objects))]
    scale = draw_scale(source, picked, rng, config, size)
    matrix = draw_affine(source, picked, scale, rng, config, size)
    bend = None
    if rng.random() < config.elastic_probability:
        bend = _draw_bend(rng, config, size)
    view = View(source, matrix, size, bend)
    if np.count_nonzero(view.codes((int(picked[0]),)) == TARGET) < _LEAST_PIXELS:
        matrix, bend = centred_affine(picked, size / scale, size), None
        view = View(source, matrix, size)
    near = None if neighbour is None else View(neighbour, matrix, size, bend)
    targets = _labelled_targets(source, picked, view, matrix, near, rng, config, size)
    image = view.image()
    image, targets = _with_made_object(image, targets, donor, rng, config, size)
    targets = _with_suggestions(image, targets, rng, config)
    return Scene(augment_intensity(source, image, rng, config), tuple(targets[: config.targets]))


def _labelled_targets(
    source: LabelledSlice,
    picked: Array,
    view: View,
    matrix: Array,
    near: View | None,
    rng: Generator,
    config: AugmentConfig,
    size: int,
) -> list[Target]:
    """The picked object, and as many others of the crop as there are and are wanted."""
    others = objects_within(source, matrix, size)
    others = rng.permutation(others[others[:, 0] != picked[0]])
    found: list[Target] = []
    for row in [picked, *others[: 2 * config.targets]]:
        codes = view.codes((int(row[0]),))
        if not found or np.count_nonzero(codes == TARGET) >= _LEAST_PIXELS:
            found.append(Target(codes, _carried(codes, near)))
        if len(found) == config.targets:
            break
    return found


def _carried(codes: Array, near: View | None) -> Array | None:
    """Mask of the neighbour's object that covers most of the target, if it covers enough."""
    if near is None:
        return None
    numbers = near.numbers()
    target = codes == TARGET
    under = np.bincount(numbers[target])
    if len(under) < 2 or not target.any():
        return None
    best = int(under[1:].argmax()) + 1
    if under[best] < _LEAST_SHARED * np.count_nonzero(target):
        return None
    return np.asarray(numbers == best, np.uint8)


def _with_made_object(
    image: Array,
    targets: list[Target],
    donor: LabelledSlice | None,
    rng: Generator,
    config: AugmentConfig,
    size: int,
) -> tuple[Array, list[Target]]:
    """Now and then, draw or paste an object onto the crop; it then is the first one asked for."""
    draw = rng.random()
    others: Array = np.zeros((size, size), bool)
    if draw < config.drawn_probability:
        image, mask, others = drawn_object(image, rng)
    elif donor is not None and draw < config.drawn_probability + config.pasted_probability:
        picked = donor.objects[rng.integers(len(donor.objects))]
        scale = draw_scale(donor, picked, rng, config, size)
        view = View(donor, draw_affine(donor, picked, scale, rng, config, size), size)
        mask = view.codes((int(picked[0]),)) == TARGET
        image = pasted_object(image, view.image(), mask, rng)
    else:
        return image, targets
    if np.count_nonzero(mask) < _LEAST_PIXELS:
        return image, [_covered(target, mask | others) for target in targets]
    codes = np.where(targets[0].codes == TARGET, np.uint8(OTHER), targets[0].codes)
    codes[(codes == OUTSIDE) | others] = OTHER
    codes[mask] = TARGET
    below = [_covered(target, mask | others) for target in targets]
    whole = [item for item in below if np.count_nonzero(item.codes == TARGET) >= _LEAST_PIXELS]
    return image, [Target(codes), *whole]


def _covered(target: Target, mask: Array) -> Target:
    codes = target.codes.copy()
    codes[mask] = OTHER
    return Target(codes, target.carried)


def _with_suggestions(
    image: Array, targets: list[Target], rng: Generator, config: AugmentConfig
) -> list[Target]:
    """Fill up with regions that the image suggests, and a lone object with itself."""
    known = list(targets)
    filled = list(targets[: config.targets])
    for place in range(1, config.targets):
        if rng.random() < config.suggested_probability:
            mask = suggested_region(image, rng)
            if mask is not None:
                codes = np.where(known[0].codes == OUTSIDE, np.uint8(OUTSIDE), np.uint8(BACKGROUND))
                codes[mask & (codes != OUTSIDE)] = TARGET
                if np.count_nonzero(codes == TARGET) >= _LEAST_PIXELS:
                    filled[place:place] = [Target(codes)]
        if place >= len(filled) and len(filled) < _LEAST_TARGETS:
            filled.append(known[rng.integers(len(known))])
    return filled


def _draw_bend(rng: Generator, config: AugmentConfig, size: int) -> Array:
    """Draw a smooth displacement, (S, S, 2), px."""
    amount = rng.uniform(0, config.elastic) * size
    nodes = rng.normal(0, amount, (_BEND_NODES, _BEND_NODES, 2)).astype(np.float32)
    return np.asarray(cv2.resize(nodes, (size, size), interpolation=cv2.INTER_CUBIC))
