"""Tables of the segmented objects: a line for each object, and one for each object and slice.

Lines of the second table are written at once; only sums are kept of each object.
"""

from __future__ import annotations

import csv
import math
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias

import numpy as np

from napari_gpcis.io.files import atomic_write, open_text, os_errors_as_output_errors

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from napari_gpcis.io.images.stack import ImageStack

__all__ = ["ObjectInSlice", "ObjectTable", "object_table", "slices_path"]

Row: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class ObjectInSlice:
    """An object in one slice.

    Attributes
    ----------
    object_id : int
    z : int
        Slice index, counted over all slices.
    area : int
        Number of pixels of its mask, at least one.
    row, col : float
        Centroid of the mask, in pixels.
    confidence : float
        Mean probability within the mask.
    clicked : bool
        True if it was clicked in this slice, not propagated there.
    score : float or None
        Of one that was found without a click: probability that it is an object.
    """

    object_id: int
    z: int
    area: int
    row: float
    col: float
    confidence: float
    clicked: bool
    score: float | None = None

    @property
    def source(self) -> str:
        """What brought it about."""
        if self.clicked:
            return "clicked"
        return "propagated" if self.score is None else "found"


def slices_path(path: str | os.PathLike[str]) -> Path:
    """Path of the table of objects in slices, given that of the table of objects."""
    path = Path(path)
    return path.with_name(f"{path.stem}_slices{path.suffix}")


@contextmanager
def object_table(path: str | os.PathLike[str], image: ImageStack) -> Iterator[ObjectTable]:
    """Write both tables; they appear when the block succeeds.

    Parameters
    ----------
    path : path
        Path of the table of objects. The table of objects in slices is written beside it, see
        `slices_path`.
    image : ImageStack
        Source of axes, pixel size and the interval between frames.

    Raises
    ------
    OutputFileError
        When one cannot be written, already on entering.
    """
    with ExitStack() as stack:
        files = []
        for name in (path, slices_path(path)):
            part = stack.enter_context(atomic_write(name))
            files.append(stack.enter_context(open_text(name, part)))
        table = ObjectTable(path, image, *files)
        yield table
        table.finish()


class ObjectTable:
    """Writer of objects, slice by slice; made by `object_table`.

    Lengths, areas and volumes are in pixels, and a second time in the image's unit if it has one;
    cells that cannot be known are empty. A series of volumes has its slices numbered in one go;
    an object's volume is then the mean of its volumes, and its centroid slice counts within one.
    """

    def __init__(
        self, path: str | os.PathLike[str], image: ImageStack, objects: TextIO, slices: TextIO
    ) -> None:
        self._path = path
        self._measures = _Measures(image)
        self._sums: dict[int, _Sums] = {}
        self._files = (objects, slices)
        self._objects = csv.DictWriter(objects, self._measures.of_object(0, _Sums()))
        of_slice = self._measures.of_slice(ObjectInSlice(0, 0, 0, 0, 0, 0, False))
        self._slices = csv.DictWriter(slices, of_slice)
        self._objects.writeheader()
        self._slices.writeheader()

    def add(self, item: ObjectInSlice) -> None:
        """Add an object's next slice; slices come in their order, objects of one in any."""
        with os_errors_as_output_errors(self._path):
            self._slices.writerow(self._measures.of_slice(item))
        self._sums.setdefault(item.object_id, _Sums()).add(item, self._measures.depth)

    def finish(self) -> None:
        """Write the lines of the objects, in the order of their ids."""
        with os_errors_as_output_errors(self._path):
            for object_id, sums in sorted(self._sums.items()):
                self._objects.writerow(self._measures.of_object(object_id, sums))
            # Both, before one of the tables takes its place.
            for file in self._files:
                file.flush()


@dataclass(slots=True)
class _Sums:
    """Sums over the slices of an object."""

    first: int = 0
    last: int = -1
    slices: int = 0
    clicked: int = 0
    volumes: int = 0
    area: int = 0
    largest: int = 0
    slice_moment: float = 0.0
    row_moment: float = 0.0
    col_moment: float = 0.0
    uncertainty: float = 0.0
    scores: float = 0.0
    scored: int = 0

    def add(self, item: ObjectInSlice, depth: int) -> None:
        """Count a slice; `depth` is the number of slices of a volume."""
        if not self.slices:
            self.first = item.z
        if not self.slices or item.z // depth != self.last // depth:
            self.volumes += 1
        self.last = item.z
        self.slices += 1
        self.clicked += item.clicked
        self.area += item.area
        self.largest = max(self.largest, item.area)
        self.slice_moment += item.area * (item.z % depth)
        self.row_moment += item.area * item.row
        self.col_moment += item.area * item.col
        self.uncertainty += item.area * (1 - item.confidence)
        if item.score is not None:
            self.scores += item.area * item.score
            self.scored += item.area


class _Measures:
    """Cells of the tables, from numbers of pixels."""

    def __init__(self, image: ImageStack) -> None:
        self._axes = image.slice_axes
        self._is_volume = image.slice_axes[-1:] not in ("", "T")
        self.depth = image.slice_shape[-1] if image.slice_shape else 1
        # Slices from one time point to the next.
        self._frame = math.prod(image.slice_shape[self._axes.find("T") + 1 :])
        resolution = image.resolution
        self._interval = resolution.interval if resolution.has_time_unit else None
        size = image.resolution.pixel_size()
        self._unit = size.unit if size else None
        self._y = size.y if size else None
        self._x = size.x if size else None
        self._z = size.spacing if size and self._is_volume else None

    def of_slice(self, item: ObjectInSlice) -> Row:
        """Line of an object in a slice."""
        row: Row = {"object": item.object_id, "slice": item.z}
        if "T" in self._axes and len(self._axes) > 1:
            row["t"] = item.z // self._frame
            row["z"] = item.z % self.depth
        return row | {
            "area_px": item.area,
            "row": f"{item.row:.2f}",
            "col": f"{item.col:.2f}",
            "confidence": f"{item.confidence:.4f}",
            "uncertainty": f"{1 - item.confidence:.4f}",
            "source": item.source,
            "score": None if item.score is None else f"{item.score:.4f}",
            "unit": self._unit,
            "area": _product(item.area, self._y, self._x),
        }

    def of_object(self, object_id: int, sums: _Sums) -> Row:
        """Line of an object; the keys are the columns whatever the sums."""
        area = sums.area or 1
        mean_area = sums.area / (sums.slices or 1)
        volume = sums.area / (sums.volumes or 1) if self._is_volume else None
        centre = [moment / area for moment in (sums.slice_moment, sums.row_moment, sums.col_moment)]
        row: Row = {"object": object_id, "first_slice": sums.first, "last_slice": sums.last}
        if "T" in self._axes:
            first, last = sums.first // self._frame, sums.last // self._frame
            row |= {"first_t": first, "last_t": last}
            row["duration_s"] = _product(last - first, self._interval)
        return row | {
            "slices": sums.slices,
            "clicked_slices": sums.clicked,
            "area_px": f"{mean_area:.1f}",
            "largest_area_px": sums.largest,
            "volume_px": _product(volume),
            "centroid_slice": f"{centre[0]:.2f}",
            "centroid_row": f"{centre[1]:.2f}",
            "centroid_col": f"{centre[2]:.2f}",
            "mean_uncertainty": f"{sums.uncertainty / area:.4f}",
            "score": f"{sums.scores / sums.scored:.4f}" if sums.scored else None,
            "unit": self._unit,
            "area": _product(mean_area, self._y, self._x),
            "largest_area": _product(sums.largest, self._y, self._x),
            "volume": _product(volume, self._z, self._y, self._x),
            "centroid_z": _product(centre[0], self._z),
            "centroid_y": _product(centre[1], self._y),
            "centroid_x": _product(centre[2], self._x),
        }


def _product(*factors: float | None) -> str | None:
    """Product to six digits, without an exponent; None where a factor is unknown."""
    product = 1.0
    for factor in factors:
        if factor is None:
            return None
        product *= factor
    if product >= 1e6:
        return f"{product:.0f}"
    return np.format_float_positional(product, precision=6, fractional=False, trim="-")
