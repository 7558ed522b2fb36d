"""One step of a propagation: an object's mask in one slice → its mask in the next.

Three things speak for a pixel. The network, shown clicks that stand for the last mask and the mask
itself, finds the outline but believes in the object, whether or not it has ended. So the Gaussian
process of class mode, trained by pixels of the slices that the user clicked, says beside it what
looks like the object; its features know nothing of the last mask. And the mask that both start
from has moved with the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from napari_gpcis.engine.class_gp import ConditionedGP
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box, found_in, paste
from napari_gpcis.engine.masks import sigmoid, signed_distance
from napari_gpcis.engine.propagation.optical_flow import follow
from napari_gpcis.engine.propagation.slice_mask import SliceMask, cut, network_logits
from napari_gpcis.engine.pseudo_clicks import deepest, sample
from napari_gpcis.engine.request import Latent, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.geometry import Scale
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.predictor import Predictor
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array

OUTLINE = 6.0
"""Network pixels from the expected outline within which the mask that is fed back is unsure."""
# Logits. Neither side may outvote the other by being very sure.
SUREST_NETWORK, SUREST_LIKENESS, SUREST_MASK = 2.0, 1.5, 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """Looks of an object in a clicked slice, and the scale at which it is looked at.

    Attributes
    ----------
    object_id : int
        Number of the object.
    scale : Scale
        Scale at which the network sees it.
    level : int
        Level of the scale, relative to that of the object diameter.
    threshold : float
        Probability above which a pixel is in the mask.
    examples : tuple of Click
        Pixels of the object and around it.
    """

    object_id: int
    scale: Scale
    level: int
    threshold: float
    examples: tuple[Click, ...]

    @classmethod
    def of(cls, answer: Result) -> Appearance:
        """Take it from an answer that has a mask."""
        request = answer.request
        return cls(
            request.object_id,
            request.scale,
            request.level,
            request.threshold,
            tuple(sample(answer)),
        )


class PropagationStep:
    """Carries one object from slice to slice.

    Parameters
    ----------
    source : ImageSource
        The image.
    predictor : Predictor
        Answers requests of both modes.
    appearances : sequence of Appearance
        Looks in clicked slices; the first one says at which scale the object is looked at.
    """

    def __init__(
        self,
        source: ImageSource,
        predictor: Predictor,
        appearances: Sequence[Appearance],
    ) -> None:
        self.source = source
        self.predictor = predictor
        first = appearances[0]
        self.object_id = first.object_id
        self.scale, self.level = first.scale, first.level
        self.threshold = first.threshold
        self._likeness: ConditionedGP | None = None
        # only a Gaussian process can be trained by pixels of another slice
        if predictor.network.config.head == "gp":
            examples = [click for seen in appearances for click in seen.examples]
            self._likeness = ConditionedGP(source, first.scale, examples)

    def apply(self, last: SliceMask, z: int) -> SliceMask | None:
        """Find the object in slice `z`, next to that of `last`; None if nothing is left of it."""
        region, moved = self._follow(last, z)
        around = found_in(moved, region)
        if around is None:
            return None
        shape = self.source.shape[1:]
        window = self.scale.cells_around(around.grow(self._margin).clip(shape))
        window = window.clip(self.scale.canvas(shape))
        box = window.times(self.scale.pixels).clip(shape)
        distance = signed_distance(paste(moved, region, box))
        clicks = self._clicks(z, box, distance)
        expected = distance * (self.scale.factor / OUTLINE)
        latent = latent_of(expected.clip(-SUREST_MASK, SUREST_MASK), window, self.scale)
        result = self.predictor.predict(self._request(z, clicks, window, latent))
        logits = network_logits(result).clip(-SUREST_NETWORK, SUREST_NETWORK)
        if self._likeness is not None:
            alike = self._request(z, self._likeness.clicks, window, class_mode=True)
            likeness = network_logits(self.predictor.predict(alike, self._likeness))
            logits = logits + likeness.clip(-SUREST_LIKENESS, SUREST_LIKENESS)
        places = tuple((click.row, click.col) for click in clicks)
        mask = cut(logits, box, places, self.threshold)
        confidence = float(sigmoid(logits[mask]).mean()) if mask.any() else 0.0
        return SliceMask(z, box, mask, logits, places, confidence)

    @property
    def _margin(self) -> int:
        """Diameter of an object of the training, in image pixels."""
        return round(self.predictor.trained_diameter / self.scale.factor)

    def _follow(self, last: SliceMask, z: int) -> tuple[Box, Array]:
        """Mask of `last` and its surroundings, moved as the image moves."""
        tight, mask = last.tight
        if tight.empty:
            return tight, mask
        region = tight.grow(self._margin).clip(self.source.shape[1:])
        mask = paste(mask, tight, region)
        return region, follow(mask, region, self.source, last.z, z)

    def _clicks(self, z: int, box: Box, distance: Array) -> tuple[Click, ...]:
        """Positive clicks that stand for the mask."""
        return tuple(
            Click(z, row + box.r0, col + box.c0, True, self.object_id)
            for row, col in deepest(distance, 1 / self.scale.factor)
        )

    def _request(
        self,
        z: int,
        clicks: tuple[Click, ...],
        window: Box,
        previous: Latent | None = None,
        *,
        class_mode: bool = False,
    ) -> Request:
        return Request(
            source=self.source,
            z=z,
            object_id=self.object_id,
            clicks=clicks,
            scale=self.scale,
            level=self.level,
            window=window,
            previous=previous,
            class_mode=class_mode,
            threshold=self.threshold,
        )


def latent_of(logits: Array, window: Box, scale: Scale) -> Latent:
    """Latent of a window of cells from logits of its image pixels that are in the slice."""
    rows, cols = window.times(scale.pixels).shape
    values = torch.from_numpy(logits)[None, None]
    beyond = (0, cols - logits.shape[1], 0, rows - logits.shape[0])
    values = F.pad(values, beyond, value=-SUREST_MASK)
    size = window.times(scale.cell).shape
    return Latent(F.interpolate(values, size, mode="bilinear"), scale, window)
