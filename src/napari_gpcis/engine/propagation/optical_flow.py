"""Motion of a mask from one slice to another: dense optical flow around the object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from napari_gpcis.engine.masks import signed_distance

if TYPE_CHECKING:
    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.types import Array

LARGEST_SIDE = 512
SMALLEST_SIDE = 24
SMOOTHNESS = 4.0


def follow(mask: Array, box: Box, source: ImageSource, z: int, target: int) -> Array:
    """Move a mask of one slice as the image moves from there to another slice.

    Parameters
    ----------
    mask : bool, shape of `box`
        The mask, with a margin as wide as the motion to be found.
    box : Box
        Box of image pixels.
    source : ImageSource
        The image.
    z, target : int
        The slice of the mask, and the one that it is moved to.

    Returns
    -------
    bool, shape of `box`
        The mask itself if the motion would leave nothing of it.

    References
    ----------
    Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016.
    """
    shrink = min(1.0, LARGEST_SIDE / max(mask.shape))
    size = [round(side * shrink) for side in mask.shape]
    if min(size) < SMALLEST_SIDE:
        return mask
    there, here = (_grey(source, index, box, size) for index in (target, z))
    still = np.zeros((*size, 2), np.float32)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = cv2.GaussianBlur(search.calc(there, here, still), (0, 0), SMOOTHNESS)
    if shrink < 1.0:
        flow = cv2.resize(flow, mask.shape[::-1]) / shrink
    rows, cols = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32)
    moved = cv2.remap(
        signed_distance(mask),
        cols + flow[..., 0],
        rows + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    found: Array = moved > 0
    return found if found.any() else mask


def _grey(source: ImageSource, z: int, box: Box, size: list[int]) -> Array:
    grey = source.read(z, box).mean(0)
    if list(grey.shape) != size:
        grey = cv2.resize(grey, size[::-1], interpolation=cv2.INTER_AREA)
    eight_bit: Array = (255 * grey.clip(0, 1)).astype(np.uint8)
    return eight_bit
