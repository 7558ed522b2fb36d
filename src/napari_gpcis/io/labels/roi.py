"""A set of ImageJ's ROIs: a zip file with a ROI for each object and slice.

An object of one piece is a traced polygon. One with holes or of several pieces is a composite
ROI, ImageJ's own form for such; it opens as one item of the ROI manager, too.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import roifile

from napari_gpcis.io.files import os_errors_as_output_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gpcis.io.labels.polygons import LabelledObject, Polygon
    from napari_gpcis.io.labels.slices import SlicePlace, Slices

__all__ = ["RoiSet", "open_rois"]

# Beyond it, integer coordinates wrap around in ImageJ.
_LARGEST = 32767
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0


@contextmanager
def open_rois(path: Path, part: Path, slices: Slices) -> Iterator[RoiSet]:
    """Open a set of ROIs at `part`, which will be put at `path`.

    Raises
    ------
    OutputFileError
        When it cannot be written.
    """
    with os_errors_as_output_errors(path):
        archive = zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED)
    try:
        yield RoiSet(archive, slices)
    finally:
        with os_errors_as_output_errors(path):
            archive.close()


class RoiSet:
    """Adds ROIs to a zip file; made by `open_rois`."""

    def __init__(self, archive: zipfile.ZipFile, slices: Slices) -> None:
        self._archive = archive
        self._slices = slices
        self._names: Counter[str] = Counter()

    def add(self, item: LabelledObject, place: SlicePlace) -> None:
        """Add an object of a slice."""
        roi = _roi(item.polygons())
        roi.name = self._name(item.label, place)
        self._put(roi, place)
        color = self._slices.style(item.label).color
        if color is not None:
            roi.stroke_color = bytes((255, *color))
        # A fixed time, so that equal labels give equal files.
        entry = zipfile.ZipInfo(f"{roi.name}.roi", (1980, 1, 1, 0, 0, 0))
        self._archive.writestr(entry, roi.tobytes(), zipfile.ZIP_DEFLATED)

    def _name(self, label: int, place: SlicePlace) -> str:
        """Name of its own: the label, and the slice of a stack as ImageJ counts, from 1 on."""
        name = self._slices.style(label).name.replace("/", "-").replace("\\", "-")
        if self._slices.count > 1:
            name = f"{name} slice {place.index + 1}"
        self._names[name] += 1
        return name if self._names[name] == 1 else f"{name} ({self._names[name]})"

    def _put(self, roi: roifile.ImagejRoi, place: SlicePlace) -> None:
        """Say on which slice it lies; ImageJ has other words for that in hyperstacks."""
        if self._slices.count == 1:
            return
        if set(self._slices.axes) == {"T", "Z"}:
            roi.z_position, roi.t_position = place.z + 1, place.t + 1
        roi.position = place.index + 1


def _roi(polygons: list[Polygon]) -> roifile.ImagejRoi:
    roi = roifile.ImagejRoi()
    every = np.concatenate([polygon.exterior for polygon in polygons])
    (roi.top, roi.left), (roi.bottom, roi.right) = every.min(0).tolist(), every.max(0).tolist()
    rings = [ring[:, ::-1] for polygon in polygons for ring in polygon.rings]
    if len(rings) > 1:
        roi.roitype = roifile.ROI_TYPE.RECT
        roi.multi_coordinates = np.concatenate([_path(ring) for ring in rings])
        roi.shape_roi_size = len(roi.multi_coordinates)
        return roi
    (ring,) = rings
    roi.roitype = roifile.ROI_TYPE.TRACED
    roi.n_coordinates = len(ring)
    roi.integer_coordinates = (ring - (roi.left, roi.top)).astype(np.int32)
    if every.max() > _LARGEST:
        roi.options |= roifile.ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        roi.subpixel_coordinates = ring.astype(np.float32)
    return roi


def _path(ring: NDArray[np.int64]) -> NDArray[np.float32]:
    """Ring as Java draws paths: an operation and its coordinates, one after the other."""
    steps = np.full((len(ring), 3), _LINE, np.float32)
    steps[0, 0] = _MOVE
    steps[:, 1:] = ring
    path: NDArray[np.float32] = np.append(steps.ravel(), np.float32(_CLOSE))
    return path
