"""Where objects may be: pixels to click on first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from skimage.feature import peak_local_max

if TYPE_CHECKING:
    from napari_gpcis.engine.types import Array

ALIKE = 0.5
"""Likeness of what may belong to an object."""
SMOOTHING = 0.06
APART = 0.3
SHALLOWEST, DEEPEST = 0.1, 0.5
"""By the examples' diameter, as are the two above."""


def find_seeds(likeness: Array, diameter: float) -> list[tuple[int, int]]:
    """Middles of the places that look like the examples, the likeliest first.

    Parameters
    ----------
    likeness : float32, shape (h, w)
        Probability of the inside; 0 where nothing may be proposed.
    diameter : float
        Diameter of the objects in points of `likeness`.

    Returns
    -------
    list of (int, int)
        Row and column in `likeness`.
    """
    smooth = cv2.GaussianBlur(likeness, (0, 0), max(0.5, SMOOTHING * diameter))
    alike = np.pad(smooth > ALIKE, 1).view(np.uint8)
    distance = cv2.distanceTransform(alike, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    weighted = np.minimum(distance, DEEPEST * diameter) / (DEEPEST * diameter)
    # level ground has its peak where the likeness has
    weighted = cv2.GaussianBlur(weighted, (0, 0), max(0.5, SMOOTHING * diameter)) + 0.1 * smooth
    weighted[(distance < min(SHALLOWEST * diameter, 2.0)) | (smooth <= ALIKE)] = 0
    peaks = peak_local_max(
        weighted,
        min_distance=max(1, round(APART * diameter)),
        threshold_abs=1e-6,
        exclude_border=False,
    )
    return [(int(row), int(col)) for row, col in peaks]
