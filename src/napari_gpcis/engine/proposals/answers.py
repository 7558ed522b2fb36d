"""First clicks on many objects at once: windows of one size, cut from the tiles, as a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box, found_in, paste
from napari_gpcis.engine.masks import depth, keep_clicked_components
from napari_gpcis.engine.request import place_in
from napari_gpcis.engine.result import to_pixels
from napari_gpcis.engine.scale_search import SURE
from napari_gpcis.engine.window import object_box, open_window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_gpcis.engine.embedding import Embedder
    from napari_gpcis.engine.geometry import Scale
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.types import Array

WINDOW = 128
"""Side of a window, network pixels: twice the diameter of the objects of the training."""
WIDE_WINDOW = 256
"""The same for an object that a window cuts off."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Mask of a first click.

    Attributes
    ----------
    click : Click
    box : Box
        Bounding box of the mask, image pixels.
    mask : bool, shape of `box`
    certainty : float
        Area of the mask at a high threshold by that at a low one, 0–1.
    is_cut : bool
        Whether an edge of the window cuts it off.
    """

    click: Click
    box: Box
    mask: Array
    certainty: float
    is_cut: bool

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(self.mask.sum())

    @property
    def middle(self) -> Click:
        """Click on the deepest pixel of the mask, which is not empty."""
        row, col = divmod(int(depth(self.mask).argmax()), self.mask.shape[1])
        return Click(self.click.z, row + self.box.r0, col + self.box.c0)


def answer_clicks(
    embedder: Embedder,
    source: ImageSource,
    scale: Scale,
    clicks: Sequence[Click],
    side: int = WINDOW,
) -> list[Answer | None]:
    """Answer the first clicks of objects of one slice, each by itself; None where nothing is found.

    Parameters
    ----------
    embedder : Embedder
        Holds the encoded tiles.
    source : ImageSource
        The image.
    scale : Scale
        Scale at which the network sees it.
    clicks : sequence of Click
        Positive ones, an object each.
    side : int
        Side of the windows, network pixels.
    """
    if not clicks:
        return []
    shape = source.shape[1:]
    windows = [open_window(object_box(None, [click]), scale, shape, side) for click in clicks]
    latents = _decoded(embedder, source, scale, clicks, windows)
    temperature = embedder.network.config.temperature
    return [
        _answer(click, latent[None], scale, window, shape, temperature)
        for click, latent, window in zip(clicks, latents, windows, strict=True)
    ]


@torch.inference_mode()
def _decoded(
    embedder: Embedder,
    source: ImageSource,
    scale: Scale,
    clicks: Sequence[Click],
    windows: Sequence[Box],
) -> Tensor:
    """Logits of the windows, (B, 1, H, W)."""
    network = embedder.network
    parts = [
        embedder.cut(source, click.z, scale, window)
        for click, window in zip(clicks, windows, strict=True)
    ]
    image = torch.cat([part.image for part in parts])
    pyramid = tuple(
        torch.cat(level) for level in zip(*(part.pyramid for part in parts), strict=True)
    )
    places = [
        torch.tensor([[*place_in(click, scale, window), 1.0]], device=image.device)
        for click, window in zip(clicks, windows, strict=True)
    ]
    deep = network.decode(pyramid, places)
    return network.classify(deep, network.colour(image), places).logits.float()


def _answer(
    click: Click,
    latent: Tensor,
    scale: Scale,
    window: Box,
    shape: tuple[int, int],
    temperature: float,
) -> Answer | None:
    box = window.times(scale.pixels).clip(shape)
    logits = to_pixels(latent, scale, window, box)[0]
    place = click.row - box.r0, click.col - box.c0
    mask, low, high = (
        keep_clicked_components(np.ascontiguousarray(logits > threshold * temperature), [place])
        for threshold in (0.0, -SURE, SURE)
    )
    found = found_in(mask, box)
    if found is None:
        return None
    sides = zip(found, box, (0, 0, *shape), strict=True)
    is_cut = any(edge == at != end for edge, at, end in sides)
    certainty = int(high.sum()) / max(1, int(low.sum()))
    return Answer(click, found, paste(mask, box, found), certainty, is_cut)
