"""Folders of images and labels, held in memory as 8-bit slices with an index of their objects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import imageio.v3 as iio
import numpy as np
import tifffile
from scipy import ndimage
from skimage.measure import label as connected_regions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_gpcis_training.config import DataSource

Split = Literal["train", "validation"]
Array = np.ndarray[Any, np.dtype[Any]]

_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}
_HOLD_OUT_FILE = 7
_HOLD_OUT_SLICES = 6
_PERCENTILES = (0.1, 99.9)


@dataclass(frozen=True, slots=True)
class LabelledSlice:
    """One slice with its labels and an index of its objects.

    Attributes
    ----------
    name
        Data set, file and, of a volume, slice index.
    image : uint8, shape (H, W, 3) or (H, W)
    labels : uint16, shape (H, W)
    low, high
        Intensities at the 0.1st and 99.9th percentile.
    objects : int, shape (n, 6)
        Label, first row, first column, end row, end column, area (px) of each object.
    """

    name: str
    image: Array
    labels: Array
    low: float
    high: float
    objects: Array


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """The slices of one data set and split."""

    source: DataSource
    slices: tuple[LabelledSlice, ...]


def load_set(root: str | Path, source: DataSource, split: Split, min_area: int) -> LabelledSet:
    """Load one split of `root/NAME/{images,labels}`.

    Raises
    ------
    ValueError
        When the folder is missing or holds no pair, a pair differs in size, or no object is left.
    """
    folder = Path(root) / source.name
    slices: list[LabelledSlice] = []
    for image_path, label_path, chosen in _pairs(folder, source, split):
        image, labels = _read(image_path), _read(label_path)
        if labels.ndim == 3:
            image = to_uint8(image)
            planes = [
                (f"{image_path.stem}[{z}]", image[z], labels[z])
                for z in _volume_slices(min(len(image), len(labels)), split)
            ]
        else:
            planes = [(image_path.stem, image, labels)] if chosen else []
        for name, plane, plane_labels in planes:
            made = index_objects(
                f"{source.name}/{name}", plane, plane_labels, source.components, min_area
            )
            if len(made.objects):
                slices.append(made)
    if not slices:
        raise ValueError(
            f"expected labelled objects of {min_area} px or more in the {split} split of {folder}, "
            "got none; add labelled images or lower min_area"
        )
    return LabelledSet(source, tuple(slices))


def index_objects(
    name: str, image: Array, labels: Array, components: bool, min_area: int
) -> LabelledSlice:
    """Make a `LabelledSlice` of an image (any numeric type) and its label image."""
    image = to_uint8(image)
    if image.shape[:2] != labels.shape:
        raise ValueError(
            f"expected image and labels of {name} of one size, got {image.shape[:2]} and "
            f"{labels.shape}; export them again from the same image"
        )
    if components:
        labels = connected_regions(labels, connectivity=1)
    labels = labels.astype(np.uint16)
    areas = np.bincount(labels.ravel())
    rows = [
        (number, box[0].start, box[1].start, box[0].stop, box[1].stop, areas[number])
        for number, box in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1)
        if box is not None and areas[number] >= min_area
    ]
    low, high = np.percentile(image, _PERCENTILES)
    objects = np.asarray(rows, np.int64).reshape(-1, 6)
    return LabelledSlice(name, image, labels, float(low), float(max(high, low + 1)), objects)


def to_uint8(image: Array) -> Array:
    """Bring an image to 8 bits: as it is, or between its 0.1st and 99.9th percentile."""
    if image.ndim == 3 and image.shape[-1] == 4:
        image = image[..., :3]
    if image.ndim == 3 and image.shape[-1] == 2:
        image = image.mean(axis=-1)
    if image.dtype == np.uint8:
        return image
    low, high = np.percentile(image, _PERCENTILES)
    scaled = (image.astype(np.float32) - low) * (255 / max(high - low, 1e-6))
    levels: Array = scaled.clip(0, 255).astype(np.uint8)
    return levels


def split_files(
    names: Sequence[str], group_pattern: str | None = None
) -> tuple[list[str], list[str]]:
    """Split file stems into training and validation.

    Every seventh of the sorted names, from the first on, is for validation. A file that shows the
    same photograph as one of these is in neither.
    """
    ordered = sorted(names)
    held_out = ordered[::_HOLD_OUT_FILE]
    photographs = {_photograph(name, group_pattern) for name in held_out}
    train = [name for name in ordered if _photograph(name, group_pattern) not in photographs]
    return train, held_out


def _photograph(name: str, group_pattern: str | None) -> str:
    match = re.search(group_pattern, name) if group_pattern else None
    return match.group(1) if match else name


def _volume_slices(count: int, split: Split) -> range:
    first_held_out = count - count // _HOLD_OUT_SLICES
    return range(first_held_out) if split == "train" else range(first_held_out, count)


def _pairs(folder: Path, source: DataSource, split: Split) -> Iterable[tuple[Path, Path, bool]]:
    """Yield image path, label path, and whether a 2-D image of it belongs to the split."""
    images = _by_stem(folder / "images")
    labels = _by_stem(folder / "labels")
    stems = sorted(images.keys() & labels.keys())
    if not stems:
        raise ValueError(
            f"expected images and labels of the same names in {folder}/images and "
            f"{folder}/labels, got {len(images)} and {len(labels)} files without a pair; "
            "rename them alike"
        )
    train, held_out = split_files(stems, source.group_pattern)
    chosen = set(train if split == "train" else held_out)
    for stem in stems:
        yield images[stem], labels[stem], stem in chosen


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise ValueError(f"expected a folder {folder}, got none; check --data and the set's name")
    return {path.stem: path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES}


def _read(path: Path) -> Array:
    try:
        if path.suffix.lower() in {".tif", ".tiff"}:
            return np.asarray(tifffile.imread(path))
        # bytes, so that no plugin leaves a broken file open
        return np.asarray(iio.imread(path.read_bytes(), plugin="pillow"))
    except Exception as error:
        raise ValueError(
            f"expected a readable image in {path}, got: {error}; replace or remove the file"
        ) from error
