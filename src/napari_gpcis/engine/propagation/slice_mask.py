"""An object in one slice, and the joint mask of two passes through it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from napari_gpcis.engine.geometry import Box, found_in, paste
from napari_gpcis.engine.masks import logit, sigmoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array

SURELY_OUTSIDE = -4.0
"""Logit of a pixel of which a pass says nothing."""
NUDGE = 0.1
LEAST_SHARED = 0.3
"""Share of a component that the mask of the slice before has to cover."""


class Residual(NamedTuple):
    """Difference between the answer to the user's clicks and what propagation says without them.

    Attributes
    ----------
    box : Box
        Pixels that `values` covers.
    values : float16, shape of `box`
        Logits to be added to those of the slice.
    """

    box: Box
    values: Array


@dataclass(frozen=True, slots=True, eq=False)
class SliceMask:
    """An object in one slice, whether clicked or propagated.

    Attributes
    ----------
    z : int
        Slice index.
    box : Box
        Pixels that `mask` covers.
    mask : bool, shape of `box`
        The object.
    logits : float32, shape of `box`
        Values that the mask was cut from.
    confidence : float
        Mean probability in the mask, 0–1.
    residual : Residual or None
        What a clicked slice near by taught.
    """

    z: int
    box: Box
    mask: Array
    logits: Array
    confidence: float
    residual: Residual | None = None

    @classmethod
    def of(cls, answer: Result) -> SliceMask:
        """Take it from the answer to the user's clicks."""
        probability = answer.box_probability
        inside = probability[answer.box_mask]
        return cls(
            answer.z,
            answer.box,
            answer.box_mask,
            network_logits(answer),
            float(inside.mean()) if inside.size else 0.0,
        )

    @property
    def tight(self) -> tuple[Box, Array]:
        """Bounding box of the mask, and the mask in it; an empty box if the mask is empty."""
        found = found_in(self.mask, self.box) or Box(0, 0, 0, 0)
        return found, paste(self.mask, self.box, found)

    @property
    def cropped(self) -> SliceMask:
        """The same, cut to the mask; a propagation goes on from it as from the whole."""
        box, mask = self.tight
        return replace(self, box=box, mask=mask, logits=paste(self.logits, self.box, box))

    def without(self, lost: Array) -> SliceMask:
        """The same without some pixels of its box, which belong to another object."""
        logits = np.where(lost, np.minimum(self.logits, -NUDGE), self.logits)
        return replace(self, mask=self.mask & ~lost, logits=logits)


def joined(low: SliceMask, high: SliceMask, share: float, threshold: float) -> SliceMask:
    """Join two passes through a slice between two clicked ones.

    Parameters
    ----------
    low, high : SliceMask
        Masks that were carried upwards and downwards.
    share : float
        Weight of the first one, 0–1.
    threshold : float
        Probability above which a pixel is in the mask.
    """
    box = low.box.unite(high.box)
    logits = share * paste(low.logits, low.box, box, SURELY_OUTSIDE)
    logits += (1 - share) * paste(high.logits, high.box, box, SURELY_OUTSIDE)
    nearer = low if share >= 0.5 else high
    either = paste(low.mask, low.box, box) | paste(high.mask, high.box, box)
    mask = cut_around(logits, either, threshold)
    if not mask.any():
        return nearer
    confidence = float(sigmoid(logits[mask]).mean())
    return SliceMask(nearer.z, box, mask, logits, confidence)


def keep_apart(masks: Sequence[SliceMask]) -> list[SliceMask]:
    """Give each pixel that several objects of a slice claim to the likeliest of them.

    Of equally likely ones the first has it, so the order has to be that of the objects' numbers.
    """
    apart = list(masks)
    boxes = [mask.tight[0] for mask in masks]
    downwards = sorted(range(len(apart)), key=lambda index: boxes[index].r0)
    for count, upper in enumerate(downwards):
        for lower in downwards[count + 1 :]:
            if boxes[lower].r0 >= boxes[upper].r1:
                break
            shared = boxes[upper].intersect(boxes[lower])
            if not shared.empty:
                first, second = min(upper, lower), max(upper, lower)
                apart[first], apart[second] = _divided(apart[first], apart[second], shared)
    return apart


def _divided(first: SliceMask, second: SliceMask, shared: Box) -> tuple[SliceMask, SliceMask]:
    """Two objects without each other's pixels in a box that both lie in."""
    both = paste(first.mask, first.box, shared) & paste(second.mask, second.box, shared)
    if not both.any():
        return first, second
    wins = paste(first.logits, first.box, shared) >= paste(second.logits, second.box, shared)
    return (
        first.without(paste(both & ~wins, shared, first.box)),
        second.without(paste(both & wins, shared, second.box)),
    )


def cut_around(logits: Array, last: Array, threshold: float) -> Array:
    """Mask of the components above the threshold that lie where the object was.

    So an object that splits goes on as one, and a neighbour that touches it is left out.

    Parameters
    ----------
    logits : float32, shape (rows, columns)
        Logits of the object.
    last : bool, shape (rows, columns)
        Mask of the slice before, moved onto this one.
    threshold : float
        Probability above which a pixel is in the mask.
    """
    above = (logits > math.log(threshold / (1 - threshold))).astype(np.uint8)
    count, components = cv2.connectedComponents(above, connectivity=4)
    sizes = np.bincount(components.ravel(), minlength=count)
    shared = np.bincount(components[last], minlength=count)
    is_kept = shared > LEAST_SHARED * sizes
    is_kept[0] = False  # what is not above the threshold
    kept: Array = is_kept[components]
    return kept


def network_logits(answer: Result) -> Array:
    """Logits in an answer's box as the network gave them: a propagation's bounds are in those."""
    latent: Array = answer.temperature * logit(answer.box_probability)
    return latent
