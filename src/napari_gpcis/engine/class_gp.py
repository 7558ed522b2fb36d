"""The GP of class mode, conditioned once on patches around the clicks, apart from any window.

Used where many windows are asked with the same clicks: for the classes of whole stacks, and for the
likeness of pixels to an object that is propagated. A further window costs a few kernel columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from napari_gpcis.engine.click_patches import SIDE, attach
from napari_gpcis.engine.request import class_of
from napari_gpcis.gp.raster import flatten, pool, unflatten, upsample
from napari_gpcis.gp.update import FunctionUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.class_features import ClassFeatures
    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.click_patches import ClickPatch
    from napari_gpcis.engine.geometry import Box, Scale
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis.model.heads import GPHead, GPPrediction

COLOUR_STEPS = 1 << 16
"""Entries of the table of a grey image's colour term."""


class ConditionedGP:
    """The GP of class mode after the clicks of some slices, for any window of any slice.

    It is conditioned when first asked, and anew when the network has moved to another device.

    Parameters
    ----------
    source : ImageSource
        The image.
    scale : Scale
        Scale at which the network sees it.
    clicks : sequence of Click
        The clicks, at least one; of any slices.
    """

    def __init__(self, source: ImageSource, scale: Scale, clicks: Sequence[Click]) -> None:
        self.source = source
        self.scale = scale
        self.clicks = tuple(clicks)
        self._update: FunctionUpdate | None = None
        self._colour: ColourTerm | None = None

    def latent(self, features: ClassFeatures, z: int, window: Box) -> Tensor:
        """Logits of a window of cells, (1, K, H, W): one for each class of the clicks.

        Parameters
        ----------
        features : ClassFeatures
            Deep features and colour of the window and of the clicks.
        z : int
            Slice index.
        window : Box
            Window in cells.
        """
        network = features.embedder.network
        deep, colour = features.cut(self.source, z, self.scale, window)
        update, colour_term = self._on(deep.device, features)
        grid = update.on_grid(deep) + _prior(network, deep, colour)
        return upsample(grid, network.grid_stride) + colour_term.of_colour(colour)

    def _on(
        self, device: torch.device, features: ClassFeatures
    ) -> tuple[FunctionUpdate, ColourTerm]:
        """Update and colour term on a device, conditioned there if they are not."""
        update, colour = self._update, self._colour
        if update is None or colour is None or update.deep_weights.device != device:
            network = features.embedder.network
            patches = [features.patch(self.source, self.scale, click) for click in self.clicks]
            classes = [class_of(click) for click in self.clicks]
            update = condition(network, patches, classes, sorted({*classes}))
            colour = ColourTerm(network, update, is_grey=len(self.source.channels) == 1)
            self._update, self._colour = update, colour
        return update, colour


def condition(
    network: SegmentationNetwork,
    patches: Sequence[ClickPatch],
    classes: Sequence[int],
    ids: Sequence[int],
) -> FunctionUpdate:
    """Condition the GP on clicks, one class against the rest.

    Parameters
    ----------
    network : SegmentationNetwork
        A network with a GP head.
    patches : sequence of ClickPatch
        Surroundings of the clicks, at least one.
    classes : sequence of int
        Class of each click.
    ids : sequence of int
        The classes, in the order of the latent functions.
    """
    first, stride = patches[0].deep, network.grid_stride
    nothing = first.new_zeros(1, first.shape[0], 1, SIDE)
    blank = first.new_zeros(1, 3, stride, SIDE * stride)
    deep, colour, places = attach(nothing, blank, patches)
    rows = [
        [*place, *(1.0 if of == own else -1.0 for of in ids)]
        for place, own in zip(places, classes, strict=True)
    ]
    clicks = torch.tensor(rows, device=deep.device)
    prediction = cast("GPPrediction", network.classify(deep, colour, [clicks]))
    return FunctionUpdate.of(prediction.posterior)


class ColourTerm:
    """Colour part of an update, looked up in a table where the image is grey.

    Parameters
    ----------
    network : SegmentationNetwork
        The network that the update comes from.
    update : FunctionUpdate
        Update of the GP by its clicks.
    is_grey : bool
        Whether all three channels of the image are the same.
    """

    def __init__(
        self, network: SegmentationNetwork, update: FunctionUpdate, *, is_grey: bool
    ) -> None:
        self._network = network
        self._update = update
        self._table: Tensor | None = None
        if is_grey:
            grey = torch.linspace(0, 1, COLOUR_STEPS, device=update.deep_weights.device)
            colours = network.standardise(grey.expand(1, 3, 1, -1))
            self._table = self._exact(colours)[:, :, 0]

    def of_image(self, image: Tensor) -> Tensor:
        """Smoothed image (1, 3, H, W) in 0–1 → (1, c, H, W)."""
        if self._table is None:
            return self._exact(self._network.standardise(image))
        return self._looked_up(self._table, image[0, 0])

    def of_colour(self, colour: Tensor) -> Tensor:
        """ImageNet-normalised colour (1, 3, H, W) → (1, c, H, W)."""
        if self._table is None:
            return self._exact(colour)
        return self._looked_up(
            self._table, colour[0, 0] * self._network.std[0, 0] + self._network.mean[0, 0]
        )

    def _looked_up(self, table: Tensor, grey: Tensor) -> Tensor:
        place = grey.mul(COLOUR_STEPS - 1).add_(0.5).clamp_(0, COLOUR_STEPS - 1).int().flatten()
        rows = [torch.index_select(row, 0, place) for row in table[0]]
        return torch.stack(rows).reshape(1, len(rows), *grey.shape)

    def _exact(self, colour: Tensor) -> Tensor:
        term = self._update.at_colours(flatten(colour))
        return unflatten(term, (colour.shape[-2], colour.shape[-1]))


def _prior(network: SegmentationNetwork, deep: Tensor, colour: Tensor) -> Tensor:
    """The learned prior path on the grid, (1, 1, h, w)."""
    path = cast("GPHead", network.head).classifier.prior_path
    size = deep.shape[-2], deep.shape[-1]
    if path is None:
        return deep.new_zeros(1, 1, *size)
    means = pool(colour, colour.shape[-1] // size[1])
    return unflatten(path(torch.cat([flatten(deep), flatten(means)], -1), path.weights(None)), size)
