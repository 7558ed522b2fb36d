"""Clicks that the user did not make: pixels that stand for a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.masks import signed_distance

if TYPE_CHECKING:
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array

DEEPEST = 3
SAMPLES = 12
# Network pixels.
APART = 10.0
MARGIN = 6.0
BAND = 36.0


def deepest(distance: Array, pixel: float) -> list[tuple[int, int]]:
    """Choose up to three of the deepest pixels, each more than twice its depth from the others.

    Parameters
    ----------
    distance : float32, shape (rows, columns)
        To the outline, px, positive inside.
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
    """Clicks and further pixels that say what an object looks like, and what is around it."""
    distance = signed_distance(answer.box_mask) * answer.scale.factor
    inside = distance >= min(2 * MARGIN, 0.6 * float(distance.max()))
    outside = (distance < -MARGIN) & (distance > -BAND)
    rng = np.random.default_rng(0)  # the same click gives the same mask, always
    chosen = {(click.row, click.col): click for click in answer.clicks}
    for region, positive in ((inside & answer.box_mask, True), (outside, False)):
        places = np.argwhere(region) + np.array(answer.box[:2])
        for row, col in rng.permutation(places)[:SAMPLES].tolist():
            click = Click(answer.z, row, col, positive, answer.request.object_id)
            chosen.setdefault((row, col), click)
    return list(chosen.values())
