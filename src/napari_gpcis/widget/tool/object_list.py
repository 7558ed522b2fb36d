"""The objects of a document, measured slice by slice while nothing else is to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal
from scipy import ndimage

from napari_gpcis.engine.geometry import Box

if TYPE_CHECKING:
    from napari_gpcis.engine.document.annotation import Annotation, Change
    from napari_gpcis.engine.document.regroup import Places
    from napari_gpcis.widget.tool.image_document import ImageDocument

__all__ = ["ListedObject", "ObjectList", "PixelSize", "pixel_size"]

# Time for measuring before the window gets its turn again.
_TURN_MS = 30


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object of the labels.

    Attributes
    ----------
    label : int
    area : int
        Pixels in the slice in which it has most.
    pixels : int
        Pixels in all slices.
    certainty : float or None
        Mean probability when it was committed; None where that is not known.
    places : tuple of (int, Box)
        Slices, and boxes around its pixels there.
    middle : tuple of int
        Slice, row and column of the middle of its largest box.
    """

    label: int
    area: int
    pixels: int
    certainty: float | None
    places: Places
    middle: tuple[int, int, int]


class ObjectList(QObject):
    """Objects of the open document; brought up to date by each change of it."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document: ImageDocument | None = None
        self._annotation: Annotation | None = None
        self._slices: dict[int, dict[int, tuple[int, Box]]] = {}
        self._left: list[int] = []
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._measure_some)

    def show(self, document: ImageDocument | None) -> None:
        """List the objects of another document, or of its new annotation."""
        annotation = None if document is None or document.mode == "class" else document.annotation
        if annotation is self._annotation:
            return
        if self._annotation is not None and self._follow in self._annotation.observers:
            self._annotation.observers.remove(self._follow)
        self._document, self._annotation = document, annotation
        self._slices.clear()
        self._left = []
        if annotation is not None:
            annotation.observers.append(self._follow)
            self._left = list(range(annotation.shape[0]))
        self._timer.start()

    @property
    def unmeasured(self) -> int:
        """Number of slices that are still to be looked at."""
        return len(self._left)

    def objects(self) -> list[ListedObject]:
        """All of them, those to check first at the beginning: the least certain ones."""
        if self._annotation is None:
            return []
        certainty = {done.label: done.certainty for done in self._annotation.state.committed}
        found: dict[int, list[tuple[int, int, Box]]] = {}
        for z, of_slice in sorted(self._slices.items()):
            for label, (area, box) in of_slice.items():
                found.setdefault(label, []).append((z, area, box))
        listed = [_listed(label, parts, certainty.get(label)) for label, parts in found.items()]
        return sorted(listed, key=lambda item: (_check_key(item.certainty), item.label))

    def _follow(self, change: Change) -> None:
        for z in {patch.z for patch in change.step.patches}:
            if z not in self._left:
                self._left.insert(0, z)
        if self._left or change.step.before.committed is not change.step.after.committed:
            self._timer.start()

    def _measure_some(self) -> None:
        """Measure for a moment; the window lives on between."""
        import time

        end = time.monotonic() + _TURN_MS / 1000
        while self._left and self._annotation is not None and time.monotonic() < end:
            z = self._left.pop(0)
            self._slices[z] = _measured(self._annotation.labels.of_slice(z))
        if not self._left:
            self._timer.stop()
        self.changed.emit()


def _measured(labels: np.ndarray[Any, Any]) -> dict[int, tuple[int, Box]]:
    """Area and box of each label of a slice."""
    highest = int(labels.max(initial=0))
    if highest == 0:
        return {}
    names: Any = range(1, highest + 1)
    if highest > labels.size:  # few labels with large numbers
        found, inverse = np.unique(labels, return_inverse=True)
        shift = int(found[0] != 0)
        labels, names = inverse.reshape(labels.shape) + shift, found[found != 0].tolist()
    areas = np.bincount(labels.ravel())
    measured = {}
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        if place is not None:
            rows, cols = place
            box = Box(rows.start, cols.start, rows.stop, cols.stop)
            measured[int(names[number - 1])] = int(areas[number]), box
    return measured


def _listed(label: int, parts: list[tuple[int, int, Box]], certainty: float | None) -> ListedObject:
    z, area, box = max(parts, key=lambda part: part[1])
    middle = z, (box.r0 + box.r1) // 2, (box.c0 + box.c1) // 2
    places = tuple((at, place) for at, _, place in parts)
    return ListedObject(label, area, sum(part[1] for part in parts), certainty, places, middle)


def _check_key(certainty: float | None) -> float:
    return math.inf if certainty is None else certainty


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Sides of a pixel, row before column, and their unit."""

    row: float = 1.0
    col: float = 1.0
    unit: str = "px"

    @property
    def area_unit(self) -> str:
        """Unit of areas."""
        return "px" if self.unit == "px" else f"{self.unit}²"


def pixel_size(document: ImageDocument) -> PixelSize:
    """Pixel size of the image layer; pixels where it says none."""
    image, (row, col) = document.image, document.frame.plane
    units = [f"{image.units[axis]:~P}" for axis in (row, col)]
    if units[0] != units[1] or units[0] in ("px", "pixel", ""):
        return PixelSize()
    return PixelSize(float(image.scale[row]), float(image.scale[col]), units[0])
