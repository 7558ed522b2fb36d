"""What files of shapes say of the slices that the shapes lie on, and of what labels stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_gpcis.io.images.stack import ImageStack

__all__ = ["ClassStyle", "SlicePlace", "Slices"]


@dataclass(frozen=True, slots=True)
class ClassStyle:
    """Name and colour (red, green, blue, 0 to 255) of a class."""

    name: str
    color: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class SlicePlace:
    """Place of a slice: its index, and that in depth and time, all counted from 0."""

    index: int
    z: int
    t: int


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices that shapes lie on.

    Attributes
    ----------
    image : str
        Name of the image's file, without folder.
    rows, columns : int
        Size of a slice.
    axes : str
        Letters of the axes that slices lie on, outermost first; see `ImageStack`.
    shape : tuple of int
        Number of slices along each of them.
    classes : mapping of int to ClassStyle, optional
        What each label stands for, if labels are classes; if they are objects, None.
    """

    image: str
    rows: int
    columns: int
    axes: str = ""
    shape: tuple[int, ...] = ()
    classes: Mapping[int, ClassStyle] | None = None

    @classmethod
    def of(cls, image: ImageStack, *, are_classes: bool = False) -> Slices:
        """Slices of an image on disk."""
        sizes = image.rows, image.columns, image.slice_axes, image.slice_shape
        return cls(image.path.name, *sizes, classes={} if are_classes else None)

    @property
    def count(self) -> int:
        """Number of slices."""
        return int(np.prod(self.shape, dtype=np.int64))

    def place(self, index: int) -> SlicePlace:
        """Place of a slice; one that lies on neither depth nor time counts as depth."""
        if set(self.axes) <= {"T", "Z"} and len(self.axes) == len(self.shape):
            at = dict(zip(self.axes, np.unravel_index(index, self.shape or (1,)), strict=False))
            return SlicePlace(index, int(at.get("Z", 0)), int(at.get("T", 0)))
        return SlicePlace(index, index, 0)

    def style(self, label: int) -> ClassStyle:
        """Name of a label: that of its class, or the number of the object."""
        if self.classes is None:
            return ClassStyle(str(label))
        return self.classes.get(label, ClassStyle(f"class {label}"))
