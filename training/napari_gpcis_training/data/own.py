"""A lab's own labelled images: checked all at once, measured, and split in two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.geometry import equivalent_diameter
from napari_gpcis_training.config import DataSource
from napari_gpcis_training.data.layouts import find_pairs
from napari_gpcis_training.data.sets import LabelledSet, LabelledSlice, all_of, index_objects
from napari_gpcis_training.data.splits import Item, Split, split_items

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_gpcis_training.data.layouts import LabelledFile
    from napari_gpcis_training.data.planes import LabelledPlane

FEWEST_SLICES = 3
_FEWEST_FILES = 3
_HELD_OUT = 0.2
_SPECK_AREA = 5
_LARGEST_DEBRIS = 30
_MOST_PIXELS = 400_000_000
_GENERIC = {"images", "image", "img", "imgs", "raw", "data"}


@dataclass(frozen=True, slots=True)
class OwnData:
    """Data that a model is fine-tuned on.

    Attributes
    ----------
    name : str
        The data's folder.
    training, held_out : LabelledSet
        Sets of different files, or of different blocks of slices.
    diameter : float
        Median equivalent diameter of the objects, px.
    split : data.splits.Split or None
        Names of the slices in either part, for `write_split`.
    """

    name: str
    training: LabelledSet
    held_out: LabelledSet
    diameter: float
    split: Split | None = None

    @property
    def slices(self) -> int:
        """Number of labelled slices that are used."""
        return len(self.training.slices) + len(self.held_out.slices)

    @property
    def objects(self) -> int:
        """Number of objects in them."""
        return sum(len(item.objects) for item in (*self.training.slices, *self.held_out.slices))


def load_own_data(images: Path, labels: Path, seed: int, axes: str | None = None) -> OwnData:
    """Read, check, measure and split labelled images.

    Parameters
    ----------
    images, labels : Path
        Folders, or one; files are paired by name. Binary masks become objects by connected
        regions.
    seed : int
        Seed of the split.
    axes : str, optional
        Letters of the images' axes as stored, such as CYX; from the files when not given.

    Raises
    ------
    ValueError
        If files will not do, with a line for each; or if there are too few labelled slices.
    """
    files, problems = find_pairs(images, labels, axes=axes)
    read, more = _read_all(files)
    problems += more
    if problems:
        raise ValueError(all_of(problems))
    name = images.resolve().name
    name = images.resolve().parent.name if name.lower() in _GENERIC else name
    planes = [plane for _, plane in read]
    source = DataSource(
        name=name or "own images", components=_are_binary(read), licence="the user's own"
    )
    slices, diameter = _index(planes, source)
    kept = [index for index, item in enumerate(slices) if len(item.objects)]
    if len(kept) < FEWEST_SLICES:
        raise ValueError(
            f"expected at least {FEWEST_SLICES} labelled images or slices, got {len(kept)}; "
            "label some more"
        )
    items = [
        Item(read[index][0].name, read[index][0].group, planes[index].z, planes[index].slices)
        for index in kept
    ]
    made = split_own(items, seed)
    training, held_out = (
        LabelledSet(source, tuple(slices[index] for index in kept if slices[index].name in part))
        for part in (made.train, made.held_out)
    )
    return OwnData(source.name, training, held_out, diameter, made)


def split_own(items: Sequence[Item], seed: int) -> Split:
    """Split slices into those to train on and those to validate on, about four to one.

    Whole files are held out; where there are fewer than three, blocks of neighbouring slices are.
    """
    by_file = len({item.file for item in items}) >= _FEWEST_FILES
    return split_items(items, by="file" if by_file else "block", hold_out=_HELD_OUT, seed=seed)


def _read_all(
    files: Sequence[LabelledFile],
) -> tuple[list[tuple[LabelledFile, LabelledPlane]], list[str]]:
    """Read every file; of more slices than memory should hold, every second, then every fourth."""
    read: list[tuple[LabelledFile, LabelledPlane]] = []
    problems: list[str] = []
    every, seen, pixels = 1, 0, 0
    for file in files:
        try:
            for plane in file.planes():
                if seen % every == 0:
                    read.append((file, plane))
                    pixels += plane.labels.size
                seen += 1
                if pixels > _MOST_PIXELS and len(read) > 2 * FEWEST_SLICES:
                    read, every = read[::2], 2 * every
                    pixels = sum(plane.labels.size for _, plane in read)
        except ValueError as error:
            problems.append(str(error))
    return read, problems


def _are_binary(read: Sequence[tuple[LabelledFile, LabelledPlane]]) -> bool:
    """Say whether no file tells two objects apart."""
    values: dict[str, set[int]] = {}
    for file, plane in read:
        values.setdefault(file.name, {0}).update(np.unique(plane.labels).tolist())
    return all(len(found) <= 2 for found in values.values())


def _index(
    planes: Sequence[LabelledPlane], source: DataSource
) -> tuple[list[LabelledSlice], float]:
    """Index the objects; those far smaller than the median one are left out as debris."""
    slices = [
        index_objects(plane.name, plane.image, plane.labels, source.components, _SPECK_AREA)
        for plane in planes
    ]
    areas = np.concatenate([item.objects[:, 5] for item in slices]) if slices else np.empty(0)
    if not len(areas):
        return slices, 0.0
    median = float(np.median(areas))
    smallest = min(_LARGEST_DEBRIS, median / 10)
    slices = [
        replace(item, objects=item.objects[item.objects[:, 5] >= smallest]) for item in slices
    ]
    return slices, equivalent_diameter(median)
