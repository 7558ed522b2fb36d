"""What committed objects teach: pixels inside and around them, and how large they are.

Nothing of it refers to the image any more, so that it serves for other images, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box, equivalent_diameter, paste
from napari_gpcis.engine.masks import signed_distance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_gpcis.engine.click_patches import ClickPatch
    from napari_gpcis.engine.document.history import Committed
    from napari_gpcis.engine.document.label_store import LabelStore
    from napari_gpcis.engine.geometry import Scale
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.segmenter import ImageSegmenter
    from napari_gpcis.engine.types import Array

MOST_EXAMPLES = 32
MOST_PIXELS = 128
"""Pixels that stand for the insides of all examples; as many for what is around them."""
FEWEST_PIXELS, ENOUGH_PIXELS = 4, 32
"""Pixels of each example."""
RIM, BAND = 0.08, 0.6
"""Distance from the outline of what is around an object, by the object's diameter."""
LOOK_ALIKE = 0.25
"""Part of the inside pixels that are less typical than a pixel around that is a look-alike."""
LEAST_AROUND = 0.25
"""Part of the pixels around that count, however much alike they are."""


class LabelledObject(NamedTuple):
    """Pixels of an object in a slice.

    Attributes
    ----------
    z : int
        Slice index.
    box : Box
        Pixels that `mask` covers.
    mask : bool, shape of `box`
    """

    z: int
    box: Box
    mask: Array

    @property
    def area(self) -> int:
        """Number of its pixels."""
        return int(self.mask.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """What is known of the objects to be found.

    Attributes
    ----------
    diameter : float
        Median diameter, in image pixels.
    size_spread : float
        Standard deviation of the logarithm of the diameter.
    solidity : float
        Mean of area by area of the convex hull, 0–1.
    scale : Scale
        Scale at which the pixels were looked at.
    inside, around : tuple of ClickPatch
        Features of pixels of the objects, and of pixels that are none of theirs.
    """

    diameter: float
    size_spread: float
    solidity: float
    scale: Scale
    inside: tuple[ClickPatch, ...]
    around: tuple[ClickPatch, ...]


def labelled_objects(store: LabelStore, slices: Iterable[int]) -> list[LabelledObject]:
    """Find all objects in some slices of a label store."""
    found = []
    for z in slices:
        labels = store.of_slice(z)
        for label in np.unique(labels[labels > 0]).tolist():
            rows, cols = np.nonzero(labels == label)
            box = Box(int(rows.min()), int(cols.min()), int(rows.max()) + 1, int(cols.max()) + 1)
            found.append(LabelledObject(z, box, labels[box.slices] == label))
    return found


def committed_objects(store: LabelStore, committed: Iterable[Committed]) -> list[LabelledObject]:
    """Pixels of committed objects, as they are in the labels now; those without any left out."""
    found = []
    for done in committed:
        for z, box in done.places:
            mask = store.of_box(z, box) == done.label
            if mask.any():
                found.append(LabelledObject(z, box, mask))
    return found


def typical_diameter(objects: Sequence[LabelledObject]) -> float:
    """Median of the objects' diameters, px."""
    return float(np.median([equivalent_diameter(example.area) for example in objects]))


@torch.inference_mode()
def learn(
    objects: Sequence[LabelledObject],
    rejected: Sequence[LabelledObject],
    segmenter: ImageSegmenter,
    diameter: float | None,
) -> Examples:
    """Learn from the pixels of objects of an image.

    Parameters
    ----------
    objects : sequence of LabelledObject
        Examples, at least one; of many, those at even intervals count.
    rejected : sequence of LabelledObject
        What is no such object.
    segmenter : ImageSegmenter
        Segmenter of the image.
    diameter : float or None
        Diameter of its objects by which the segmenter chooses scales, see `base_diameter`; the
        level next to it that suits the examples is taken.

    Raises
    ------
    ValueError
        If there is no example.
    """
    if not objects:
        raise ValueError("expected a committed object as an example, got none; commit one first")
    level = segmenter.level_for(typical_diameter(objects), diameter)
    scale, source = segmenter.scale(diameter, level), segmenter.source
    features = segmenter.predictor.class_features
    step = math.ceil(len(objects) / MOST_EXAMPLES)
    chosen = objects[::step]
    each = min(ENOUGH_PIXELS, max(FEWEST_PIXELS, MOST_PIXELS // len(chosen)))
    typical = float(np.median([example.area for example in chosen]))
    inside: list[ClickPatch] = []
    around: list[ClickPatch] = []
    for example in chosen:
        others = [other for other in objects if other is not example and other.z == example.z]
        count = max(FEWEST_PIXELS, round(each * min(1.0, example.area / typical)))
        drawn = _pixels(example, others, source, count)
        for pixels, found in zip(drawn, (inside, around), strict=True):
            found += [features.patch(source, scale, click) for click in pixels]
    around = _unlike(inside, around)
    for wrong in rejected:
        pixels = _drawn(wrong.mask, wrong, each)
        around += [features.patch(source, scale, click) for click in pixels]
    logs = np.log([equivalent_diameter(example.area) for example in objects])
    return Examples(
        typical_diameter(objects),
        float(logs.std()),
        float(np.mean([solidity(example.mask) for example in objects])),
        scale,
        tuple(inside),
        tuple(around),
    )


def solidity(mask: Array) -> float:
    """Area by the area of the convex hull; 1 for a convex mask, and for an empty one."""
    points = cv2.findNonZero(mask.view(np.uint8))
    if points is None:
        return 1.0
    hull = cv2.convexHull(points)
    whole = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(whole, hull, 1)
    return float(mask.sum() / max(1, int(whole.sum())))


def _pixels(
    example: LabelledObject, others: Sequence[LabelledObject], source: ImageSource, count: int
) -> tuple[list[Click], list[Click]]:
    """Pixels in an example, and around it but in no other one."""
    diameter = equivalent_diameter(example.area)
    box = example.box.grow(math.ceil(BAND * diameter) + 1).clip(source.shape[1:])
    region = example._replace(box=box, mask=paste(example.mask, example.box, box))
    distance = signed_distance(region.mask)
    inner = distance >= min(RIM * diameter, 0.6 * float(distance.max()))
    outer = (distance < -RIM * diameter) & (distance > -BAND * diameter)
    for other in others:
        outer &= ~paste(other.mask, other.box, box)
    return _drawn(inner & region.mask, region, count), _drawn(outer, region, 2 * count)


def _drawn(mask: Array, example: LabelledObject, count: int) -> list[Click]:
    """Draw pixels of a mask in an object's box."""
    places = np.argwhere(mask) + np.array(example.box[:2])
    rng = np.random.default_rng(0)  # the same examples propose the same, always
    return [Click(example.z, row, col) for row, col in rng.permutation(places)[:count].tolist()]


def _unlike(inside: Sequence[ClickPatch], around: Sequence[ClickPatch]) -> list[ClickPatch]:
    """Leave out what looks like the inside: neighbours of the same kind that have no label yet."""
    if not around:
        return []
    own, others = (
        torch.stack([patch.deep[:, 1:3, 1:3].mean((1, 2)) for patch in patches])
        for patches in (inside, around)
    )
    middle = torch.nn.functional.normalize(own.mean(0), dim=0)
    typical = float((own @ middle).quantile(LOOK_ALIKE))
    likeness = others @ middle
    limit = max(typical, float(likeness.quantile(LEAST_AROUND)))
    return [patch for patch, value in zip(around, likeness.tolist(), strict=True) if value <= limit]
