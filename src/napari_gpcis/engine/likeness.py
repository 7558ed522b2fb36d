"""Class mode for one set of clicks in many slices: the Gaussian process is conditioned once.

A propagated object is asked about in every slice with the clicks of those where it was clicked.
What they teach does not change, so that a further slice costs a few kernel columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from napari_gpcis.engine.class_gp import ColourTerm, Taught, condition_on
from napari_gpcis.engine.request import class_of
from napari_gpcis.gp.raster import flatten, pool, unflatten, upsample

if TYPE_CHECKING:
    from napari_gpcis.engine.class_features import ClassFeatures
    from napari_gpcis.engine.class_gp import Likeness
    from napari_gpcis.engine.request import Request
    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis.model.heads import GPHead


def likeness_latent(kept: Likeness, request: Request, features: ClassFeatures) -> Tensor:
    """Logits of a window of cells, (1, K, H, W): one per class of the request.

    Parameters
    ----------
    kept : Likeness
        What the same clicks have taught for another window.
    request : Request
        The window, and the clicks.
    features : ClassFeatures
        Where both are read from.
    """
    network = features.embedder.network
    deep, colour = features.cut(request.source, request.z, request.scale, request.window)
    taught = kept.taught
    # the network may have moved to another device, for want of memory
    if taught is None or taught.update.deep_weights.device != deep.device:
        taught = kept.taught = _teach(request, features)
    grid = taught.update.on_grid(deep) + _prior(network, deep, colour)
    return upsample(grid, network.grid_stride) + taught.colour.of_colour(colour)


def _teach(request: Request, features: ClassFeatures) -> Taught:
    network, source = features.embedder.network, request.source
    patches = [features.patch(source, request.scale, click) for click in request.clicks]
    classes = [class_of(click) for click in request.clicks]
    update = condition_on(network, patches, classes, request.class_ids)
    return Taught(update, ColourTerm(network, update, is_grey=len(source.channels) == 1))


def _prior(network: SegmentationNetwork, deep: Tensor, colour: Tensor) -> Tensor:
    """The learned prior path on the grid, (1, 1, h, w)."""
    path = cast("GPHead", network.head).classifier.prior_path
    size = deep.shape[-2], deep.shape[-1]
    if path is None:
        return deep.new_zeros(1, 1, *size)
    means = pool(colour, colour.shape[-1] // size[1])
    return unflatten(path(torch.cat([flatten(deep), flatten(means)], -1), path.weights(None)), size)
