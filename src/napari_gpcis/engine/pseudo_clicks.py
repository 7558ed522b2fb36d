"""Pseudo-clicks: pixels, and latents, that stand for a mask from which an answer starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.history import StoredMask
from napari_gpcis.engine.geometry import paste
from napari_gpcis.engine.masks import depth, signed_distance
from napari_gpcis.engine.prompts import thinned
from napari_gpcis.engine.request import Latent

if TYPE_CHECKING:
    from napari_gpcis.engine.geometry import Box, Scale
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array

SURE = 4.0
"""Logit of a pixel that the mask holds; minus it, of one that it does not."""
# By the depth of a negative click in the mask. Chosen on 90 carried slices that were not held out.
WRONG = 1.4
"""Radius around the click."""
RIM = 0.7
"""Depth of the rest, below which it is a mere rim."""
DEEPEST = 3
SAMPLES = 12
# Network pixels.
APART = 10.0
MARGIN = 6.0
BAND = 36.0


def trim_by_negative_clicks(seed: StoredMask, clicks: tuple[Click, ...]) -> StoredMask:
    """Trim a mask by the negative clicks in it, each of which stands for a disk.

    Users click in the middle of a wrong part, whose size the mask's depth there tells. A mere rim
    that no positive click holds is trimmed, too: the object is not in the slice.

    Parameters
    ----------
    seed : StoredMask
        Mask to trim, not empty.
    clicks : tuple of Click
        Clicks of the user in the slice.
    """
    inside, depths = seed.mask.copy(), depth(seed.mask)
    rows, cols = np.ogrid[: inside.shape[0], : inside.shape[1]]
    wrong = 0.0
    for click in clicks:
        row, col = click.row - seed.box.r0, click.col - seed.box.c0
        if not click.positive and seed.box.holds(click.row, click.col) and seed.mask[row, col]:
            wrong = max(wrong, float(depths[row, col]))
            radius = WRONG * float(depths[row, col])
            inside &= (rows - row) ** 2 + (cols - col) ** 2 > radius**2
    is_rim = float(depth(inside).max()) < RIM * wrong
    if is_rim and not any(click.positive for click in clicks):
        inside[:] = False
    return StoredMask(seed.box, inside, seed.clicks)


def seed_click(seed: StoredMask, z: int, object_id: int) -> Click:
    """Positive click that stands for a mask: its deepest pixel.

    Parameters
    ----------
    seed : StoredMask
        The mask, not empty.
    z, object_id : int
        Slice and object of the click.
    """
    row, col = divmod(int(depth(seed.mask).argmax()), seed.mask.shape[1])
    return Click(z, row + seed.box.r0, col + seed.box.c0, positive=True, object_id=object_id)


def seed_latent(seed: StoredMask, window: Box, scale: Scale) -> Latent:
    """Latent of a window of cells, from a mask: sure of every pixel."""
    pixels = window.times(scale.pixels)
    mask = paste(seed.mask.astype(np.float32), seed.box, pixels)
    size = window.times(scale.cell).shape
    values = F.interpolate(torch.from_numpy(mask)[None, None], size, mode="area")
    return Latent((2 * values - 1) * SURE, scale, window)


def deepest(distance: Array, pixel: float) -> list[tuple[int, int]]:
    """Choose up to three of the deepest pixels, each more than twice its depth from the others.

    Parameters
    ----------
    distance : float32, shape (rows, columns)
        Distance to the outline, px, positive inside.
    pixel : float
        Size of a network pixel in px.

    Returns
    -------
    list of (int, int)
        Row and column; the deepest first.
    """
    left = distance.copy()
    places: list[tuple[int, int]] = []
    rows, cols = np.ogrid[: left.shape[0], : left.shape[1]]
    for _ in range(DEEPEST):
        row, col = divmod(int(left.argmax()), left.shape[1])
        if left[row, col] <= 0:
            break
        places.append((row, col))
        radius = max(2 * float(distance[row, col]), APART * pixel)
        left[(rows - row) ** 2 + (cols - col) ** 2 <= radius**2] = 0
    return places


def sample(answer: Result) -> list[Click]:
    """Sample pixels of an object and around it, besides its clicks: examples of its looks."""
    distance = signed_distance(answer.box_mask) * answer.scale.factor
    inside = distance >= min(2 * MARGIN, 0.6 * float(distance.max()))
    outside = (distance < -MARGIN) & (distance > -BAND)
    rng = np.random.default_rng(0)  # the same click gives the same mask, always
    chosen = {(click.row, click.col): click for click in thinned(answer.clicks)}
    for region, positive in ((inside & answer.box_mask, True), (outside, False)):
        places = np.argwhere(region) + np.array(answer.box[:2])
        for row, col in rng.permutation(places)[:SAMPLES].tolist():
            click = Click(answer.z, row, col, positive, answer.request.object_id)
            chosen.setdefault((row, col), click)
    return list(chosen.values())
