"""The clicks file: CSV as napari writes points, with the object and the sign of each click."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import combinations, groupby
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from napari_gpcis.engine.click import Click, Prompt
from napari_gpcis.io.annotations.boxes import boxes_in, is_box_column, is_boxes_table
from napari_gpcis.io.annotations.click_signs import read_sign, sign_column
from napari_gpcis.io.errors import ClicksFileError
from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis.io.tables import Table, decimal_point, read_table, separator_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from napari_gpcis.io.images.axes import StoredAxes
    from napari_gpcis.io.images.stack import ImageStack

__all__ = [
    "PlacedClick",
    "click_axes",
    "clicks_text",
    "parse_clicks",
    "read_clicks",
    "read_clicks_for",
    "read_placed_clicks",
    "write_clicks",
]

_OURS = ("object", "positive")
# Written and read only where there are scribbles, boxes or lassos.
_DRAWN = ("prompt", "stroke")
# Beyond this, no number is one of pixels.
_FARTHEST = 2.0**53
_REMEDY = (
    "save the points layer from napari, or write the columns axis-0,axis-1,object,positive with "
    "commas, semicolons or tabs between them"
)


@dataclass(frozen=True, slots=True)
class PlacedClick:
    """A click as written in the file.

    Attributes
    ----------
    line : int
        Line in the file, counted from 1.
    place : tuple of int
        Pixel along each axis of the file.
    positive : bool
    object_id : int
    prompt : {"click", "scribble", "box", "lasso"}
    stroke : int
        As for `Click`.
    """

    line: int
    place: tuple[int, ...]
    positive: bool
    object_id: int
    prompt: Prompt = "click"
    stroke: int = 0

    def click(self, slice_shape: tuple[int, ...], axes: Sequence[int] | None = None) -> Click:
        """Click in the slice that its place has among all of them, the last axis fastest.

        Parameters
        ----------
        slice_shape : tuple of int
            Number of slices along each slice axis.
        axes : sequence of int, optional
            Columns of the slice axes, the row and the column; all in their order by default.
        """
        *leading, row, col = self.place if axes is None else (self.place[axis] for axis in axes)
        z = 0
        for index, size in zip(leading, slice_shape, strict=True):
            z = z * size + index
        return Click(z, row, col, self.positive, self.object_id, self.prompt, self.stroke)


def read_clicks(path: str | os.PathLike[str], ndim: int) -> list[Click]:
    """Read a clicks file.

    Parameters
    ----------
    path : path
        CSV with the columns ``axis-0,axis-1`` (row, column) or ``axis-0,axis-1,axis-2`` (slice,
        row, column), and optionally ``index``, ``object`` (1 by default; in class mode the
        class), ``positive`` (1 or 0; 1 by default), ``prompt`` (click, scribble, box or lasso) and
        ``stroke`` (number that the pixels of one scribble, box or lasso share; lines that follow
        one another when not given). Other columns are left aside, unless they
        may be the sign under another name (`sign_column`). Commas, semicolons or tabs are between
        values.
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
    table = _read(Path(path))
    _check_axes(Path(path), table.header, (ndim,), kind, ("slice",) * (ndim - 2))
    placed = _some(Path(path), _placed(Path(path), table))
    return [one.click((0,) * (ndim - 2)) for one in placed]


def read_placed_clicks(path: str | os.PathLike[str]) -> list[PlacedClick]:
    """Read a clicks file with any number of axes; see `read_clicks`."""
    table = _read(Path(path))
    ndim = max(2, sum(name.startswith("axis-") for name in table.header))
    _check_axes(Path(path), table.header, (ndim,), "the file", ())
    return _some(Path(path), _placed(Path(path), table))


def read_clicks_for(
    path: str | os.PathLike[str], image: ImageStack, boxes: str | os.PathLike[str] | None = None
) -> list[Click]:
    """Read a clicks file and check that every click lies inside `image`.

    It has a column for each of the image's `slice_axes` before row and column, such as time,
    depth, row, column for TZYX; the indices become the number of the slice. Columns for axes of
    one element and for channels, as napari saves them where it shows such axes, are taken too.
    A file of boxes (`io.annotations.boxes`) may stand in its place, or be given as well: an
    object's boxes come before its clicks then.
    """
    if boxes is not None:
        clicks = read_clicks_for(path, image)
        box_path, taken = Path(boxes), max(click.object_id for click in clicks)
        table = _read(box_path)
        if not is_boxes_table(table.header):
            raise ClicksFileError(f"{box_path} has no columns r0,c0,r1,c1; write them for each box")
        drawn = boxes_in(box_path, table, image, taken)
        count = len(table.rows)
        return drawn + [
            replace(click, stroke=click.stroke + count) if click.stroke else click
            for click in clicks
        ]
    path, stored = Path(path), image.stored_axes
    table = _read(path)
    if is_boxes_table(table.header):
        return boxes_in(path, table, image)
    names = _names(image.slice_axes)
    kind = f"{image.path} with the axes {image.axes} {image.full_shape}"
    orders = _column_orders(stored, is_rgb=image.is_rgb)
    _check_axes(path, table.header, sorted({len(order) for order in orders}), kind, names)
    placed = _some(path, _placed(path, table))
    found: list[tuple[tuple[int, ...], list[Click]]] = []
    complaint: ClicksFileError | None = None
    for order in orders:
        if len(order) != len(placed[0].place):
            continue
        try:
            _check_inside(path, placed, stored, order, names)
        except ClicksFileError as error:
            complaint = complaint or error
            continue
        axes = [order.index(axis) for axis in (*stored.leading, stored.row, stored.column)]
        clicks = [one.click(image.slice_shape, axes) for one in placed]
        if order == orders[0]:
            return clicks
        if all(clicks != others for _, others in found):
            found.append((order, clicks))
    if len(found) == 1:
        return found[0][1]
    if complaint is not None and not found:
        raise complaint
    meanings = " or ".join("".join(stored.letters[axis] for axis in order) for order, _ in found)
    raise ClicksFileError(
        f"{path} has {len(placed[0].place)} coordinates for each click, which may be those along "
        f"{meanings} of {image.path} with the axes {stored.letters} {stored.shape}; name the axes "
        "of the image (--axes), or leave out the columns of axes that are not slices"
    )


def _column_orders(stored: StoredAxes, *, is_rgb: bool) -> list[tuple[int, ...]]:
    """Stored axes that the columns of a file may stand for, our own way first.

    napari has a slider for every axis, but for red, green and blue in the last one, and for
    channels that became layers; readers leave out axes of one element.
    """
    own = (*stored.leading, stored.row, stored.column)
    optional = [axis for axis in range(len(stored.shape)) if axis not in own]
    if is_rgb and stored.channel == len(stored.shape) - 1:
        optional.remove(stored.channel)
    kept = (more for count in range(len(optional) + 1) for more in combinations(optional, count))
    return list(dict.fromkeys([own, *(tuple(sorted((*own, *more))) for more in kept)]))


def _check_inside(
    path: Path,
    placed: Sequence[PlacedClick],
    stored: StoredAxes,
    order: Sequence[int],
    names: Sequence[str],
) -> None:
    known = dict(zip(stored.leading, names, strict=True))
    known |= {stored.row: "row", stored.column: "column"}
    for one in placed:
        for axis, value in zip(order, one.place, strict=True):
            name = known.get(axis) or _NAMES.get(stored.letters[axis], "slice")
            if not 0 <= value < stored.shape[axis]:
                raise ClicksFileError(
                    f"{path}, line {one.line}: {name} {value} is outside the image, whose "
                    f"{name}s go from 0 to {stored.shape[axis] - 1}; "
                    "remove this click or give the image it was made on"
                )


_NAMES = {"T": "time point", "Z": "slice", "C": "channel", "S": "channel"}


def _names(slice_axes: str) -> tuple[str, ...]:
    """Names of the slice axes in messages."""
    if len(slice_axes) == 1:
        return ("slice",)
    return tuple(_NAMES.get(axis, f"{axis} index") for axis in slice_axes)


def parse_clicks(text: str, path: str | os.PathLike[str], ndim: int) -> list[Click]:
    """Read the text of a clicks file, which may hold no click; errors name `path`."""
    try:
        table = read_table(io.StringIO(text, newline=""), _is_known)
    except csv.Error as error:
        raise ClicksFileError(f"{path} is not a CSV text file; {_REMEDY}") from error
    _check_axes(Path(path), table.header, (ndim,), f"{ndim} axes", ("slice",) * (ndim - 2))
    return [one.click((0,) * (ndim - 2)) for one in _placed(Path(path), table)]


def write_clicks(
    path: str | os.PathLike[str],
    clicks: Iterable[Click],
    ndim: int,
    others: Mapping[str, Sequence[object]] | None = None,
    places: Sequence[Sequence[float]] | None = None,
) -> None:
    """Write clicks so that `read_clicks` and napari's points layer read them.

    Parameters
    ----------
    path : path
        Path of the finished file.
    clicks : iterable of Click
        Oldest first.
    ndim : int
        Number of axes; 2 leaves the slice out.
    others : dict, optional
        Further columns with a value per click, for other programs.
    places : sequence, optional
        Pixel of each click along all axes, where they are more than slice, row and column.

    Raises
    ------
    OutputFileError
        When `path` cannot be written.
    ClicksFileError
        When the file could not be read again because of one of the other columns' names.
    """
    text = clicks_text(clicks, ndim, others, places)
    header = next(csv.reader(io.StringIO(text)))
    _check_axes(Path(path), header, (ndim,), "the layer", ("slice",) * (ndim - 2))
    _check_names(Path(path), header)
    with atomic_write(path) as part, os_errors_as_output_errors(path):
        part.write_text(text, encoding="utf-8", newline="")


def clicks_text(
    clicks: Iterable[Click],
    ndim: int,
    others: Mapping[str, Sequence[object]] | None = None,
    places: Sequence[Sequence[float]] | None = None,
) -> str:
    """Text of a clicks file; parameters as for `write_clicks`."""
    others, clicks = others or {}, tuple(clicks)
    drawn = any(click.stroke for click in clicks)
    if drawn:
        others = {name: column for name, column in others.items() if name not in _DRAWN}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    axes = [f"axis-{axis}" for axis in range(ndim)]
    writer.writerow(["index", *axes, *_OURS, *(_DRAWN if drawn else ()), *others])
    for index, click in enumerate(clicks):
        position = places[index] if places is not None else click.place[-ndim:]
        more = (column[index] for column in others.values())
        pixels = (math.floor(value + 0.5) for value in position)
        by = (click.prompt, click.stroke) if drawn else ()
        writer.writerow([index, *pixels, click.object_id, int(click.positive), *by, *more])
    return text.getvalue()


def click_axes(path: str | os.PathLike[str]) -> int | None:
    """Number of axes of a clicks file; None for other and for unreadable files.

    Only a file with both of our own columns, `object` and `positive`, counts.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            line = file.readline()
            separator = separator_of(line, _is_known)
            header = [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    except (OSError, ValueError, csv.Error):
        return None
    axes = [name for name in header if name.startswith("axis-")]
    known = len(axes) >= 2 and set(axes) == {f"axis-{axis}" for axis in range(len(axes))}
    return len(axes) if known and set(_OURS) <= set(header) else None


def _is_known(name: str) -> bool:
    return name.startswith("axis-") or name in _OURS or is_box_column(name)


def _some(path: Path, placed: list[PlacedClick]) -> list[PlacedClick]:
    if not placed:
        raise ClicksFileError(f"{path} has a header but no clicks; add one line for each click")
    return placed


def _placed(path: Path, table: Table) -> list[PlacedClick]:
    _check_names(path, table.header)
    ndim = sum(name.startswith("axis-") for name in table.header)
    for line, cells in table.rows:
        if complaint := table.check_width(cells):
            raise ClicksFileError(f"{path}, line {line}: {complaint}")
    columns = {
        name: [cells[index].strip() for _, cells in table.rows]
        for index, name in enumerate(table.header)
    }
    sign = sign_column(path, columns)
    placed = [
        _click(
            f"{path}, line {line}",
            line,
            {name: values[index] for name, values in columns.items()},
            ndim,
            sign,
        )
        for index, (line, _) in enumerate(table.rows)
    ]
    return placed if "stroke" in columns else _numbered(placed)


def _numbered(placed: list[PlacedClick]) -> list[PlacedClick]:
    """Give each run of pixels of one prompt, object and slice a number as a stroke."""
    numbered: list[PlacedClick] = []
    runs = groupby(placed, lambda one: (one.prompt, one.object_id, one.place[:-2], one.positive))
    for number, ((prompt, *_), run) in enumerate(runs, start=1):
        numbered += [one if prompt == "click" else replace(one, stroke=number) for one in run]
    return numbered


def _read(path: Path) -> Table:
    if path.is_dir():
        raise ClicksFileError(f"{path} is a folder; give the path of a clicks file (CSV)")
    try:
        # The signature is what Excel puts in front of UTF-8.
        with path.open(newline="", encoding="utf-8-sig") as file:
            return read_table(file, _is_known)
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


def _check_axes(
    path: Path, header: Sequence[str], counts: Sequence[int], kind: str, names: Sequence[str]
) -> None:
    """Refuse a header without a column for each axis, or with another number of them.

    Parameters
    ----------
    path : Path
        Name of the file in errors.
    header : sequence of str
        Names of the columns.
    counts : sequence of int
        Numbers of axes that would do, the least first.
    kind : str
        Name of the image in errors.
    names : sequence of str
        Names of the least axes before row and column.
    """
    if not header:
        raise ClicksFileError(f"{path} is empty; {_REMEDY}")
    given = [name for name in header if name.startswith("axis-")]
    if len(given) in counts and set(given) == {f"axis-{axis}" for axis in range(len(given))}:
        return
    if given and set(given) == {f"axis-{axis}" for axis in range(len(given))}:
        order = ", ".join((*names, "row", "column"))
        raise ClicksFileError(
            f"{path} has {len(given)} axes, but {kind} needs {counts[0]} ({order}); "
            "give the image that the clicks were made on"
        )
    for name in (f"axis-{axis}" for axis in range(counts[0])):
        if header.count(name) != 1:
            raise ClicksFileError(
                f"{path} has {header.count(name)} columns named {name} in its header "
                f"({','.join(header)[:80]}); {_REMEDY}"
            )
    raise ClicksFileError(f"{path} has the columns {','.join(header)[:80]}; {_REMEDY}")


def _check_names(path: Path, header: Sequence[str]) -> None:
    for name in header:
        # Other features of a points layer do no harm, but a mistyped sign would turn clicks over.
        meant = get_close_matches(name.lower(), _OURS, n=1)
        if name in _OURS and header.count(name) > 1:
            raise ClicksFileError(f"{path} has two columns {name!r}; leave one of them")
        if meant and name not in _OURS:
            raise ClicksFileError(
                f"{path} has a column {name!r}; rename it to {meant[0]!r}, or to something else"
            )


def _click(
    where: str, line: int, values: Mapping[str, str], ndim: int, sign: str | None
) -> PlacedClick:
    place = tuple(
        _coordinate(where, f"axis-{axis}", values[f"axis-{axis}"]) for axis in range(ndim)
    )
    positive = True if sign is None else read_sign(where, sign, values[sign])
    prompt, stroke = _drawn(where, values)
    if prompt == "box" and positive:
        raise ClicksFileError(
            f"{where}: a box is a frame of negative pixels, but positive is 1; give boxes by their "
            "corners (--boxes)"
        )
    return PlacedClick(line, place, positive, _object(where, values.get("object")), prompt, stroke)


def _drawn(where: str, values: Mapping[str, str]) -> tuple[Prompt, int]:
    """Prompt and stroke of a line."""
    prompt = values.get("prompt", "").lower() or "click"
    if prompt not in get_args(Prompt):
        raise ClicksFileError(
            f"{where}: prompt is {prompt!r}; write {', '.join(get_args(Prompt)[:-1])} or "
            f"{get_args(Prompt)[-1]}"
        )
    text = values.get("stroke") or "0"
    try:
        stroke = float(decimal_point(text))
    except ValueError:
        stroke = math.nan
    is_click = prompt == "click"
    if not (stroke.is_integer() and 0 <= stroke < 2**32) or (
        "stroke" in values and (stroke == 0) != is_click
    ):
        wanted = "0 for a click" if is_click else f"a whole number from 1 on for a {prompt}"
        raise ClicksFileError(f"{where}: stroke is {text!r}; write {wanted}")
    return cast("Prompt", prompt), int(stroke)


def _coordinate(where: str, name: str, text: str) -> int:
    try:
        value = float(decimal_point(text))
    except ValueError:
        value = math.nan
    if not abs(value) < _FARTHEST:
        raise ClicksFileError(f"{where}: {name} is {text!r}; write a number of pixels")
    # A pixel reaches half a pixel to each side of its integer position.
    return math.floor(value + 0.5)


def _object(where: str, text: str | None) -> int:
    try:
        number = 1.0 if text is None else float(decimal_point(text))
    except ValueError:
        number = math.nan
    if not (number.is_integer() and 1 <= number < 2**32):
        raise ClicksFileError(f"{where}: object is {text!r}; write a whole number from 1 on")
    return int(number)
