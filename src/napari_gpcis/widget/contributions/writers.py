"""Writers that napari calls: clicks files and saved annotations."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.engine.click import Click
from napari_gpcis.io.annotations.clicks import write_clicks
from napari_gpcis.io.annotations.gpcis_file import (
    AnnotationFileError,
    save_annotation,
    with_metadata,
)
from napari_gpcis.io.errors import ClicksFileError
from napari_gpcis.widget.layers.preview import NAME as PREVIEW_NAME
from napari_gpcis.widget.layers.transforms import placement_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.types import Array
    from napari_gpcis.io.annotations.gpcis_file import SavedAnnotation

__all__ = ["write_annotation_file", "write_clicks_file"]

LayerData = tuple[Any, dict[str, Any], str]

_OURS = ("object", "positive")


def write_clicks_file(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a points layer as clicks: whole pixels, `object` and `positive`, other features kept.

    Where the layer has no such features, all points are positive clicks of object 1.

    Raises
    ------
    ClicksFileError
        Naming the point that is no click. Nothing is written then.
    OutputFileError
        When `path` cannot be written.
    """
    points = np.asarray(data, float)
    ndim = points.shape[1]
    if ndim < 2:
        raise ClicksFileError(f"expected points of an image, with 2 axes or more, got {ndim}")
    features = _features(meta)
    signs = _signs(features, len(points))
    clicks = [
        _click(number, (0, *point)[-3:], None, *sign)
        for number, (point, sign) in enumerate(zip(points, signs, strict=True))
    ]
    others = {name: values for name, values in features.items() if name not in _OURS}
    _check_leading(points)
    write_clicks(path, clicks, ndim, others, points.tolist() if ndim > 3 else None)
    return [path]


def _check_leading(points: Array) -> None:
    """Refuse points before the first pixel along an axis before slice, row and column."""
    for number, point in enumerate(points):
        if not all(value >= -0.5 for value in point[:-3]):
            raise ClicksFileError(
                f"point {number} is outside the image; remove it or move it inside"
            )


def write_annotation_file(path: str, layer_data: Sequence[LayerData]) -> list[str]:
    """Write a labels layer, and the points layer of its clicks if there is one, as `.gpcis`.

    What else is saved comes from the labels layer's ``metadata["gpcis"]``. The preview and image
    layers are left out; all layers of a viewer can be given.

    Raises
    ------
    AnnotationFileError, ClicksFileError
        When it is not clear which layer is meant, or a point is no click. Nothing is written then.
    OutputFileError
        When `path` cannot be written.
    """
    labels, labels_meta = _the_labels(layer_data)
    metadata = dict(labels_meta.get("metadata", {}).get("gpcis") or {})
    images = [meta["name"] for _, meta, kind in layer_data if kind == "image"]
    images = [name for name in images if not name.startswith("GPCIS ")]
    if not metadata.get("image") and len(images) == 1:
        metadata["image"] = images[0]
    saved = with_metadata(labels, metadata, placement_of(labels_meta))
    points = _the_points(layer_data)
    if points is not None:
        data, meta = points
        positions = _in_data_of(labels_meta, meta, np.asarray(data, float))
        saved = replace(saved, clicks=_clicks_in(saved, positions, _features(meta)))
    save_annotation(path, saved)
    return [path]


def _the_labels(layer_data: Sequence[LayerData]) -> tuple[Any, dict[str, Any]]:
    found = [
        (data, meta)
        for data, meta, kind in layer_data
        if kind == "labels" and not meta["name"].startswith(PREVIEW_NAME)
    ]
    if len(found) != 1:
        names = [meta["name"] for _, meta in found]
        raise AnnotationFileError(
            f"expected one labels layer, got {names or 'none'}; select the one to save, and the "
            "points layer with its clicks"
        )
    data, meta = found[0]
    if meta.get("multiscale"):
        raise AnnotationFileError(
            f"expected labels of a single scale, got the multiscale layer {meta['name']!r}; "
            "save its full resolution"
        )
    return data, meta


def _the_points(layer_data: Sequence[LayerData]) -> tuple[Any, dict[str, Any]] | None:
    """The points layer of the clicks: the only one, or the only one with our features."""
    found = [(data, meta) for data, meta, kind in layer_data if kind == "points"]
    if len(found) > 1:
        ours = [item for item in found if set(_OURS) <= set(_features(item[1]))]
        if len(ours) != 1:
            names = [meta["name"] for _, meta in ours or found]
            raise AnnotationFileError(
                f"expected one points layer with clicks, got {names}; select the one to save"
            )
        found = ours
    return found[0] if found else None


def _features(meta: dict[str, Any]) -> dict[str, list[Any]]:
    features = meta.get("features")
    if features is None:
        features = meta.get("properties", {})
    return {str(name): list(features[name]) for name in features}


def _signs(features: dict[str, list[Any]], count: int) -> list[tuple[Any, Any]]:
    """Object and sign of each point, as the features have them."""
    objects, positive = features.get("object", [1] * count), features.get("positive", [1] * count)
    return list(zip(objects, positive, strict=True))


def _clicks_in(
    saved: SavedAnnotation, positions: Array, features: dict[str, list[Any]]
) -> tuple[Click, ...]:
    clicks = []
    for number, sign in enumerate(_signs(features, len(positions))):
        position = positions[number]
        try:
            place = saved.place(position) if np.isfinite(position).all() else position[:3]
        except ValueError as error:
            raise ClicksFileError(f"point {number}: {error}") from error
        clicks.append(_click(number, place, saved.shape, *sign))
    return tuple(clicks)


def _click(
    number: int,
    place: Sequence[float],
    shape: tuple[int, int, int] | None,
    object_id: Any,
    positive: Any,
) -> Click:
    """Click of a point; without a shape, only what is left of the first pixel is outside."""
    if positive not in (0, 1):
        raise ClicksFileError(f"point {number}: positive is {positive!r}; set it to True or False")
    if not (_is_number(object_id) and float(object_id).is_integer() and 1 <= object_id < 2**32):
        raise ClicksFileError(
            f"point {number}: object is {object_id!r}; set it to a whole number from 1 on"
        )
    z, row, col = map(float, place)
    try:
        return Click.at(
            row,
            col,
            z=z,
            positive=bool(positive),
            object_id=int(object_id),
            shape=shape or (2**53, 2**53, 2**53),
        )
    except ValueError as error:
        where = f"slice {z:g}, row {row:g}, column {col:g}"
        raise ClicksFileError(
            f"point {number} is at {where}, outside the image; remove it or move it inside"
        ) from error


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and math.isfinite(value)


def _in_data_of(labels: dict[str, Any], points: dict[str, Any], positions: Array) -> Array:
    """Positions of the points in the labels' data, wherever the two layers lie in the world."""
    to_world, to_labels = _matrix(points), _matrix(labels)
    ndim = positions.shape[1]
    if len(to_labels) != ndim + 1:
        raise AnnotationFileError(
            f"expected points with as many axes as the labels ({len(to_labels) - 1}), got {ndim}; "
            "select the points layer of their clicks"
        )
    if np.allclose(to_world, to_labels):
        return positions
    flat = np.c_[positions, np.ones(len(positions))]
    moved: Array = np.linalg.solve(to_labels, to_world @ flat.T).T[:, :ndim]
    return moved


def _matrix(meta: dict[str, Any]) -> Array:
    """From a layer's data to the world, homogeneous."""
    from napari.utils.transforms import CompositeAffine

    parts = {name: np.asarray(meta[name], float) for name in ("rotate", "shear")}
    composite = CompositeAffine(meta["scale"], meta["translate"], **parts)
    matrix: Array = np.asarray(meta["affine"], float) @ composite.affine_matrix
    return matrix
