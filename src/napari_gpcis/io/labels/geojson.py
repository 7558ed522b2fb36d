"""GeoJSON as QuPath reads it: a polygon, or several, for each object and slice."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from napari_gpcis.io.files import open_text, os_errors_as_output_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gpcis.io.labels.polygons import LabelledObject, Polygon
    from napari_gpcis.io.labels.slices import SlicePlace, Slices

__all__ = ["Features", "open_geojson"]


@contextmanager
def open_geojson(path: Path, part: Path, slices: Slices) -> Iterator[Features]:
    """Open a feature collection at `part`, which will be put at `path`.

    Raises
    ------
    OutputFileError
        When it cannot be written.
    """
    with open_text(path, part) as file:
        with os_errors_as_output_errors(path):
            file.write('{"type": "FeatureCollection", "features": [')
        yield Features(file, slices)
        with os_errors_as_output_errors(path):
            file.write("\n]}\n")


class Features:
    """Adds features, a line each; made by `open_geojson`."""

    def __init__(self, file: TextIO, slices: Slices) -> None:
        self._file = file
        self._slices = slices
        self._between = "\n"

    def add(self, item: LabelledObject, place: SlicePlace) -> None:
        """Add an object of a slice."""
        style = self._slices.style(item.label)
        properties: dict[str, Any] = {"objectType": "annotation", "name": style.name}
        if self._slices.classes is not None:
            properties["classification"] = {"name": style.name}
            if style.color is not None:
                properties["classification"]["color"] = list(style.color)
        geometry = _geometry(item.polygons())
        # QuPath's word for all channels is -1.
        geometry["plane"] = {"c": -1, "z": place.z, "t": place.t}
        feature = {"type": "Feature", "geometry": geometry, "properties": properties}
        self._file.write(self._between + json.dumps(feature))
        self._between = ",\n"


def _geometry(polygons: list[Polygon]) -> dict[str, Any]:
    parts = [_rings(polygon) for polygon in polygons]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _rings(polygon: Polygon) -> list[list[list[int]]]:
    """Closed rings of x and y; exteriors run counter-clockwise and holes clockwise."""
    return [_closed(ring, flip=hole) for hole, ring in enumerate(polygon.rings)]


def _closed(ring: NDArray[Any], flip: int) -> list[list[int]]:
    y, x = ring[:, 0], ring[:, 1]
    twice_area = int((x * _next(y) - y * _next(x)).sum())
    points: list[list[int]] = ring[:, ::-1].tolist()
    if (twice_area < 0) != bool(flip):
        points.reverse()
    return [*points, points[0]]


def _next(values: NDArray[Any]) -> NDArray[Any]:
    rolled: NDArray[Any] = values.take(range(1, len(values) + 1), mode="wrap")
    return rolled
