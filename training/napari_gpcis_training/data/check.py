"""A look at labelled images before they are worked with: what there is, and what is wrong."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.measure import label as connected_regions

from napari_gpcis.engine.geometry import equivalent_diameter
from napari_gpcis.io.images.open import open_image
from napari_gpcis_training.data.layouts import detect_layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from napari_gpcis_training.data.layouts import LabelledFile

_QUARTILES = (25, 50, 75)


@dataclass(slots=True)
class FileCheck:
    """Findings in one labelled file.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Slices, rows, columns, channels; empty when it cannot be read.
    dtype : str
        Type of the image's pixels.
    labelled : int
        Slices with labels.
    areas : list of int
        Areas of the objects (an object counts in each of its slices), px.
    binary : bool
        True if it tells no two objects apart; its objects are then the connected regions.
    problems : list of str
        Each with what to do.
    """

    name: str
    shape: tuple[int, ...] = ()
    dtype: str = ""
    labelled: int = 0
    areas: list[int] = field(default_factory=list)
    binary: bool = False
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As numbers and names."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "labelled_slices": self.labelled,
            "objects": len(self.areas),
            "diameters": diameter_quartiles(self.areas),
            "binary": self.binary,
            "problems": self.problems,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """Findings in a data set.

    Attributes
    ----------
    layout : str
    files : tuple of FileCheck
    remarks : tuple of str
        Remarks on files without a counterpart, and on two that show the same.
    """

    layout: str
    files: tuple[FileCheck, ...]
    remarks: tuple[str, ...]

    @property
    def problems(self) -> list[str]:
        """Problems of the data set and of its files."""
        return [*self.remarks, *(line for file in self.files for line in file.problems)]

    @property
    def areas(self) -> list[int]:
        """Areas of all objects, px."""
        return [area for file in self.files for area in file.areas]

    @property
    def usable(self) -> bool:
        """True if there is a file without a problem."""
        return any(not file.problems for file in self.files)

    def as_json(self) -> dict[str, Any]:
        """As numbers and names."""
        return {
            "layout": self.layout,
            "files": [file.as_json() for file in self.files],
            "objects": len(self.areas),
            "diameters": diameter_quartiles(self.areas),
            "problems": self.problems,
        }


def check_files(
    files: Iterable[LabelledFile], remarks: Sequence[str] = (), min_area: int = 1
) -> Check:
    """Read labelled files whole and list what is wrong with each.

    Parameters
    ----------
    files : iterable of LabelledFile
        Files of one data set.
    remarks : sequence of str
        Problems of the pairing, as `find_files` gives them.
    min_area : int
        Smallest object that counts, px.
    """
    checked: list[FileCheck] = []
    layout = ""
    seen: dict[bytes, LabelledFile] = {}
    doubles: list[str] = []
    for file in files:
        layout = file.layout
        checked.append(_check(file, min_area))
        first = seen.setdefault(_digest(file), file)
        if first.image != file.image and first.group != file.group:
            doubles.append(
                f"{file.image.name}: the same file as {first.image.name}; remove one, or give "
                "both a group, lest a model be tested on what it was trained on"
            )
    return Check(layout, tuple(checked), (*remarks, *doubles))


def diameter_quartiles(areas: Sequence[int]) -> list[float]:
    """Quartiles of the equivalent diameters of objects, px; none of no objects."""
    if not areas:
        return []
    return [round(equivalent_diameter(float(area)), 1) for area in np.percentile(areas, _QUARTILES)]


def find_sets(folder: Path, layout: str = "auto") -> list[Path]:
    """A data set, or the data sets in a folder of several.

    Raises
    ------
    ValueError
        When there is none.
    """
    if layout != "auto" or _is_set(folder):
        return [folder]
    below = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [path for path in below if path.is_dir() and _is_set(path)]
    if not found:
        detect_layout(folder)
    return found


def _is_set(folder: Path) -> bool:
    try:
        detect_layout(folder)
    except ValueError:
        return False
    return True


def _check(file: LabelledFile, min_area: int) -> FileCheck:
    made = FileCheck(file.name)
    flat = 0
    values: set[int] = set()
    regions: list[int] = []
    try:
        with open_image(file.image, axes=file.axes) as stack:
            made.shape = (stack.slices, stack.rows, stack.columns, stack.channels or 1)
            made.dtype = str(stack.dtype)
        for plane in file.planes():
            made.labelled += 1
            flat += int(plane.image.min() == plane.image.max())
            values.update(np.unique(plane.labels).tolist())
            made.areas += _large(plane.labels, min_area)
            if len(values - {0}) < 2:
                regions += _large(connected_regions(plane.labels > 0, connectivity=1), min_area)
    except ValueError as error:
        made.problems.append(str(error))
        return made
    made.binary = len(values - {0}) < 2
    if made.binary and file.layout == "folder":
        made.areas = regions
    made.problems += _complaints(file, made, flat, min_area)
    return made


def _complaints(file: LabelledFile, made: FileCheck, flat: int, min_area: int) -> Iterator[str]:
    if flat:
        slices = f"{flat} of its labelled slices show" if made.shape[0] > 1 else "it shows"
        yield f"{file.image.name}: {slices} one grey level only; export the image again"
    if not made.areas:
        yield (
            f"{file.labels.name}: no object has {min_area} px or more; label larger ones, or "
            "lower --min-area"
        )


def _large(labels: Any, min_area: int) -> list[int]:
    areas = np.bincount(labels.ravel())[1:]
    return [int(area) for area in areas[areas >= max(1, min_area)]]


def _digest(file: LabelledFile) -> bytes:
    with file.image.open("rb") as opened:
        return hashlib.file_digest(opened, "blake2b").digest()
