"""What clicks teach of looks, apart from any window: the GP is conditioned once, on their patches.

Used where many windows are asked with the same clicks: classes of whole stacks, and the likeness of
an object that is carried through slices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor

from napari_gpcis.engine.click_patches import SIDE, attach
from napari_gpcis.gp.raster import flatten, unflatten
from napari_gpcis.gp.update import FunctionUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.click_patches import ClickPatch
    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis.model.heads import GPPrediction

COLOUR_STEPS = 1 << 16
"""Entries of the table of a grey image's colour term."""


def condition_on(
    network: SegmentationNetwork,
    patches: Sequence[ClickPatch],
    classes: Sequence[int],
    ids: Sequence[int],
) -> FunctionUpdate:
    """Condition the GP on clicks, one class against the rest.

    Parameters
    ----------
    network : SegmentationNetwork
        With a GP head.
    patches : sequence of ClickPatch
        Surroundings of the clicks, at least one.
    classes : sequence of int
        The class of each.
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
    update : FunctionUpdate
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


class Taught(NamedTuple):
    """What clicks teach.

    Attributes
    ----------
    update : FunctionUpdate
    colour : ColourTerm
    """

    update: FunctionUpdate
    colour: ColourTerm


class Likeness:
    """Keeps what the clicks of its requests teach; all of them are to have the same clicks."""

    def __init__(self) -> None:
        self.taught: Taught | None = None
