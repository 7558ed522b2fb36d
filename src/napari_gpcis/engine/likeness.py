"""Class mode for one set of clicks in many slices: the Gaussian process is conditioned once.

A propagated object is asked about in every slice with the clicks of those where it was clicked.
What they teach does not change, so that a further slice costs a few kernel columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor

from napari_gpcis.engine.patches import SIDE, attach
from napari_gpcis.engine.request import class_of
from napari_gpcis.gp.raster import flatten, pool, unflatten, upsample
from napari_gpcis.gp.update import FunctionUpdate

if TYPE_CHECKING:
    from napari_gpcis.engine.classes import ClassFeatures
    from napari_gpcis.engine.request import Request
    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis.model.heads import GPHead, GPPrediction

COLOUR_STEPS = 1 << 12
"""Entries of the table of a grey image's colour term."""


class Taught(NamedTuple):
    """What clicks teach.

    Attributes
    ----------
    update : FunctionUpdate
    grey : Tensor or None
        Its colour part at each grey value, (1, K, steps); None where the image has colours.
    """

    update: FunctionUpdate
    grey: Tensor | None


class Likeness:
    """Keeps what the clicks of its requests teach; all of them are to have the same clicks."""

    def __init__(self) -> None:
        self._taught: Taught | None = None

    def latent(self, request: Request, features: ClassFeatures) -> Tensor:
        """Logits of a window of cells, (1, K, H, W): one per class of the request."""
        network = features.embedder.network
        deep, colour = features.cut(request.source, request.z, request.scale, request.window)
        taught = self._taught
        # the network may have moved to another device, for want of memory
        if taught is None or taught.update.deep_weights.device != deep.device:
            taught = self._taught = _teach(request, features)
        grid = taught.update.on_grid(deep) + _prior(network, deep, colour)
        return upsample(grid, network.grid_stride) + _colour_term(taught, colour, network)


def _teach(request: Request, features: ClassFeatures) -> Taught:
    network = features.embedder.network
    patches = [features.patch(request.source, request.scale, click) for click in request.clicks]
    depth, stride = patches[0].deep.shape[0], network.grid_stride
    nothing = patches[0].deep.new_zeros(1, depth, 1, SIDE)
    blank = patches[0].colour.new_zeros(1, 3, stride, SIDE * stride)
    deep, colour, places = attach(nothing, blank, patches)
    rows = [
        [*place, *(1.0 if of == class_of(click) else -1.0 for of in request.class_ids)]
        for place, click in zip(places, request.clicks, strict=True)
    ]
    clicks = torch.tensor(rows, device=deep.device)
    prediction = cast("GPPrediction", network.classify(deep, colour, [clicks]))
    update = FunctionUpdate.of(prediction.posterior)
    if len(request.source.channels) != 1:
        return Taught(update, None)
    grey = torch.linspace(0, 1, COLOUR_STEPS, device=deep.device).expand(1, 3, 1, -1)
    return Taught(update, _at_colours(update, network.colour(grey))[:, :, 0])


def _prior(network: SegmentationNetwork, deep: Tensor, colour: Tensor) -> Tensor:
    """The learned prior path on the grid, (1, 1, h, w)."""
    path = cast("GPHead", network.head).classifier.prior_path
    size = deep.shape[-2], deep.shape[-1]
    if path is None:
        return deep.new_zeros(1, 1, *size)
    means = pool(colour, colour.shape[-1] // size[1])
    return unflatten(path(torch.cat([flatten(deep), flatten(means)], -1), path.weights(None)), size)


def _colour_term(taught: Taught, colour: Tensor, network: SegmentationNetwork) -> Tensor:
    """(1, 3, H, W) → (1, K, H, W)."""
    if taught.grey is None:
        return _at_colours(taught.update, colour)
    grey = colour[0, 0] * network.std[0, 0] + network.mean[0, 0]
    steps = taught.grey.shape[-1]
    return taught.grey[..., grey.mul_(steps - 1).round_().long().clamp_(0, steps - 1)]


def _at_colours(update: FunctionUpdate, colour: Tensor) -> Tensor:
    term = update.at_colours(flatten(colour))
    return unflatten(term, (colour.shape[-2], colour.shape[-1]))
