"""Axes of a stored array: which are slices, rows, columns and channels, and in what order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_gpcis.io.errors import ImageFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["StoredAxes", "fit_axes", "parse_axes"]


@dataclass(frozen=True, slots=True)
class StoredAxes:
    """Roles of the axes of a stored array.

    Attributes
    ----------
    letters : str
        A letter for each axis; C and S are channels.
    shape : tuple of int
        Shape of the stored array.
    leading : tuple of int
        Stored axes that slices are numbered along, outermost first: time, others, then depth.
    slice_axes : str
        Their letters.
    row, column : int
        Stored axes of Y and X.
    channel : int or None
        Stored axis of the channels, if there are several.
    """

    letters: str
    shape: tuple[int, ...]
    leading: tuple[int, ...]
    slice_axes: str
    row: int
    column: int
    channel: int | None

    @classmethod
    def of(cls, axes: str, shape: Sequence[int], path: Path) -> StoredAxes:
        """Tell axes apart; those of one element, other than rows and columns, vanish.

        Parameters
        ----------
        axes : str
            A letter for each axis; C and S are channels, all others but Y and X number slices.
        shape : sequence of int
            Size along each axis.
        path : Path
            Name of the image in errors.

        Raises
        ------
        ImageFileError
            When there is not one Y and one X, or more than one axis of channels.
        """
        several = [axis for axis, size in enumerate(shape) if size > 1]
        channels = [axis for axis in several if axes[axis] in "CS"]
        leading = [axis for axis in several if axes[axis] not in "CSYX"]
        if axes.count("Y") != 1 or axes.count("X") != 1 or len(channels) > 1:
            raise ImageFileError(
                f"{path} has the axes {axes} {tuple(shape)}, which are not slices, rows, "
                "columns and channels; name its axes, such as ZYX or TCYX, or save it again"
            )
        leading.sort(key=lambda axis: {"T": -1, "Z": 1}.get(axes[axis], 0))
        return cls(
            letters=axes,
            shape=tuple(map(int, shape)),
            leading=tuple(leading),
            slice_axes="".join(axes[axis] for axis in leading),
            row=axes.index("Y"),
            column=axes.index("X"),
            channel=channels[0] if channels else None,
        )

    @property
    def slice_shape(self) -> tuple[int, ...]:
        """Number of slices along each of `slice_axes`."""
        return tuple(self.shape[axis] for axis in self.leading)

    @property
    def channels(self) -> int:
        """Number of channels, 1 when there is no axis of them."""
        return 1 if self.channel is None else self.shape[self.channel]

    def position(self, z: int) -> dict[int, int]:
        """Index of slice `z` along each stored axis other than rows, columns and channels."""
        place = {
            axis: 0
            for axis in range(len(self.shape))
            if axis not in (self.row, self.column, self.channel)
        }
        for axis in reversed(self.leading):
            z, place[axis] = divmod(z, self.shape[axis])
        return place


def parse_axes(axes: str) -> str:
    """Check axes typed by a user, such as ``zyx``; returned in capitals, S as C.

    Raises
    ------
    ImageFileError
        When they name no image.
    """
    letters = axes.strip().upper().replace("S", "C")
    if not (letters.isascii() and letters.isalpha()):
        wrong = "are not letters"
    elif letters.count("Y") != 1 or letters.count("X") != 1:
        wrong = "do not name Y and X once each"
    elif len(set(letters)) < len(letters):
        wrong = "name an axis twice" if letters.count("C") < 2 else "name two axes of channels"
    else:
        return letters
    raise ImageFileError(
        f"the axes {axes!r} {wrong}; give one letter per axis, such as TZYX or CYX"
    )


def fit_axes(axes: str, shape: Sequence[int], path: Path) -> str:
    """Give each axis of a stored array its letter; `axes` may leave out singletons.

    Parameters
    ----------
    axes : str
        From `parse_axes`.
    shape : sequence of int
        Shape of the stored array.
    path : Path
        Name of the image in errors.

    Returns
    -------
    str
        As many letters as `shape` has axes; ``_`` for a singleton without one.

    Raises
    ------
    ImageFileError
        When the numbers differ; the message gives the shape.
    """
    if len(axes) == len(shape):
        return axes
    several = [axis for axis, size in enumerate(shape) if size > 1]
    if len(axes) == len(several):
        letters = dict(zip(several, axes, strict=True))
        return "".join(letters.get(axis, "_") for axis in range(len(shape)))
    squeezed = tuple(shape[axis] for axis in several)
    raise ImageFileError(
        f"{path} has the shape {squeezed}, which the {len(axes)} axes {axes} do not fit; "
        f"give {len(squeezed)} letters"
    )
