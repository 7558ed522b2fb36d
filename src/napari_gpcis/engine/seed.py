"""A mask as the start of an answer: where no click was yet, or where the answers are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import paste
from napari_gpcis.engine.request import Latent

if TYPE_CHECKING:
    from napari_gpcis.engine.geometry import Box, Scale
    from napari_gpcis.engine.history import CarriedMask

SURE = 4.0
"""Logit of a pixel that the mask holds; minus it, of one that it does not."""


def seed_click(seed: CarriedMask, clicks: tuple[Click, ...], z: int, object_id: int) -> Click:
    """Positive click that stands for a mask: its deepest pixel, away from negative clicks.

    Parameters
    ----------
    seed : CarriedMask
        Not empty.
    clicks : tuple of Click
        The user's, in the slice.
    z, object_id : int
        Slice and object.
    """
    inside = np.pad(seed.mask, 1)
    for click in clicks:
        row, col = click.row - seed.box.r0 + 1, click.col - seed.box.c0 + 1
        if not click.positive and 0 <= row < inside.shape[0] and 0 <= col < inside.shape[1]:
            inside[row, col] = False
    depth = ndimage.distance_transform_edt(inside)
    deepest = np.unravel_index(int(depth.argmax()), depth.shape)
    place = int(deepest[0]) - 1 + seed.box.r0, int(deepest[1]) - 1 + seed.box.c0
    return Click(z, *place, positive=True, object_id=object_id)


def seed_latent(seed: CarriedMask, window: Box, scale: Scale) -> Latent:
    """Latent of a window of cells that says what a mask says."""
    pixels = window.times(scale.pixels)
    mask = paste(seed.mask.astype(np.float32), seed.box, pixels)
    size = window.times(scale.cell).shape
    values = F.interpolate(torch.from_numpy(mask)[None, None], size, mode="area")
    return Latent((2 * values - 1) * SURE, scale, window)
