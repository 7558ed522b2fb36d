"""The place where the next click would help most."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_gpcis.engine.geometry import Box, bounding_box
from napari_gpcis.engine.masks import logit, moderate, sigmoid

if TYPE_CHECKING:
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array

SMOOTHING = 5
LEAST = 0.15
"""4 p (1 − p) of a place at which one pixel in 26 is wrong, if the model is calibrated."""
MARGIN = 0.25
CLEARANCE = 4


def uncertainty(result: Result) -> Array:
    """Uncertainty of each pixel of a result's box: 4 p (1 − p), 0 (sure) to 1; float32.

    p is the calibrated probability with the posterior variance v taken into account,
    sigmoid(f / (T √(1 + π v / 8))) (MacKay 1992), so that a pixel of which the clicks say little
    is uncertain whatever its latent f. T is the model's temperature.
    """
    tempered = logit(result.box_probability)
    corrected = sigmoid(moderate(tempered, result.box_variance))
    undecided: Array = (4 * corrected * (1 - corrected)).astype(np.float32)
    return undecided


def surroundings(result: Result) -> Box | None:
    """Box in which the next click is looked for, in pixels of the image; None without a mask."""
    mask_box = bounding_box(result.box_mask)
    if mask_box is None:
        return None
    margin = math.ceil(MARGIN * max(mask_box.shape)) + CLEARANCE
    near = mask_box.grow(margin).clip(result.box.shape)
    return near.moved(result.box.r0, result.box.c0)


def next_click(result: Result) -> tuple[int, int] | None:
    """Row and column of the most uncertain place around an object, or None if all is clear.

    A place is more than a pixel: the uncertainty is averaged, so that the thin line of doubt
    along any outline does not count, and clicked places are left out.
    """
    around = surroundings(result)
    if around is None:
        return None
    near = around.moved(-result.box.r0, -result.box.c0)
    undecided = ndimage.uniform_filter(uncertainty(result)[near.slices], SMOOTHING)
    for click in result.clicks:
        beside = Box(click.row, click.col, click.row + 1, click.col + 1).grow(CLEARANCE)
        undecided[beside.within(around).clip(undecided.shape).slices] = 0
    best = np.unravel_index(int(undecided.argmax()), undecided.shape)
    if undecided[best] < LEAST:
        return None
    return int(best[0]) + around.r0, int(best[1]) + around.c0
