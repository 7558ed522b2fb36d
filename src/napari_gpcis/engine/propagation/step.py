"""One step of a propagation: an object's mask in one slice → its mask in the next.

Four things speak for a pixel. The network, shown clicks that stand for the last mask and the mask
itself, finds the outline but believes in the object, whether or not it has ended. So the Gaussian
process of class mode, trained by pixels of the slices that the user clicked, says beside it what
looks like the object; its features know nothing of the last mask. The mask that both start from
has moved with the image. And in a clicked slice the user has said what these three get wrong: that
residual moves along, and is believed the less the farther away it was learned. It is what a
Gaussian process along the stack, of covariance exp(−distance / reach), says of the slices beyond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from napari_gpcis.engine.class_gp import ConditionedGP
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box, found_in, paste
from napari_gpcis.engine.masks import sigmoid, signed_distance
from napari_gpcis.engine.propagation.optical_flow import motion, move
from napari_gpcis.engine.propagation.slice_mask import (
    Residual,
    SliceMask,
    cut_around,
    network_logits,
)
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
SUREST_NETWORK, SUREST_LIKENESS, SUREST_MASK, SUREST_RESIDUAL = 2.0, 1.5, 4.0, 3.5
REACH = 0.2
"""Way along the stack, in diameters of a usual object, on which a residual falls to 1/e."""
ANSWERED = 2.0
"""Network pixels from the outline of the user's answer in which a logit changes by one."""


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
    is_corrected: bool
        Whether the slice was clicked after the user had seen its mask.
    """

    object_id: int
    scale: Scale
    level: int
    threshold: float
    examples: tuple[Click, ...]
    is_corrected: bool

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
            # a carried mask that was clicked counts as a click
            len(answer.clicks) > 1,
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
        self._learns = first.is_corrected
        self._likeness: ConditionedGP | None = None
        # only a Gaussian process can be trained by pixels of another slice
        if predictor.network.config.head == "gp":
            examples = [click for seen in appearances for click in seen.examples]
            self._likeness = ConditionedGP(source, first.scale, examples)

    def apply(self, last: SliceMask, z: int) -> SliceMask | None:
        """Find the object in slice `z`, next to that of `last`; None if nothing is left of it."""
        tight, mask = last.tight
        if tight.empty:
            return None
        region = tight.grow(self._margin).clip(self.source.shape[1:])
        origin = motion(region, self.source, last.z, z)
        before = paste(mask, tight, region)
        moved = move(signed_distance(before), origin) > 0
        around = found_in(moved, region)
        if around is None:
            moved, around = before, tight
        window, box = self._window(around)
        moved = paste(moved, region, box)
        logits = self._expected(z, window, box, moved)
        residual = self._carried_residual(last, z, region, origin)
        if residual is not None:
            logits = logits + paste(residual.values, region, box).astype(np.float32)
        found = cut_around(logits, moved, self.threshold)
        confidence = float(sigmoid(logits[found]).mean()) if found.any() else 0.0
        return SliceMask(z, box, found, logits, confidence, residual)

    def learn(self, clicked: SliceMask) -> SliceMask:
        """Add to a clicked slice what the network gets wrong there, for the slices beyond.

        Nothing is learned of an outline that the user has seen no mask of before: that of a first
        click is a guess of the network itself.
        """
        if not self._learns:
            return clicked
        tight, mask = clicked.tight
        window, box = self._window(tight)
        there = paste(mask, tight, box)
        logits = self._expected(clicked.z, window, box, there)
        answered = signed_distance(there) * (self.scale.factor / ANSWERED)
        difference = answered.clip(-SUREST_RESIDUAL, SUREST_RESIDUAL) - logits
        difference = difference.clip(-SUREST_RESIDUAL, SUREST_RESIDUAL)
        return replace(clicked, residual=Residual(box, difference.astype(np.float16)))

    def _expected(self, z: int, window: Box, box: Box, mask: Array) -> Array:
        """Logits of a slice by network and likeness, where the object is expected in a mask."""
        distance = signed_distance(mask)
        clicks = self._clicks(z, box, distance)
        expected = distance * (self.scale.factor / OUTLINE)
        latent = latent_of(expected.clip(-SUREST_MASK, SUREST_MASK), window, self.scale)
        result = self.predictor.predict(self._request(z, clicks, window, latent))
        logits = network_logits(result).clip(-SUREST_NETWORK, SUREST_NETWORK)
        if self._likeness is not None:
            alike = self._request(z, self._likeness.clicks, window, class_mode=True)
            likeness = network_logits(self.predictor.predict(alike, self._likeness))
            logits = logits + likeness.clip(-SUREST_LIKENESS, SUREST_LIKENESS)
        return logits

    def _window(self, around: Box) -> tuple[Box, Box]:
        """Cells around an object, and the image pixels that they cover."""
        shape = self.source.shape[1:]
        window = self.scale.cells_around(around.grow(self._margin).clip(shape))
        window = window.clip(self.scale.canvas(shape))
        return window, window.times(self.scale.pixels).clip(shape)

    def _carried_residual(
        self, last: SliceMask, z: int, region: Box, origin: Array | None
    ) -> Residual | None:
        """Residual of the last slice in this one: moved, and believed less."""
        if last.residual is None:
            return None
        way = abs(z - last.z) * self.source.spacing / self._margin
        values = paste(last.residual.values.astype(np.float32), last.residual.box, region)
        believed = move(values, origin) * math.exp(-way / REACH)
        return Residual(region, believed.astype(np.float16))

    @property
    def _margin(self) -> int:
        """Diameter of a usual object, one as large as those of the training, in image pixels."""
        return round(self.predictor.trained_diameter / self.scale.factor)

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
