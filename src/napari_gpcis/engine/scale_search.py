"""How large the clicked object is: the first click is answered at several scales at once.

Each scale has a small window of its own around the click. What a good answer has in common,
whatever the network, is that it hardly depends on the threshold, that the scales beside it find the
same object, that the click lies well inside, and that the object is about as large for the network
as those that it was trained on. `score` weighs these. Its terms were chosen on 382 held-out objects
of thirteen data sets, each set judged by weights that were fitted on the others; its weights are
round numbers near the fits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, groupby, repeat
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from napari_gpcis.engine.geometry import Box, Scale, equivalent_diameter, found_in
from napari_gpcis.engine.masks import keep_clicked_components
from napari_gpcis.engine.request import Latent, Request, clicks_in_window, place_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from napari_gpcis.engine.embedding import Embedder
    from napari_gpcis.engine.types import Array

WINDOW = 192
"""Side of a window, network pixels."""
FOUND_WINDOW = 256
"""Shortest side of the window in which the found object is answered, network pixels."""
FINEST, COARSEST = 4.0, 1 / 8
"""Network pixels per image pixel."""
TOLERANCE = 1.05
"""Of these two, as cells are a whole number of pixels."""
SMALLEST_CANVAS = 128
"""Longest side, network pixels, of a slice that is still worth a look at a coarser scale."""
SURE = math.log(0.95 / 0.05)
"""Calibrated logit of a pixel that is taken for certain."""
DEEP_ENOUGH = 0.6
"""Depth of the click, by that of the deepest pixel; first clicks of the training lie deeper."""

DEPTH = 2.0
FOREIGN_SIZE = 0.1
FINENESS = 0.1
SURPRISE, LARGEST_SURPRISE = 0.15, 2


@dataclass(frozen=True, eq=False)
class Candidate:
    """Answer to the first click at one scale.

    Attributes
    ----------
    level : int
        Of the scale, relative to the object diameter's.
    scale : Scale
    latent : Latent
        Of its window.
    mask : bool, shape (H, W)
        At network scale: the piece that the click lies on.
    stability : float
        Area of the mask at a high threshold by that at a low one, 0–1.
    depth : float
        Distance of the click to the outline, by that of the deepest pixel, 0–1.
    quality : float or None
        IoU that the network predicts for the mask, if it does.
    """

    level: int
    scale: Scale
    latent: Latent
    mask: Array
    stability: float
    depth: float
    quality: float | None = None

    @cached_property
    def area(self) -> int:
        """Pixels of the mask at network scale."""
        return int(self.mask.sum())

    @property
    def box(self) -> Box | None:
        """Image pixels around the mask; None if it is empty."""
        corner = self.latent.window.times(self.scale.cell)
        found = found_in(self.mask, corner)
        if found is None:
            return None
        pixels, cell = self.scale.pixels, self.scale.cell
        r0, c0, r1, c1 = found.times(pixels)
        return Box(r0 // cell, c0 // cell, -(-r1 // cell), -(-c1 // cell))


def score(
    candidate: Candidate, agreement: float, trained_diameter: float, *, expected: bool = False
) -> float:
    """What there is to be said for a candidate; the highest one is taken.

    Parameters
    ----------
    candidate : Candidate
        The answer at one scale.
    agreement : float
        With the candidates of the other scales, 0–1; see `agreements`.
    trained_diameter : float
        Diameter of the objects of the training, in network pixels.
    expected : bool
        Whether objects of level 0 are expected, as after one was committed.
    """
    foreign = math.log2(equivalent_diameter(max(candidate.area, 1)) / trained_diameter)
    return (
        (candidate.stability if candidate.quality is None else candidate.quality)
        + agreement
        + DEPTH * min(candidate.depth, DEEP_ENOUGH)
        - FOREIGN_SIZE * foreign**2
        # of two scales that find the same, the finer one shows more of it
        + FINENESS * math.log2(candidate.scale.factor)
        - (SURPRISE * min(abs(candidate.level), LARGEST_SURPRISE) if expected else 0.0)
    )


def agreements(candidates: Sequence[Candidate]) -> list[float]:
    """Mean IoU of each candidate's mask with the others', those of near scales foremost."""
    count = len(candidates)
    shared, weights = np.zeros((count, count)), np.zeros((count, count))
    for first, second in combinations(range(count), 2):
        one, other = candidates[first], candidates[second]
        weights[first, second] = math.exp(-((one.level - other.level) ** 2) / 2)
        shared[first, second] = overlap(one, other)
    weights += weights.T
    shared += shared.T
    found: list[float] = ((shared * weights).sum(1) / weights.sum(1).clip(1e-9)).tolist()
    return found


def overlap(one: Candidate, other: Candidate) -> float:
    """IoU of two candidates' masks, counted in the finer one's pixels."""
    fine, coarse = sorted((one, other), key=lambda candidate: -candidate.scale.factor)
    rows, cols = (_places(fine, coarse, axis) for axis in (0, 1))
    height, width = coarse.mask.shape
    inside_rows, inside_cols = (rows >= 0) & (rows < height), (cols >= 0) & (cols < width)
    seen = coarse.mask[np.ix_(rows[inside_rows], cols[inside_cols])]
    common = float((fine.mask[np.ix_(inside_rows, inside_cols)] & seen).sum())
    ratio = fine.scale.factor / coarse.scale.factor
    union = fine.area + coarse.area * ratio**2 - common
    return common / union if union > 0 else 0.0


def _places(fine: Candidate, coarse: Candidate, axis: int) -> Array:
    """Row (column) of the coarse window in which each of the fine one lies."""
    count = fine.mask.shape[axis]
    first = fine.latent.window[axis] * fine.scale.cell
    ratio = coarse.scale.factor / fine.scale.factor
    places = np.floor((first + np.arange(count) + 0.5) * ratio).astype(np.intp)
    corner: int = coarse.latent.window[axis] * coarse.scale.cell
    shifted: Array = places - corner
    return shifted


def levels(scale_of: Callable[[int], Scale], shape: tuple[int, int]) -> list[int]:
    """Levels that are worth a look, finest first; level 0 is always among them.

    Parameters
    ----------
    scale_of : callable
        Level → Scale.
    shape : tuple of int
        Rows and columns of the slice.
    """
    first = last = 0
    while scale_of(first - 1).factor < FINEST * TOLERANCE:
        first -= 1
    coarsest = max(COARSEST, SMALLEST_CANVAS / max(shape)) / TOLERANCE
    while scale_of(last + 1).factor > coarsest:
        last += 1
    return list(range(first, last + 1))


class ScaleSearch:
    """Answers the first click at every scale, and says which answer to go on from.

    Parameters
    ----------
    embedder : Embedder
        Brings the network and the device.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def find(self, requests: Sequence[Request], *, expected: bool = False) -> Candidate:
        """Answer the same click at several scales, and choose.

        Parameters
        ----------
        requests : sequence of Request
            One a level, each with the one click, or the one stroke.
        expected : bool
            Whether objects of level 0 are expected.
        """
        temperature = self.embedder.network.config.temperature
        candidates: list[Candidate] = []
        for _, group in groupby(requests, lambda request: request.window.shape):
            alike = list(group)
            latents = self._answer(alike).split(1)
            candidates += map(candidate_of, alike, latents, repeat(temperature))
        trained = self.embedder.network.config.object_diameter
        scores = [
            score(candidate, agreement, trained, expected=expected)
            for candidate, agreement in zip(candidates, agreements(candidates), strict=True)
        ]
        return candidates[int(np.argmax(scores))]

    @torch.inference_mode()
    def _answer(self, requests: Sequence[Request]) -> Tensor:
        """Logits of windows of one size, (B, 1, H, W)."""
        network, first = self.embedder.network, requests[0]
        views = tuple((request.scale, request.window) for request in requests)
        features = self.embedder.encode_views(first.source, first.z, views)
        device = features.image.device
        clicks = [torch.tensor(clicks_in_window(request), device=device) for request in requests]
        deep = network.decode(features.pyramid, clicks)
        return network.classify(deep, network.colour(features.image), clicks).logits.float()


def candidate_of(request: Request, values: Tensor, temperature: float) -> Candidate:
    """Look at an answer.

    Parameters
    ----------
    request : Request
        Its clicks are one positive one, or those of one stroke.
    values : Tensor, shape (1, 1, H, W)
        Logits of its window.
    temperature : float
        Of the model.
    """
    mask, stability, places = clicked_piece(request, values, temperature)
    padded = np.pad(mask, 1).view(np.uint8)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_3)[1:-1, 1:-1]
    return Candidate(
        level=request.level,
        scale=request.scale,
        latent=Latent(values.clone(), request.scale, request.window),
        mask=mask,
        stability=stability,
        depth=max((float(distance[place]) for place in places), default=0.0)
        / max(1.0, float(distance.max())),
    )


def clicked_piece(
    request: Request, values: Tensor, temperature: float
) -> tuple[Array, float, list[tuple[int, int]]]:
    """Mask of an answer at network scale, its stability, and the positive clicks' places in it.

    Parameters
    ----------
    request, values, temperature
        As for `candidate_of`.
    """
    logits = values[0, 0].cpu().numpy()
    places = []
    for click in request.clicks:
        row, col = (round(place) for place in place_in(click, request.scale, request.window))
        if click.positive:
            places.append(
                (min(max(row, 0), logits.shape[0] - 1), min(max(col, 0), logits.shape[1] - 1))
            )
    mask, low, high = (
        _piece(logits > threshold * temperature, places) for threshold in (0.0, -SURE, SURE)
    )
    return mask, int(high.sum()) / max(1, int(low.sum())), places


def _piece(mask: Array, places: Sequence[tuple[int, int]]) -> Array:
    """Connected pieces of a mask that pixels lie on; none if they lie on none."""
    return keep_clicked_components(np.ascontiguousarray(mask), places)
