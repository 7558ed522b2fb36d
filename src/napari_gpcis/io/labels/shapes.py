"""Objects as shapes for other programs: ImageJ's ROIs, GeoJSON for QuPath, COCO's annotations."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

from napari_gpcis.io.files import atomic_write, check_suffix, os_errors_as_output_errors
from napari_gpcis.io.labels.polygons import objects_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from napari_gpcis.io.labels.encode import LabelPage
    from napari_gpcis.io.labels.polygons import LabelledObject
    from napari_gpcis.io.labels.slices import SlicePlace, Slices

__all__ = [
    "SHAPE_FORMATS",
    "SHAPE_SUFFIXES",
    "ShapeFormat",
    "ShapeWriter",
    "shape_path",
    "shape_writer",
]

ShapeFormat: TypeAlias = Literal["roi", "geojson", "coco"]
SHAPE_FORMATS: tuple[ShapeFormat, ...] = get_args(ShapeFormat)
SHAPE_SUFFIXES: dict[str, ShapeFormat] = {".zip": "roi", ".geojson": "geojson", ".json": "coco"}
"""Endings of the files, and the formats that they stand for."""
_ENDINGS: dict[ShapeFormat, str] = {
    "roi": "_rois.zip",
    "geojson": ".geojson",
    "coco": "_coco.json",
}


class _Shapes(Protocol):
    def add(self, item: LabelledObject, place: SlicePlace) -> None: ...


class ShapeWriter:
    """Adds slices to a file of shapes; made by `shape_writer`."""

    def __init__(self, path: Path, shapes: _Shapes, slices: Slices) -> None:
        self._path = path
        self._shapes = shapes
        self._slices = slices

    def write(self, index: int, labels: LabelPage) -> None:
        """Add the objects of a slice, which come in their order.

        Parameters
        ----------
        index : int
            Slice index.
        labels : LabelPage, shape (Y, X)
            Labels, 0 for background.
        """
        expected = (self._slices.rows, self._slices.columns)
        if tuple(labels.shape) != expected:
            raise ValueError(
                f"expected labels of shape {expected}, got {tuple(labels.shape)}; write slices of "
                "the image's own size"
            )
        place = self._slices.place(index)
        with os_errors_as_output_errors(self._path):
            for item in objects_of(labels):
                self._shapes.add(item, place)


@contextmanager
def shape_writer(path: str | os.PathLike[str], slices: Slices) -> Iterator[ShapeWriter]:
    """Write objects as shapes, slice by slice; the file appears when the block succeeds.

    Parameters
    ----------
    path : path
        The ending decides: ``.zip`` for a set of ImageJ's ROIs, ``.geojson`` for QuPath,
        ``.json`` for COCO. An older file is replaced.
    slices : Slices
        What the slices are.

    Raises
    ------
    OutputFileError
        When it cannot be written, on entering already, or has another ending.
    """
    path = Path(path)
    check_suffix(path, tuple(SHAPE_SUFFIXES))
    with atomic_write(path) as part, _open_shapes(path, part, slices) as shapes:
        yield ShapeWriter(path, shapes, slices)


def shape_path(labels: Path, kind: ShapeFormat) -> Path:
    """Path of the shapes of a label file: beside it, under its name."""
    name = labels.name
    for ending in (labels.suffix, ".ome"):
        name = name.removesuffix(ending)
    return labels.with_name(f"{name or labels.name}{_ENDINGS[kind]}")


def _open_shapes(path: Path, part: Path, slices: Slices) -> AbstractContextManager[_Shapes]:
    kind = SHAPE_SUFFIXES[path.suffix.lower()]
    if kind == "roi":
        from napari_gpcis.io.labels.roi import open_rois

        return open_rois(path, part, slices)
    if kind == "geojson":
        from napari_gpcis.io.labels.geojson import open_geojson

        return open_geojson(path, part, slices)
    from napari_gpcis.io.labels.coco import open_coco

    return open_coco(path, part, slices)
