"""Motion of an object from one slice to another: dense optical flow around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.types import Array

LARGEST_SIDE = 512
SMALLEST_SIDE = 24
SMOOTHNESS = 4.0


def motion(box: Box, source: ImageSource, z: int, target: int) -> Array | None:
    """Find where each pixel of a slice comes from in another.

    Parameters
    ----------
    box : Box
        Box of image pixels, with a margin as wide as the motion to be found.
    source : ImageSource
        The image.
    z, target : int
        The slice that pixels come from, and the one that they are moved to.

    Returns
    -------
    float32, shape (rows, columns, 2)
        Column and row in the box for `move`; None if the box is too narrow to tell.

    References
    ----------
    Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016.
    """
    rows, cols = box.shape
    shrink = min(1.0, LARGEST_SIDE / max(rows, cols))
    size = [round(side * shrink) for side in (rows, cols)]
    if min(size) < SMALLEST_SIDE:
        return None
    there, here = (_grey(source, index, box, size) for index in (target, z))
    still = np.zeros((*size, 2), np.float32)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow: Array = cv2.GaussianBlur(search.calc(there, here, still), (0, 0), SMOOTHNESS)
    if shrink < 1.0:
        flow = cv2.resize(flow, (cols, rows)) / shrink
    down, across = np.mgrid[:rows, :cols].astype(np.float32)
    origin: Array = flow + np.stack([across, down], -1)
    return origin


def move(values: Array, origin: Array | None) -> Array:
    """Move a map of a box, bilinearly, by what `motion` found."""
    if origin is None:
        return values
    moved: Array = cv2.remap(
        values,
        origin[..., 0],
        origin[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return moved


def _grey(source: ImageSource, z: int, box: Box, size: list[int]) -> Array:
    grey = source.read(z, box).mean(0)
    if list(grey.shape) != size:
        grey = cv2.resize(grey, size[::-1], interpolation=cv2.INTER_AREA)
    eight_bit: Array = (255 * grey.clip(0, 1)).astype(np.uint8)
    return eight_bit
