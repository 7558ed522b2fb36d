"""Contact sheets: the objects that went worst, with masks and clicks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis_training.benchmark.benchmark import click_again
from napari_gpcis_training.plotting import figure_to, plain_text, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from napari_gpcis_training.benchmark.objects import BenchmarkObject
    from napari_gpcis_training.benchmark.records import Record
    from napari_gpcis_training.benchmark.segmenters import Segmenter

    Array = np.ndarray[Any, np.dtype[Any]]
    Window = tuple[int, int, int]

__all__ = ["WorstCase", "choose_worst", "contact_sheet", "crop_window", "worst_cases"]

_TILE_INCHES = 2.56
_MARGIN = 0.25
_LEAST_SIDE = 32
_LETTERS = 36

# Okabe and Ito's colours; the mask's yellow and the preview's in the widget are one.
_TARGET, _MASK = "#56b4e9", "#f0e442"
_CLICKS = {True: ("#009e73", "o", "positive click"), False: ("#d55e00", "s", "negative click")}
_OUTSIDE = 128


@dataclass(frozen=True, slots=True)
class WorstCase:
    """One tile of a contact sheet.

    Attributes
    ----------
    image : uint8, shape (Y, X) or (Y, X, 3)
    target, mask : bool, shape (Y, X)
        The wanted mask, and the last answer.
    clicks : sequence of (int, int, bool)
        Row, column, positive; in order.
    caption : str
        A line or two.
    """

    image: Array
    target: Array
    mask: Array
    clicks: Sequence[tuple[int, int, bool]]
    caption: str

    def __post_init__(self) -> None:
        shape = self.image.shape[:2]
        if not self.target.any() or not self.target.shape == self.mask.shape == shape:
            raise ValueError(
                f"expected a target that is not empty and a mask on an image of {shape}, got "
                f"{self.target.shape} with {int(self.target.sum())} pixels and "
                f"{self.mask.shape}; give those of this image"
            )


def choose_worst(records: Iterable[Record], count: int) -> list[Record]:
    """Choose the records of lowest final IoU, among equals those of most clicks; worst first.

    Raises
    ------
    ValueError
        When `count` is not positive.
    """
    if count < 1:
        raise ValueError(f"expected at least one case to choose, got {count}; ask for 1 or more")

    def badness(record: Record) -> tuple[object, ...]:
        where = record.data, record.image, record.number, record.model
        return record.after(len(record.ious)), -len(record.ious), *where

    return sorted(records, key=badness)[:count]


def worst_cases(
    segmenter: Segmenter, records: Iterable[Record], items: Iterable[BenchmarkObject], count: int
) -> list[WorstCase]:
    """Choose a segmenter's worst records and make their clicks once more, for the masks.

    Parameters
    ----------
    segmenter : Segmenter
        The one that the records are of.
    records : iterable of Record
        Records; those of other segmenters are skipped.
    items : iterable of BenchmarkObject
        The objects of the records, in any order; may be lazy.
    count : int
        Cases at most.

    Raises
    ------
    ValueError
        When an object of a chosen record is not among `items`.
    """
    chosen = choose_worst((r for r in records if r.model == segmenter.name), count)
    wanted = {(record.data, record.image, record.number): record for record in chosen}
    cases = {}
    for item in items:
        key = item.data, item.image_name, item.number
        if key in wanted:
            mask = click_again(segmenter, item, wanted[key])
            clicks, caption = wanted[key].clicks, _caption(wanted[key])
            cases[key] = WorstCase(item.image, item.target, mask, clicks, caption)
    missing = [key for key in wanted if key not in cases]
    if missing:
        raise ValueError(
            f"expected the object of every record, got none for {missing[0]}; give the data "
            "that the records were made of"
        )
    return [cases[key] for key in wanted]


def contact_sheet(
    path: str | Path, cases: Sequence[WorstCase], columns: int = 4, title: str = "Worst cases"
) -> None:
    """Draw a grid of objects, each cropped to its surroundings and clicks.

    Parameters
    ----------
    path : path
        A .png, .svg or .pdf file.
    cases : sequence of WorstCase
        Objects in the order of the tiles.
    columns : int
        Tiles side by side at most; a sheet has room for two at least.
    title : str
        Title above the tiles.

    Raises
    ------
    ValueError
        When there is no case or no column.
    OutputFileError
        When the system refuses to write.
    """
    if not cases or columns < 1:
        raise ValueError(
            f"expected at least one case and one column, got {len(cases)} and {columns}; give both"
        )
    columns = max(2, min(columns, len(cases)))
    rows = math.ceil(len(cases) / columns)
    width, height = columns * (_TILE_INCHES + 0.1), rows * (_TILE_INCHES + 0.5) + 0.7
    with figure_to(path, width, height) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, case in zip_longest(grid.flat, cases):
            axes.set_axis_off()
            if case is not None:
                _draw_case(axes, case)
        most = int(8 * width)
        name = plain_text(shorten(title, most))
        figure.suptitle(name, x=0.01, ha="left", size=11, weight="bold")
        figure.legend(handles=_legend_handles(), loc="outside lower left", ncols=4, fontsize=9)


def crop_window(case: WorstCase) -> Window:
    """Choose the square around an object and its clicks: top row, left column and side, px.

    It reaches beyond the image where that is too small, and does not grow with a mask that runs
    away.
    """
    rows, columns = np.nonzero(case.target)
    places = [(row, column) for row, column, _ in case.clicks]
    points = np.vstack([np.stack([rows, columns], axis=1), np.reshape(places, (-1, 2))])
    low, high = points.min(axis=0), points.max(axis=0) + 1
    side = max(_LEAST_SIDE, math.ceil((1 + _MARGIN) * int(np.max(high - low))))
    top, left = (
        # Beyond the image by a pixel, so that a mask up to its edge has an outline there.
        min(max(int(middle) - side // 2, -1), size + 1 - side)
        if size + 2 >= side
        else (size - side) // 2
        for middle, size in zip((low + high) // 2, case.target.shape, strict=True)
    )
    return top, left, side


def _cut(pixels: Array, window: Window, outside: int) -> Array:
    """Pixels of a window; `outside` where there is no image."""
    top, left, side = window
    cut = np.full((side, side, *pixels.shape[2:]), outside, pixels.dtype)
    rows = slice(max(top, 0), min(top + side, pixels.shape[0]))
    columns = slice(max(left, 0), min(left + side, pixels.shape[1]))
    inside = slice(rows.start - top, rows.stop - top)
    cut[inside, columns.start - left : columns.stop - left] = pixels[rows, columns]
    return cut


def _draw_case(axes: Axes, case: WorstCase) -> None:
    from matplotlib.colors import to_rgb

    window = crop_window(case)
    top, left, side = window
    image = _cut(case.image, window, _OUTSIDE)
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="auto")
    tint = np.zeros((side, side, 4))
    tint[..., :3] = to_rgb(_MASK)
    tint[..., 3] = 0.15 * _cut(case.mask, window, 0)
    axes.imshow(tint, interpolation="nearest")
    # The target's line is the wider one: where both agree, it frames the mask's.
    for mask, color, width in ((case.target, _TARGET, 4.0), (case.mask, _MASK, 1.4)):
        cut = _cut(mask.astype(np.float32), window, 0)
        if cut.min() < cut.max():
            axes.contour(cut, levels=[0.5], colors=[color], linewidths=[width])
    for order, (row, column, positive) in enumerate(case.clicks, 1):
        color, marker, _ = _CLICKS[positive]
        at = column - left, row - top
        size: dict[str, Any] = {"markersize": 9, "markeredgewidth": 0.8, "markeredgecolor": "white"}
        axes.plot(*at, marker, color=color, zorder=2 + order, **size)
        look: dict[str, Any] = {
            "size": 5.5,
            "color": "white",
            "weight": "bold",
            "zorder": 2 + order,
        }
        axes.text(*at, str(order), ha="center", va="center_baseline", **look)
    axes.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))
    lines = case.caption.splitlines()[:2]
    caption = "\n".join(plain_text(shorten(line, _LETTERS)) for line in lines)
    axes.set_title(caption, loc="left", y=0, pad=-5, va="top", size=8, weight="normal")


def _legend_handles() -> list[Line2D]:
    from matplotlib.lines import Line2D

    outlines = [
        Line2D([], [], color=color, linewidth=3, label=label)
        for color, label in ((_TARGET, "wanted"), (_MASK, "mask"))
    ]
    clicks = [
        Line2D([], [], color=color, marker=marker, linestyle="", markersize=8, label=label)
        for color, marker, label in _CLICKS.values()
    ]
    return [*outlines, *clicks]


def _caption(record: Record) -> str:
    where = f"{record.image}, object {record.number}"
    final = 100 * record.after(len(record.ious))
    count = len(record.ious)
    return f"{where}\nIoU {final:.1f} %, {count} click{'s' * (count != 1)}"
