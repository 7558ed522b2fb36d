"""An object in one slice, and the joint mask of two passes through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.geometry import Box, found_in, paste
from napari_gpcis.engine.masks import keep_clicked_components, logit, sigmoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array

SURELY_OUTSIDE = -4.0
"""Logit of a pixel of which a pass says nothing."""


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
    places : tuple of (int, int)
        Pixels (row, column) of the slice that each component of the mask has to hold one of.
    confidence : float
        Mean probability in the mask, 0–1.
    """

    z: int
    box: Box
    mask: Array
    logits: Array
    places: tuple[tuple[int, int], ...]
    confidence: float

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
            tuple((click.row, click.col) for click in answer.clicks if click.positive),
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
        logits = paste(self.logits, self.box, box)
        return SliceMask(self.z, box, mask, logits, self.places, self.confidence)


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
    mask = cut(logits, box, low.places + high.places, threshold)
    if not mask.any():
        return nearer
    confidence = float(sigmoid(logits[mask]).mean())
    return SliceMask(nearer.z, box, mask, logits, nearer.places, confidence)


def cut(logits: Array, box: Box, places: Sequence[tuple[int, int]], threshold: float) -> Array:
    """Mask of the components above the threshold that hold one of some places of the slice."""
    inside = [(row - box.r0, col - box.c0) for row, col in places]
    mask: Array = keep_clicked_components(logits > np.log(threshold / (1 - threshold)), inside)
    return mask


def network_logits(answer: Result) -> Array:
    """Logits in an answer's box as the network gave them: a propagation's bounds are in those."""
    latent: Array = answer.temperature * logit(answer.box_probability)
    return latent
