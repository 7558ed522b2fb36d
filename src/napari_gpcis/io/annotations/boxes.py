"""The boxes file: CSV with the corners of a box a line, such as detectors write them.

Columns are ``r0,c0,r1,c1``, ``top,left,bottom,right``, ``y0,x0,y1,x1`` or ``ymin,xmin,ymax,xmax``
in any order and case: pixels, both corners belonging to the box; then ``z`` (or ``slice``), which a
stack needs, and ``label`` (or ``object``); a line without one begins an object of its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_gpcis.engine.prompts import box_clicks
from napari_gpcis.io.errors import ClicksFileError
from napari_gpcis.io.tables import decimal_point

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_gpcis.engine.click import Click
    from napari_gpcis.io.images.stack import ImageStack
    from napari_gpcis.io.tables import Table

__all__ = ["boxes_in", "is_box_column", "is_boxes_table"]

_CORNERS = (
    ("r0", "c0", "r1", "c1"),
    ("top", "left", "bottom", "right"),
    ("y0", "x0", "y1", "x1"),
    ("ymin", "xmin", "ymax", "xmax"),
)
_SLICES = ("z", "slice")
_LABELS = ("label", "object")


def is_box_column(name: str) -> bool:
    """Tell whether a column is a corner's."""
    return any(name.lower() in names for names in _CORNERS)


def is_boxes_table(header: Sequence[str]) -> bool:
    """Tell whether a header is that of a boxes file, not of a clicks file."""
    return _corners(header) is not None and not any(name.startswith("axis-") for name in header)


def boxes_in(path: Path, table: Table, image: ImageStack, taken: int = 0) -> list[Click]:
    """Read boxes as the pixels of their frames.

    Parameters
    ----------
    path : Path
        Name of the file in errors.
    table : Table
        With the header of a boxes file.
    image : ImageStack
        The image that they were drawn on.
    taken : int
        Highest number of objects that boxes without a label are none of.

    Raises
    ------
    ClicksFileError
        When a line is malformed, or its box lies outside the image; names the line.
    """
    names = [name.lower() for name in table.header]
    corners = _corners(names) or _CORNERS[0]
    if not table.rows:
        raise ClicksFileError(f"{path} has a header but no boxes; add one line for each box")
    shape = (image.slices, image.rows, image.columns)
    rows = []
    for line, cells in table.rows:
        if complaint := table.check_width(cells):
            raise ClicksFileError(f"{path}, line {line}: {complaint}")
        rows.append((f"{path}, line {line}", dict(zip(names, map(str.strip, cells), strict=True))))
    given = [_label(where, values) for where, values in rows]
    free = 1 + max(taken, *(label for label in given if label), 0)
    clicks: list[Click] = []
    for stroke, ((where, values), label) in enumerate(zip(rows, given, strict=True), start=1):
        edges = [_number(where, name, values[name]) for name in corners]
        try:
            clicks += box_clicks(
                *edges,
                shape=shape,
                stroke=stroke,
                z=_slice(where, values, image.slices),
                object_id=label or free,
            )
        except ValueError as error:
            raise ClicksFileError(f"{where}: {error}") from error
        free += label is None
    return clicks


def _corners(header: Sequence[str]) -> tuple[str, str, str, str] | None:
    names = [name.lower() for name in header]
    known = (each for each in _CORNERS if all(names.count(name) == 1 for name in each))
    return next(known, None)


def _number(where: str, name: str, text: str) -> float:
    try:
        value = float(decimal_point(text))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ClicksFileError(f"{where}: {name} is {text!r}; write a number of pixels")
    return value


def _label(where: str, values: Mapping[str, str]) -> int | None:
    text = next((values[name] for name in _LABELS if values.get(name)), None)
    if text is None:
        return None
    number = _number(where, "label", text)
    if not (number.is_integer() and 1 <= number < 2**32):
        raise ClicksFileError(f"{where}: label is {text!r}; write a whole number from 1 on")
    return int(number)


def _slice(where: str, values: Mapping[str, str], slices: int) -> int:
    text = next((values[name] for name in _SLICES if values.get(name)), None)
    if text is None:
        if slices > 1:
            raise ClicksFileError(
                f"{where}: the image has {slices} slices, but the box names none; write its slice, "
                "from 0 on, into a column z"
            )
        return 0
    number = _number(where, "z", text)
    if not (number.is_integer() and 0 <= number < slices):
        raise ClicksFileError(
            f"{where}: z is {text!r}, but slices go from 0 to {slices - 1}; correct it"
        )
    return int(number)
