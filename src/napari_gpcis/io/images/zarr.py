"""zarr arrays and OME-Zarr images (0.4 and 0.5), through zarr-python."""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.files import ZARR_MARKS
from napari_gpcis.io.images.axes import StoredAxes, fit_axes
from napari_gpcis.io.images.resolution import Resolution
from napari_gpcis.io.images.stack import ImageStack, as_read, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

__all__ = ["ZarrStack"]

# A chunk is decoded as a whole, several of them at a time.
_MOST_CHUNK_BYTES = 1 << 30


class ZarrStack(ImageStack):
    """An array of a zarr store on disk; the finest level of a pyramid.

    Parameters
    ----------
    path : Path
        A folder, or a zip file.
    axes : str, optional
        From `parse_axes`; by default the store's own, or YX, ZYX or ZYXC.
    series : int
        Index of the image in a store that holds several.
    """

    def __init__(self, path: Path, axes: str | None = None, series: int = 0) -> None:
        self.path = path
        self._store = _open_store(path)
        try:
            image = _find_image(self._store, series, path)
            self._array = image.array
            self.dtype = as_read(np.dtype(image.array.dtype), path)
            self._lay_out(image, axes)
            self.resolution = image.resolution
        except ImageFileError:
            self.close()
            raise
        except Exception as error:
            # Metadata that are not what they should be fail in many ways.
            self.close()
            raise unreadable(path, error) from error

    def close(self) -> None:
        """Close the store."""
        self._store.store.close()

    def _lay_out(self, image: _Image, axes: str | None) -> None:
        shape = image.array.shape
        if axes is not None:
            letters = fit_axes(axes, shape, self.path)
        elif image.axes is not None:
            letters = image.axes
        elif len(shape) in (2, 3, 4):
            letters = {2: "YX", 3: "ZYX", 4: "ZYXC"}[len(shape)]
        else:
            raise ImageFileError(
                f"{self.path} has the shape {shape} and does not name its axes; name them, "
                "such as TZYX or ZCYX"
            )
        size = np.prod(image.array.chunks, dtype=float) * image.array.dtype.itemsize
        if size > _MOST_CHUNK_BYTES:
            raise ImageFileError(
                f"{self.path} has chunks of {size / 2**30:.1f} GiB; save it in smaller ones"
            )
        self._set_axes(StoredAxes.of(letters, shape, self.path))
        self.is_rgb = False

    def _read(self, z: int, rows: range, columns: range, channels: list[int]) -> NDArray[Any]:
        stored = self.stored_axes
        place: dict[int, Any] = dict(stored.position(z))
        place[stored.row] = slice(rows.start, rows.stop, rows.step)
        place[stored.column] = slice(columns.start, columns.stop, columns.step)
        left = [stored.row, stored.column]
        if stored.channel is None:
            return self._part(place, left)
        left.append(stored.channel)
        if channels == list(range(channels[0], channels[-1] + 1)):
            place[stored.channel] = slice(channels[0], channels[-1] + 1)
            return self._part(place, left)
        one = [{**place, stored.channel: slice(channel, channel + 1)} for channel in channels]
        return np.concatenate([self._part(part, left) for part in one], axis=-1)

    def _part(self, place: Mapping[int, Any], left: Sequence[int]) -> NDArray[Any]:
        """Pixels at `place`, with the axes of `left` in that order."""
        part = np.asarray(self._array[tuple(place[axis] for axis in range(len(place)))])
        ascending = sorted(left)
        return part.transpose([ascending.index(axis) for axis in left])


@dataclass(frozen=True, slots=True)
class _Image:
    array: zarr.Array[Any]
    axes: str | None
    resolution: Resolution


def _open_store(path: Path) -> zarr.Array[Any] | zarr.Group:
    import zarr

    if path.is_file():
        _check_zip(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            store = zarr.storage.ZipStore(path, mode="r") if path.is_file() else path
            return zarr.open(store, mode="r")
    except Exception as error:
        # Each of its formats complains in its own way.
        raise unreadable(path, error) from error


def _check_zip(path: Path) -> None:
    """Refuse a zip file of anything else than zarr."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (OSError, zipfile.BadZipFile) as error:
        raise unreadable(path, error) from error
    if not any(name.rsplit("/", 1)[-1] in ZARR_MARKS for name in names):
        held = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        raise ImageFileError(
            f"{path} is a zip file of {held or 'nothing'}, not of zarr; unpack it and give the "
            "path of the image inside"
        )


def _find_image(node: zarr.Array[Any] | zarr.Group, series: int, path: Path) -> _Image:
    import zarr

    if isinstance(node, zarr.Array):
        _check_series(series, ["the array"], path)
        return _Image(node, _named_axes(node), Resolution())
    attributes = _ome(node)
    if "multiscales" in attributes:
        scales = attributes["multiscales"]
        _check_series(series, [str(one.get("name", "")) for one in scales], path)
        return _multiscale(node, scales[series], path)
    if "bioformats2raw.layout" in attributes:
        names = _series_names(node)
        _check_series(series, names, path)
        return _find_image(_member(node, names[series]), 0, path)
    arrays = sorted(name for name, _ in node.arrays())
    if not arrays:
        raise ImageFileError(
            f"{path} holds no image, but {sorted(node)[:12]}; give the path of one of those"
        )
    _check_series(series, arrays, path)
    array = _member(node, arrays[series])
    return _Image(array, _named_axes(array), Resolution())


def _ome(group: zarr.Group) -> dict[str, Any]:
    """Attributes of an OME group; since 0.5 they lie one level down."""
    attributes: dict[str, Any] = group.attrs.asdict()
    own = attributes.get("ome")
    return own if isinstance(own, dict) else attributes


def _series_names(group: zarr.Group) -> list[str]:
    """Groups "0", "1", … of a converted file, or those that its OME group lists."""
    if "OME" in group:
        listed = _ome(_member(group, "OME")).get("series")
        if isinstance(listed, list) and listed:
            return [str(name) for name in listed]
    return sorted((name for name in group if name.isdigit()), key=int)


def _member(group: zarr.Group, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return group[name]


def _check_series(series: int, names: Sequence[str], path: Path) -> None:
    if not 0 <= series < len(names):
        known = ", ".join(f"{i}: {name}" for i, name in enumerate(names[:12]))
        raise ImageFileError(
            f"{path} has no series {series}, but {known or 'none at all'}; choose one of those"
        )


def _multiscale(group: zarr.Group, multiscale: Mapping[str, Any], path: Path) -> _Image:
    levels = multiscale["datasets"]
    finest = min(range(len(levels)), key=lambda i: (_area(_scale(levels[i])), i))
    array = _member(group, levels[finest]["path"])
    # Until version 0.2 there were five axes, and no need to name them.
    named = multiscale.get("axes") or list("tczyx")
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in named]
    letters = "".join(str(axis["name"])[:1].upper() for axis in axes)
    if len(letters) != array.ndim:
        raise ValueError(f"its metadata name {len(letters)} axes, but it has {array.ndim}")
    # The transformations of a level come first, then those of all levels.
    steps = [
        transformation
        for level in (levels[finest], multiscale)
        for transformation in level.get("coordinateTransformations") or ()
    ]
    return _Image(array, letters, Resolution.of_ome_zarr(axes, *_placement(steps, letters, path)))


def _placement(
    transformations: Sequence[Mapping[str, Any]], letters: str, path: Path
) -> tuple[list[float] | None, list[float]]:
    """Scale, None if there is none, and translation along each axis."""
    scale, translation = np.ones(len(letters)), np.zeros(len(letters))
    has_scale = False
    for transformation in transformations:
        kind = transformation.get("type")
        if kind not in ("scale", "translation") or kind not in transformation:
            continue
        values = np.asarray(transformation[kind], float)
        if values.shape != scale.shape:
            raise ImageFileError(
                f"{path} has the axes {letters}, but a {kind} of {values.size} "
                f"{'number' if values.size == 1 else 'numbers'} in its metadata; correct it "
                f"there to {len(letters)}, or save the image again from its source"
            )
        if kind == "scale":
            scale, translation, has_scale = scale * values, translation * values, True
        else:
            translation = translation + values
    return scale.tolist() if has_scale else None, translation.tolist()


def _scale(level: Mapping[str, Any]) -> list[float] | None:
    for transformation in level.get("coordinateTransformations") or ():
        if transformation.get("type") == "scale" and "scale" in transformation:
            return [float(value) for value in transformation["scale"]]
    return None


def _area(scale: list[float] | None) -> float:
    return float(np.prod(scale[-2:])) if scale else 0.0


def _named_axes(array: zarr.Array[Any]) -> str | None:
    """Axes that an array names itself, if all of them are those of an image."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return None
    letters = "".join(name[:1].upper() for name in names)
    known = len(letters) == array.ndim and letters.count("Y") == letters.count("X") == 1
    return letters if known else None
