"""What a box holds: a place in it is clicked for the user, the best of several.

A box says where its object ends, but not where it is. The window is answered with a positive pixel
at each of several places inside, at several scales, and the answer that is sure of itself, that
those from other places agree with, and that touches all sides of the box is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box, bounding_box
from napari_gpcis.engine.request import Latent, Request, clicks_in_window
from napari_gpcis.engine.result import within_limits
from napari_gpcis.engine.scale_search import clicked_piece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_gpcis.engine.embedding import Embedder
    from napari_gpcis.engine.types import Array

PLACES = (0.5, 0.25, 0.75)
"""Of the box's sides: nine places, the centre first."""
FIT = 1.0
AGREEMENT = 1.0


@dataclass(frozen=True, eq=False)
class Guess:
    """Answer to a box with one place in it clicked.

    Attributes
    ----------
    request : Request
        The box's, and the place among its clicks and anchors.
    latent : Latent
        Of the window, nothing of the object outside the box.
    mask : bool, shape (H, W)
        At network scale.
    stability : float
        Area of the mask at a high threshold by that at a low one, 0–1.
    fit : float
        IoU of the mask's bounding box with the box, 0–1.
    """

    request: Request
    latent: Latent
    mask: Array
    stability: float
    fit: float


class BoxSearch:
    """Answers a box with several places in it clicked, and says which answer to go on from.

    Parameters
    ----------
    embedder : Embedder
        Brings the network and the device.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def find(self, requests: Sequence[Request]) -> Guess:
        """Choose the place to click, and the scale.

        Parameters
        ----------
        requests : sequence of Request
            One a scale, each with the clicks of a box alone and its limits.
        """
        found = [guess for request in requests for guess in self._best(request)]
        return max(found, key=lambda scored: scored[0])[1]

    @torch.inference_mode()
    def _best(self, request: Request) -> list[tuple[float, Guess]]:
        """Answers at one scale, each with what there is to be said for it."""
        network = self.embedder.network
        view = ((request.scale, request.window),)
        features = self.embedder.encode_views(request.source, request.z, view)
        requests = [with_anchor(request, place) for place in places_in(request)]
        count, device = len(requests), features.image.device
        clicks = [torch.tensor(clicks_in_window(each), device=device) for each in requests]
        pyramid = tuple(level.expand(count, -1, -1, -1) for level in features.pyramid)
        deep = network.decode(pyramid, clicks)
        colour = network.colour(features.image).expand(count, -1, -1, -1)
        latents = network.classify(deep, colour, clicks).logits.float()
        temperature = network.config.temperature
        guesses = [
            guess_of(each, within_limits(latent, each, temperature), temperature)
            for each, latent in zip(requests, latents.split(1), strict=True)
        ]
        return list(zip(scores(guesses), guesses, strict=True))


def places_in(request: Request) -> list[tuple[int, int]]:
    """Pixels inside a request's limits at which the object may be."""
    box = request.limits or Box(0, 0, *request.source.shape[1:])
    rows, cols = (
        [low + min(int(part * (high - low)), high - low - 1) for part in PLACES]
        for low, high in ((box.r0, box.r1), (box.c0, box.c1))
    )
    return list(dict.fromkeys((row, col) for row in rows for col in cols))


def with_anchor(request: Request, place: tuple[int, int]) -> Request:
    """Request in which a place is clicked as well, as an anchor."""
    anchor = Click(request.z, *place, True, request.object_id)
    return replace(request, clicks=(anchor, *request.clicks), anchors=(anchor,))


def guess_of(request: Request, values: Tensor, temperature: float) -> Guess:
    """Look at an answer.

    Parameters
    ----------
    request : Request
        Its first click is the place.
    values : Tensor, shape (1, 1, H, W)
        Logits of its window.
    temperature : float
        Of the model.
    """
    mask, stability, _ = clicked_piece(request, values, temperature)
    return Guess(
        request,
        Latent(values.clone(), request.scale, request.window),
        mask,
        stability,
        _fit(mask, request),
    )


def scores(guesses: Sequence[Guess]) -> list[float]:
    """What there is to be said for each guess: sureness, agreement with the others, fit."""
    flat = np.stack([guess.mask.ravel() for guess in guesses]).astype(np.float32)
    shared = flat @ flat.T
    area = flat.sum(1)
    union = area[:, None] + area[None] - shared
    agreement = ((shared / union.clip(1)).sum(1) - 1) / max(1, len(guesses) - 1)
    return [
        guess.stability + FIT * guess.fit + AGREEMENT * float(with_others)
        for guess, with_others in zip(guesses, agreement, strict=True)
    ]


def _fit(mask: Array, request: Request) -> float:
    found = bounding_box(mask)
    corner = request.window.times(request.scale.cell)
    if found is None or request.limits is None:
        return 0.0
    edges = [edge * request.scale.factor for edge in request.limits]
    target = Box(*(round(edge) for edge in edges)).within(corner)
    shared = target.intersect(found)
    common = 0 if shared.empty else math.prod(shared.shape)
    return common / max(1, math.prod(target.shape) + math.prod(found.shape) - common)
