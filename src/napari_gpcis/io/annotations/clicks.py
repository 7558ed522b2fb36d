"""The clicks file: CSV as napari writes points, with the object and the sign of each click."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from napari_gpcis.engine.click import Click
from napari_gpcis.io.errors import ClicksFileError
from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from napari_gpcis.io.images.stack import ImageStack

__all__ = [
    "click_axes",
    "clicks_text",
    "parse_clicks",
    "read_clicks",
    "read_clicks_for",
    "write_clicks",
]

Table: TypeAlias = "list[tuple[int, list[str]]]"

_OURS = ("object", "positive")
_REMEDY = "save the points layer from napari, or write the columns axis-0,axis-1,object,positive"
_SIGNS = {"1": True, "true": True, "1.0": True, "0": False, "false": False, "0.0": False}


def read_clicks(path: str | os.PathLike[str], ndim: int) -> list[Click]:
    """Read a clicks file.

    Parameters
    ----------
    path : path
        CSV with the columns ``axis-0,axis-1`` (row, column) or ``axis-0,axis-1,axis-2`` (slice,
        row, column), and optionally ``index``, ``object`` (1 by default; in class mode the
        class) and ``positive`` (1 or 0; 1 by default). Other columns are left aside.
    ndim : int
        2 for an image, 3 for a stack; for more leading axes see `read_clicks_for`.

    Returns
    -------
    list of Click
        In the order of the file, positions rounded to the pixel that contains them.

    Raises
    ------
    ClicksFileError
        When the file is malformed; names the line.
    """
    kind = "a 2-D image" if ndim == 2 else "a stack"
    numbered = _numbered(Path(path), ndim, kind, ("slice",) * (ndim - 2))
    return [placed.click((0,) * (ndim - 2)) for placed in numbered]


def read_clicks_for(path: str | os.PathLike[str], image: ImageStack) -> list[Click]:
    """Read a clicks file and check that every click lies inside `image`.

    It has a column for each of the image's `slice_axes` before row and column, such as time,
    depth, row, column for TZYX; the indices become the number of the slice.
    """
    kind = f"{image.path} with the axes {image.axes} {image.full_shape}"
    names = _names(image.slice_axes)
    sizes = (*image.slice_shape, image.rows, image.columns)
    placed = _numbered(Path(path), image.spatial_ndim, kind, names)
    for one in placed:
        for name, value, size in zip((*names, "row", "column"), one.place, sizes, strict=True):
            if not 0 <= value < size:
                raise ClicksFileError(
                    f"{path}, line {one.line}: {name} {value} is outside the image, whose "
                    f"{name}s go from 0 to {size - 1}; "
                    "remove this click or give the image it was made on"
                )
    return [one.click(image.slice_shape) for one in placed]


def _names(slice_axes: str) -> tuple[str, ...]:
    """Names of the slice axes in messages."""
    if len(slice_axes) == 1:
        return ("slice",)
    known = {"T": "time point", "Z": "slice"}
    return tuple(known.get(axis, f"{axis} index") for axis in slice_axes)


def parse_clicks(text: str, path: str | os.PathLike[str], ndim: int) -> list[Click]:
    """Read the text of a clicks file, which may hold no click; errors name `path`."""
    try:
        rows = _table(io.StringIO(text, newline=""))
    except csv.Error as error:
        raise ClicksFileError(f"{path} is not a CSV text file; {_REMEDY}") from error
    names = ("slice",) * (ndim - 2)
    placed = _placed(Path(path), rows, ndim, f"{ndim} axes", names)
    return [one.click((0,) * (ndim - 2)) for one in placed]


def write_clicks(
    path: str | os.PathLike[str],
    clicks: Iterable[Click],
    ndim: int,
    others: Mapping[str, Sequence[object]] | None = None,
) -> None:
    """Write clicks so that `read_clicks` and napari's points layer read them.

    Parameters
    ----------
    path : path
        Path of the finished file.
    clicks : iterable of Click
        Oldest first.
    ndim : int
        2 leaves the slice out.
    others : dict, optional
        Further columns with a value per click, for other programs.

    Raises
    ------
    OutputFileError
        When `path` cannot be written.
    ClicksFileError
        When the file could not be read again because of one of the other columns' names.
    """
    text = clicks_text(clicks, ndim, others)
    header = next(csv.reader(io.StringIO(text)))
    _check_header(Path(path), header, ndim, "the layer", ("slice",) * (ndim - 2))
    with atomic_write(path) as part, os_errors_as_output_errors(path):
        part.write_text(text, encoding="utf-8", newline="")


def clicks_text(
    clicks: Iterable[Click], ndim: int, others: Mapping[str, Sequence[object]] | None = None
) -> str:
    """Text of a clicks file; parameters as for `write_clicks`."""
    others = others or {}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    axes = [f"axis-{axis}" for axis in range(ndim)]
    writer.writerow(["index", *axes, *_OURS, *others])
    for index, click in enumerate(clicks):
        position = (click.z, click.row, click.col)[-ndim:]
        more = (column[index] for column in others.values())
        writer.writerow([index, *position, click.object_id, int(click.positive), *more])
    return text.getvalue()


def click_axes(path: str | os.PathLike[str]) -> int | None:
    """Number of axes of a clicks file; None for other and for unreadable files.

    Only a file with both of our own columns, `object` and `positive`, counts.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            header = [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, ValueError, csv.Error):
        return None
    axes = [name for name in header if name.startswith("axis-")]
    known = len(axes) in (2, 3) and set(axes) == {f"axis-{axis}" for axis in range(len(axes))}
    return len(axes) if known and set(_OURS) <= set(header) else None


@dataclass(frozen=True, slots=True)
class _Placed:
    """A click as written in the file, on a line counted from 1."""

    line: int
    place: tuple[int, ...]
    positive: bool
    object_id: int

    def click(self, slice_shape: tuple[int, ...]) -> Click:
        """Number its slice among all of them, the last axis fastest."""
        *leading, row, col = self.place
        z = 0
        for index, size in zip(leading, slice_shape, strict=True):
            z = z * size + index
        return Click(z, row, col, positive=self.positive, object_id=self.object_id)


def _numbered(path: Path, ndim: int, kind: str, names: Sequence[str]) -> list[_Placed]:
    clicks = _placed(path, _rows(path), ndim, kind, names)
    if not clicks:
        raise ClicksFileError(f"{path} has a header but no clicks; add one line for each click")
    return clicks


def _placed(path: Path, rows: Table, ndim: int, kind: str, names: Sequence[str]) -> list[_Placed]:
    if not rows:
        raise ClicksFileError(f"{path} is empty; {_REMEDY}")
    header = [name.strip() for name in rows[0][1]]
    _check_header(path, header, ndim, kind, names)
    return [_click(path, line, header, row, ndim) for line, row in rows[1:]]


def _table(file: Iterable[str]) -> Table:
    reader = csv.reader(file)
    return [(reader.line_num, row) for row in reader if any(map(str.strip, row))]


def _rows(path: Path) -> Table:
    if path.is_dir():
        raise ClicksFileError(f"{path} is a folder; give the path of a clicks file (CSV)")
    try:
        # The signature is what Excel puts in front of UTF-8.
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _table(file)
    except FileNotFoundError as error:
        raise ClicksFileError(
            f"there is no clicks file {path}; check its name and folder"
        ) from error
    except OSError as error:
        raise ClicksFileError(
            f"cannot read {path}: {error.strerror}; check that you may read it"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ClicksFileError(f"{path} is not a CSV text file; {_REMEDY}") from error


def _check_header(
    path: Path, header: Sequence[str], ndim: int, kind: str, names: Sequence[str]
) -> None:
    axes = [f"axis-{axis}" for axis in range(ndim)]
    given = [name for name in header if name.startswith("axis-")]
    if given and set(given) != set(axes) and set(given) == {f"axis-{i}" for i in range(len(given))}:
        order = ", ".join((*names, "row", "column"))
        raise ClicksFileError(
            f"{path} has {len(given)} axes, but {kind} needs {ndim} ({order}); "
            "give the image that the clicks were made on"
        )
    for name in axes:
        if header.count(name) != 1:
            raise ClicksFileError(
                f"{path} has {header.count(name)} columns named {name} in its header "
                f"({','.join(header)[:80]}); {_REMEDY}"
            )
    for name in header:
        # Other features of a points layer do no harm, but a mistyped sign would turn clicks over.
        meant = get_close_matches(name.lower(), _OURS, n=1)
        if meant and name not in _OURS:
            raise ClicksFileError(
                f"{path} has a column {name!r}; rename it to {meant[0]!r}, or to something else"
            )


def _click(path: Path, line: int, header: Sequence[str], row: Sequence[str], ndim: int) -> _Placed:
    where = f"{path}, line {line}"
    if len(row) != len(header):
        raise ClicksFileError(
            f"{where}: {len(row)} values for {len(header)} columns; write one value per column"
        )
    values = {name: value.strip() for name, value in zip(header, row, strict=True)}
    place = tuple(
        _coordinate(where, f"axis-{axis}", values[f"axis-{axis}"]) for axis in range(ndim)
    )
    sign = values.get("positive", "1").lower()
    if sign not in _SIGNS:
        raise ClicksFileError(f"{where}: positive is {sign!r}; write 1 or 0")
    return _Placed(line, place, _SIGNS[sign], _object(where, values.get("object")))


def _coordinate(where: str, name: str, text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ClicksFileError(f"{where}: {name} is {text!r}; write a number of pixels")
    # A pixel reaches half a pixel to each side of its integer position.
    return math.floor(value + 0.5)


def _object(where: str, text: str | None) -> int:
    try:
        number = 1.0 if text is None else float(text)
    except ValueError:
        number = math.nan
    if not (number.is_integer() and 1 <= number < 2**32):
        raise ClicksFileError(f"{where}: object is {text!r}; write a whole number from 1 on")
    return int(number)
