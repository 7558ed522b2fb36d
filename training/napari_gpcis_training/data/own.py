"""A lab's own labelled images: checked all at once, measured, and split in two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.geometry import equivalent_diameter
from napari_gpcis_training.config import DataSource
from napari_gpcis_training.data.pairs import pair_files, read_planes
from napari_gpcis_training.data.sets import LabelledSet, LabelledSlice, index_objects

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_gpcis_training.data.pairs import Pair, Plane

FEWEST_SLICES = 3
_FEWEST_FILES = 3
_HELD_OUT = 0.2
_BLOCKS = 5
_ENOUGH_FOR_GAPS = 10
_SPECK_AREA = 5
_LARGEST_DEBRIS = 30
_MOST_PIXELS = 400_000_000
_MOST_PROBLEMS = 20
_GENERIC = {"images", "image", "img", "imgs", "raw", "data"}


@dataclass(frozen=True, slots=True)
class OwnData:
    """What a model is fine-tuned on.

    Attributes
    ----------
    name : str
        The data's folder.
    training, held_out : LabelledSet
        Of different files, or of different blocks of slices.
    diameter : float
        Median equivalent diameter of the objects, px.
    """

    name: str
    training: LabelledSet
    held_out: LabelledSet
    diameter: float

    @property
    def slices(self) -> int:
        """Number of labelled slices that are used."""
        return len(self.training.slices) + len(self.held_out.slices)

    @property
    def objects(self) -> int:
        """Number of objects in them."""
        return sum(len(item.objects) for item in (*self.training.slices, *self.held_out.slices))


def load_own_data(images: Path, labels: Path, seed: int) -> OwnData:
    """Read, check, measure and split labelled images.

    Parameters
    ----------
    images, labels : Path
        Folders; files are paired by name. Binary masks become objects by connected regions.
    seed : int
        Of the split.

    Raises
    ------
    ValueError
        With a line for every file that will not do, or when there are too few labelled slices.
    """
    pairs, problems = pair_files(images, labels)
    planes, more = _read_all(pairs)
    problems += more
    if problems:
        raise ValueError(_all_of(problems))
    name = images.resolve().name
    name = images.resolve().parent.name if name.lower() in _GENERIC else name
    source = DataSource(
        name=name or "own images", components=_are_binary(planes), licence="the user's own"
    )
    slices, diameter = _index(planes, source)
    files = [plane.pair for plane in planes]
    kept = [index for index, item in enumerate(slices) if len(item.objects)]
    if len(kept) < FEWEST_SLICES:
        raise ValueError(
            f"expected at least {FEWEST_SLICES} labelled images or slices, got {len(kept)}; "
            "label some more"
        )
    train, held_out = split([files[index] for index in kept], seed)
    training, validation = (
        LabelledSet(source, tuple(slices[kept[index]] for index in part))
        for part in (train, held_out)
    )
    return OwnData(source.name, training, validation, diameter)


def split(files: Sequence[int], seed: int) -> tuple[list[int], list[int]]:
    """Split slices into those to train on and those to validate on, about four to one.

    Parameters
    ----------
    files : sequence of int
        For each slice, in order, the file that it is from. Whole files are held out; where there
        are fewer than three, blocks of neighbouring slices are.
    seed : int
        Chooses which.

    Returns
    -------
    train, held_out : list of int
        Indices into `files`. A slice beside a held-out block is in neither, if there are plenty.
    """
    count = len(files)
    names = np.asarray(files)
    by_file = len(np.unique(names)) >= _FEWEST_FILES
    parts = (
        [np.flatnonzero(names == file) for file in np.unique(names)]
        if by_file
        else np.array_split(np.arange(count), min(_BLOCKS, count))
    )
    order = np.random.default_rng(seed).permutation(len(parts))
    chosen = order[: max(1, round(_HELD_OUT * len(parts)))]
    held_out = np.sort(np.concatenate([parts[index] for index in chosen]))
    gap = 1 if not by_file and count >= _ENOUGH_FOR_GAPS else 0
    near = {int(index) + step for index in held_out for step in range(-gap, gap + 1)}
    return [index for index in range(count) if index not in near], held_out.tolist()


def _read_all(pairs: Sequence[Pair]) -> tuple[list[Plane], list[str]]:
    """Read every pair; of more slices than memory should hold, every second, then every fourth."""
    planes: list[Plane] = []
    problems: list[str] = []
    every, seen, pixels = 1, 0, 0
    for number, pair in enumerate(pairs):
        try:
            for plane in read_planes(pair, number):
                if seen % every == 0:
                    planes.append(plane)
                    pixels += plane.labels.size
                seen += 1
                if pixels > _MOST_PIXELS and len(planes) > 2 * FEWEST_SLICES:
                    planes, every = planes[::2], 2 * every
                    pixels = sum(plane.labels.size for plane in planes)
        except ValueError as error:
            problems.append(str(error))
    return planes, problems


def _are_binary(planes: Sequence[Plane]) -> bool:
    """Whether no file tells two objects apart."""
    values: dict[int, set[int]] = {}
    for plane in planes:
        values.setdefault(plane.pair, {0}).update(np.unique(plane.labels).tolist())
    return all(len(found) <= 2 for found in values.values())


def _index(planes: Sequence[Plane], source: DataSource) -> tuple[list[LabelledSlice], float]:
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


def _all_of(problems: Sequence[str]) -> str:
    left = len(problems) - _MOST_PROBLEMS
    lines = [*problems[:_MOST_PROBLEMS], *([f"and {left} more"] if left > 0 else [])]
    files = "file" if len(problems) == 1 else "files"
    return "\n  ".join([f"{len(problems)} {files} cannot be used; mend or remove:", *lines])
