"""The objects that the benchmark clicks at: all of a paper's set, or a sample of another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_gpcis_training.config import DataSource, load_config
from napari_gpcis_training.data.layouts import LAYOUTS, detect_layout, find_files
from napari_gpcis_training.data.sampling import diameters, sample_objects
from napari_gpcis_training.data.sets import index_objects, split_files
from napari_gpcis_training.data.split_rules import in_last_sixth

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from napari_gpcis_training.data.layouts import LabelledFile
    from napari_gpcis_training.data.planes import LabelledPlane

    Array = np.ndarray[Any, np.dtype[Any]]

PAPER_LAYOUTS = ("grabcut", "berkeley", "davis", "sbd", "coco_mval")
"""Layouts of the papers' sets, in which every mask is an object of the benchmark."""
OWN_LAYOUT = "folder"
"""Layout of pairs of images and labels."""
_SPLIT_NAMES = {"sbd": "val"}


@dataclass(frozen=True, slots=True)
class BenchmarkObject:
    """One object in one image.

    Attributes
    ----------
    data, image_name : str
        Names of the data set and of the image (of a volume, with the slice).
    number : int
        The object's label.
    image : uint8, shape (Y, X) or (Y, X, 3)
        The same array for all objects of an image.
    target, valid : bool, shape (Y, X)
        The object, and where errors count.
    diameter : float
        Diameter of the circle of the object's area, px.
    typical_diameter : float or None
        Size of the image's objects as a user would state it, px: their median. None in the papers'
        sets, of whose single objects nobody knows the size beforehand.
    """

    data: str
    image_name: str
    number: int
    image: Array
    target: Array
    valid: Array
    diameter: float
    typical_diameter: float | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which objects of a set are clicked at.

    Attributes
    ----------
    objects : int or None
        Most objects of a set; all when None.
    per_image : int or None
        Most objects of an image; the papers' sets are taken whole.
    min_diameter : float
        Smallest object, px; the papers' sets are taken whole.
    split : {"validation", "all"}
        Part of sets of our own form: files and slices that our models never trained on, or all.
    seed : int
    """

    objects: int | None = None
    per_image: int | None = 5
    min_diameter: float = 8.0
    split: Literal["validation", "all"] = "validation"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is: number of the file, name of the plane, label."""

    file: int
    plane: str
    number: int


@dataclass(frozen=True, slots=True)
class ObjectSet:
    """A data set, opened for the benchmark.

    Attributes
    ----------
    name : str
    folder : Path
    layout : str
        One of `data.layouts.LAYOUTS`.
    files : tuple of LabelledFile
    components : bool
        True if every connected region of a label is an object of its own.
    min_area : int
        Smallest object, px.
    """

    name: str
    folder: Path
    layout: str
    files: tuple[LabelledFile, ...]
    components: bool = False
    min_area: int = 1

    def choose(self, sampling: Sampling, notify: Callable[[str], None]) -> list[Place]:
        """Choose objects; files that cannot be read are reported and left out."""
        planes: list[tuple[int, str]] = []
        objects: list[Array] = []
        held_out = set(split_files([file.name for file in self.files])[1])
        for number in range(len(self.files)):
            try:
                for plane in self._split(number, sampling.split, held_out):
                    objects.append(self._index(plane)[1])
                    planes.append((number, plane.name))
            except (ValueError, OSError) as error:
                notify(f"left out: {error}")
        of_paper = self.layout in PAPER_LAYOUTS
        chosen = sample_objects(
            objects,
            sampling.objects,
            None if of_paper else sampling.per_image,
            0.0 if of_paper else sampling.min_diameter,
            sampling.seed,
        )
        return [Place(*planes[index], int(row[0])) for index, row in chosen]

    def read(self, number: int, places: Iterable[Place]) -> Iterator[BenchmarkObject]:
        """Read objects of one file, given by its number, in the order of its planes.

        Raises
        ------
        ValueError
            If the file cannot be read.
        """
        wanted: dict[str, list[int]] = {}
        for place in places:
            wanted.setdefault(place.plane, []).append(place.number)
        for plane in self.files[number].planes():
            if plane.name in wanted:
                yield from self._objects(plane, wanted[plane.name])

    def _objects(self, plane: LabelledPlane, numbers: list[int]) -> Iterator[BenchmarkObject]:
        labels, index = self._index(plane)
        sizes = dict(zip(index[:, 0].tolist(), diameters(index).tolist(), strict=True))
        typical = float(np.median(diameters(index)))
        for number in numbers:
            yield BenchmarkObject(
                data=self.name,
                image_name=plane.name,
                number=number,
                image=plane.image,
                target=labels == number,
                valid=np.ones(labels.shape, np.bool_) if plane.ignore is None else ~plane.ignore,
                diameter=sizes[number],
                typical_diameter=None if self.layout in PAPER_LAYOUTS else typical,
            )

    def _index(self, plane: LabelledPlane) -> tuple[Array, Array]:
        """Labels, and the index of the objects that are large enough."""
        made = index_objects(plane.name, plane.image, plane.labels, self.components, self.min_area)
        return made.labels, made.objects

    def _split(self, number: int, split: str, held_out: Collection[str]) -> Iterator[LabelledPlane]:
        """Planes of a file that are in the split."""
        file = self.files[number]
        if self.layout != OWN_LAYOUT or split == "all":
            yield from file.planes()
            return
        if file.slices > 1:
            yield from file.planes(in_last_sixth)
        elif file.name in held_out:
            yield from file.planes()


def by_file(places: Sequence[Place]) -> Iterator[tuple[int, list[Place]]]:
    """Places, ordered by file, as number of the file and places in it."""
    for number, group in groupby(places, lambda place: place.file):
        yield number, list(group)


def open_sets(
    folders: Iterable[Path], layout: str, notify: Callable[[str], None]
) -> list[ObjectSet]:
    """Open data sets; a folder may be one, or hold several.

    Parameters
    ----------
    folders : iterable of Path
        Folders of data sets.
    layout : str
        One of `data.layouts.LAYOUTS`, or "auto".
    notify : callable
        Called with a line for everything odd in a folder.

    Raises
    ------
    ValueError
        If a folder is neither.
    """
    opened: list[ObjectSet] = []
    for folder in folders:
        opened += [_open(folder, kind, notify) for folder, kind in _find_sets(folder, layout)]
    names = [each.name for each in opened]
    if len({*names}) < len(names):
        raise ValueError(
            f"expected data sets of different names, got {', '.join(names)}; rename a folder"
        )
    return opened


def _find_sets(folder: Path, layout: str) -> list[tuple[Path, str]]:
    if layout != "auto":
        return [(folder, layout)]
    try:
        return [(folder, detect_layout(folder))]
    except ValueError:
        below = sorted(folder.iterdir()) if folder.is_dir() else []
        found = [(path, kind) for path in below if (kind := _layout_of(path)) is not None]
        if not found:
            raise
        return found


def _layout_of(folder: Path) -> str | None:
    if not folder.is_dir():
        return None
    try:
        return detect_layout(folder)
    except ValueError:
        return None


def _open(folder: Path, layout: str, notify: Callable[[str], None]) -> ObjectSet:
    if layout not in LAYOUTS:
        raise ValueError(f"expected a layout of {', '.join(LAYOUTS)} or auto, got {layout!r}")
    files, remarks = find_files(folder, layout, _SPLIT_NAMES.get(layout))
    folder = folder.resolve()
    name = folder.name
    for remark in remarks:
        notify(f"{name}: {remark}")
    if not files:
        raise ValueError(f"expected images with labels in {folder}, got none; check the folder")
    if layout in PAPER_LAYOUTS:
        return ObjectSet(name, folder, layout, tuple(files))
    components = source_named(name).components
    min_area = load_config("default").min_area
    return ObjectSet(name, folder, layout, tuple(files), components, min_area)


def source_named(name: str) -> DataSource:
    """Settings of a data set in the default configuration; plain ones when it is not there."""
    known = {source.name: source for source in load_config("default").data}
    return known.get(name) or DataSource.model_validate({"name": name})
