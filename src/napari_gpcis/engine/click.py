"""A click: the only thing that a user ever tells the engine. Other prompts are many of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

Prompt: TypeAlias = Literal["click", "scribble", "box", "lasso"]

@dataclass(frozen=True, slots=True)
class Click:
    """One click on one pixel of one slice.

    Attributes
    ----------
    z : int
        Slice index; 0 for a single image.
    row, col : int
        Pixel of the slice.
    positive : bool
        Whether the pixel belongs to the object (or class).
    object_id : int
        The object that the click outlines; in class mode, the class.
    prompt : {"click", "scribble", "box", "lasso"}
        What the pixel was labelled with; see `engine.prompts`.
    stroke : int
        Number, from 1, that the pixels of one scribble, box or lasso share within the image; 0
        for a single click.
    """

    z: int
    row: int
    col: int
    positive: bool = True
    object_id: int = 1
    prompt: Prompt = "click"
    stroke: int = 0

    @classmethod
    def at(
        cls,
        row: float,
        col: float,
        *,
        z: float = 0,
        positive: bool = True,
        object_id: int = 1,
        shape: tuple[int, int, int],
    ) -> Click:
        """Click on the pixel that holds a position.

        Parameters
        ----------
        row, col : float
            Position in pixels; integers are pixel centres, a pixel reaches half its width beyond.
        z : float
            Slice index, likewise.
        positive : bool
            Whether the pixel belongs to the object.
        object_id : int
            1 or more.
        shape : tuple of int
            Slices, rows and columns of the image.

        Raises
        ------
        ValueError
            If the position is outside the image or not a number, or `object_id` below 1.
        """
        place = _nearest(z), _nearest(row), _nearest(col)
        if any(not 0 <= index < size for index, size in zip(place, shape, strict=True)):
            slices, height, width = shape
            raise ValueError(
                f"expected a click inside {slices} slice(s) of {height} rows and {width} columns, "
                f"got slice {z}, row {row}, column {col}; give pixel coordinates of the image, "
                "row before column"
            )
        if object_id < 1:
            raise ValueError(
                f"expected an object or class number of 1 or more, got {object_id}; "
                "0 is the background: click it with positive=False"
            )
        return cls(*place, positive=bool(positive), object_id=int(object_id))

    @property
    def place(self) -> tuple[int, int, int]:
        """Slice, row and column."""
        return self.z, self.row, self.col

    def in_one_stroke(self, other: Click) -> bool:
        """Tell whether two pixels were labelled by the same scribble, box or lasso."""
        return (
            self.stroke > 0
            and (self.stroke, self.z, self.object_id) == (other.stroke, other.z, other.object_id)
        )


def _nearest(value: float) -> int:
    """Nearest pixel, or −1 for infinity and NaN."""
    return math.floor(value + 0.5) if math.isfinite(value) else -1
