"""Data sets held in memory as 8-bit slices with an index of their objects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage
from skimage.measure import label as connected_regions

from napari_gpcis_training.data.layouts import detect_layout, find_files
from napari_gpcis_training.data.planes import label_numbers, name_of_slice
from napari_gpcis_training.data.splits import (
    Item,
    Split,
    check_split,
    group_of,
    grouped,
    read_split,
    split_items,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_gpcis_training.config import DataSource
    from napari_gpcis_training.data.layouts import LabelledFile

Part = Literal["train", "validation"]
Array = np.ndarray[Any, np.dtype[Any]]

_PERCENTILES = (0.1, 99.9)
_LISTS: dict[Part, str] = {"train": "train", "validation": "val"}
_MOST_PROBLEMS = 20


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
    """The slices of one data set and split.

    Attributes
    ----------
    source : DataSource
    slices : tuple of LabelledSlice
        Slices with objects.
    split : data.splits.Split or None
        Split of the data set, for `write_split`.
    """

    source: DataSource
    slices: tuple[LabelledSlice, ...]
    split: Split | None = None


def load_set(root: str | Path, source: DataSource, part: Part, min_area: int) -> LabelledSet:
    """Load one split of the data set in `root/NAME`, or `root/PATH` where the source has a path.

    Images in which no object is labelled are left out.

    Raises
    ------
    ValueError
        With a line for every file that will not do; or when the folder is missing, the written
        split is of other images, or no object is left.
    """
    folder = Path(root) / (source.path or source.name)
    files, problems = _find(folder, source, part)
    items, unreadable = _items(files)
    problems += unreadable
    planned = None if problems else _plan(Path(root), folder, files[0].layout, items, source)
    # all is read, and so looked at, where there are problems to be listed anyway
    wanted = _wanted(planned, part) if planned else {item.name for item in items}
    slices: list[LabelledSlice] = []
    for file in files:
        try:
            slices += _read(file, wanted, source, min_area)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError(f"{source.name}: {all_of(list(dict.fromkeys(problems)))}")
    if not slices:
        raise ValueError(
            f"expected labelled objects of {min_area} px or more in the {part} split of {folder}, "
            "got none; add labelled images or lower min_area"
        )
    return LabelledSet(source, tuple(slices), planned)


def load_sets(
    root: str | Path, sources: Iterable[DataSource], part: Part, min_area: int
) -> list[LabelledSet]:
    """Load one split of several data sets.

    Raises
    ------
    ValueError
        If sets will not do, with the errors of all of them.
    """
    sets: list[LabelledSet] = []
    problems: list[str] = []
    for source in sources:
        try:
            sets.append(load_set(root, source, part, min_area))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    return sets


def all_of(problems: Sequence[str]) -> str:
    """One message of a line for each problem, up to twenty."""
    left = len(problems) - _MOST_PROBLEMS
    lines = [*problems[:_MOST_PROBLEMS], *([f"and {left} more"] if left > 0 else [])]
    files = "file" if len(problems) == 1 else "files"
    return "\n  ".join([f"{len(problems)} {files} cannot be used; mend or remove:", *lines])


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
    labels = label_numbers(labels, name)
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
    """Split file stems into training and validation by the rule "default" of `data.splits`.

    Every seventh of the sorted names, from the first on, is for validation. A file that shows the
    same photograph as one of these is in neither.
    """
    items = [Item(name, group_of(name, group_pattern)) for name in sorted(names)]
    made = split_items(items, by="default")
    return list(made.train), list(made.held_out)


def _find(folder: Path, source: DataSource, part: Part) -> tuple[list[LabelledFile], list[str]]:
    if not folder.is_dir():
        raise ValueError(f"expected a folder {folder}, got none; check --data and the set's name")
    layout = detect_layout(folder) if source.layout == "auto" else source.layout
    files, problems = find_files(folder, layout, _LISTS[part] if _listed(layout, source) else None)
    if not files and not problems:
        raise ValueError(f"expected images and labels of the same names in {folder}, got none")
    return grouped(files, source.group_pattern), problems


def _listed(layout: str, source: DataSource) -> bool:
    """Say whether the data set itself determines what is held out."""
    return layout == "sbd" and source.split == "default" and not source.split_file


def _plan(
    root: Path, folder: Path, layout: str, items: Sequence[Item], source: DataSource
) -> Split:
    """Say which slices go where: as written down, as SBD's lists say, or by the source's rule."""
    if source.split_file:
        written = read_split(root / source.split_file, source.name)
        check_split(written, items)
        return written
    if _listed(layout, source):
        parts = [find_files(folder, layout, part)[0] for part in _LISTS.values()]
        train, held_out = (tuple(file.name for file in files) for files in parts)
        return Split("default", source.seed, source.hold_out, train, held_out)
    return split_items(
        items, by=source.split, hold_out=source.hold_out, seed=source.seed, gap=source.gap
    )


def _wanted(split: Split, part: Part) -> set[str]:
    return set(split.train if part == "train" else split.held_out)


def _items(files: Sequence[LabelledFile]) -> tuple[list[Item], list[str]]:
    items: list[Item] = []
    problems: list[str] = []
    for file in files:
        try:
            slices = file.slices
        except ValueError as error:
            problems.append(str(error))
        else:
            items += [Item(file.name, file.group, z, slices) for z in range(slices)]
    return items, problems


def _read(
    file: LabelledFile, wanted: set[str], source: DataSource, min_area: int
) -> list[LabelledSlice]:
    """Read the wanted slices that have objects."""
    slices: list[LabelledSlice] = []
    for plane in file.planes(lambda z, count: name_of_slice(file.name, z, count) in wanted):
        name = f"{source.name}/{plane.name}"
        made = index_objects(name, plane.image, plane.labels, source.components, min_area)
        if len(made.objects):
            slices.append(made)
    return slices
