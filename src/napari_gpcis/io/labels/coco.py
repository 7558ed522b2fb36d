"""COCO's JSON of instances: an annotation for each object and slice.

Objects without holes are polygons. Those with holes are run lengths, uncompressed, as COCO writes
its own crowds: its polygons know no holes. `iscrowd` stays 0, as each is one object.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from napari_gpcis.io.files import open_text, os_errors_as_output_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gpcis.io.labels.polygons import LabelledObject
    from napari_gpcis.io.labels.slices import SlicePlace, Slices

__all__ = ["CocoAnnotations", "open_coco"]


@contextmanager
def open_coco(path: Path, part: Path, slices: Slices) -> Iterator[CocoAnnotations]:
    """Open a file of annotations at `part`, which will be put at `path`.

    Raises
    ------
    OutputFileError
        When it cannot be written.
    """
    with open_text(path, part) as file:
        annotations = CocoAnnotations(file, slices)
        with os_errors_as_output_errors(path):
            file.write(f'{{"images": {json.dumps(_images(slices))},\n"annotations": [')
        yield annotations
        with os_errors_as_output_errors(path):
            file.write(f'\n],\n"categories": {json.dumps(annotations.categories())}}}\n')


class CocoAnnotations:
    """Adds annotations, a line each; made by `open_coco`."""

    def __init__(self, file: TextIO, slices: Slices) -> None:
        self._file = file
        self._slices = slices
        self._count = 0
        self._labels: set[int] = set(slices.classes or ())

    def add(self, item: LabelledObject, place: SlicePlace) -> None:
        """Add an object of a slice."""
        self._labels.add(item.label)
        are_classes = self._slices.classes is not None
        height, width = item.mask.shape
        annotation = {
            "id": self._count + 1,
            "image_id": place.index + 1,
            "category_id": item.label if are_classes else 1,
            "segmentation": self._segmentation(item),
            "area": int(item.mask.sum()),
            "bbox": [item.column, item.row, width, height],
            "iscrowd": 0,
        }
        if not are_classes:
            annotation["object"] = item.label
        self._file.write((",\n" if self._count else "\n") + json.dumps(annotation))
        self._count += 1

    def categories(self) -> list[dict[str, Any]]:
        """The classes; of objects, the one that all belong to."""
        if self._slices.classes is None:
            return [{"id": 1, "name": "object"}]
        return [
            {"id": label, "name": self._slices.style(label).name} for label in sorted(self._labels)
        ]

    def _segmentation(self, item: LabelledObject) -> object:
        polygons = item.polygons()
        if any(polygon.holes for polygon in polygons):
            size = self._slices.rows, self._slices.columns
            return {"size": list(size), "counts": _run_lengths(item, *size)}
        return [polygon.exterior[:, ::-1].ravel().tolist() for polygon in polygons]


def _images(slices: Slices) -> list[dict[str, Any]]:
    """One for each slice; those of a stack are numbered from 1 on."""
    names = [slices.image]
    if slices.count > 1:
        path = PurePath(slices.image)
        digits = max(4, len(str(slices.count)))
        names = [f"{path.stem}{at + 1:0{digits}}{path.suffix}" for at in range(slices.count)]
    size = {"width": slices.columns, "height": slices.rows}
    return [{"id": at, "file_name": name, **size} for at, name in enumerate(names, start=1)]


def _run_lengths(item: LabelledObject, rows: int, columns: int) -> list[int]:
    """Lengths of runs down the columns, background first, without a mask of the whole slice."""
    changes = np.diff(item.mask.astype(np.int8), axis=0, prepend=0, append=0)
    # One column after the other; a start and an end take turns.
    at_column, at_row = np.nonzero(changes.T)
    places: NDArray[np.int64] = (item.column + at_column) * rows + item.row + at_row
    # A run that goes on from a column's foot to the next one's head is one run.
    same = np.flatnonzero(places[1:] == places[:-1])
    places = np.delete(places, np.concatenate((same, same + 1)))
    lengths: list[int] = np.diff(places, prepend=0, append=rows * columns).tolist()
    return lengths if lengths[-1] else lengths[:-1]
