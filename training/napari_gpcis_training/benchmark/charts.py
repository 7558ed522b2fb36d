"""The benchmark's charts: IoU against clicks, and objects done against clicks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis_training.plotting import (
    INK,
    axes_to,
    figure_to,
    plain_text,
    shorten,
    styles,
)
from napari_gpcis_training.protocol import CLICKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from napari_gpcis_training.benchmark.records import Record
    from napari_gpcis_training.plotting import Style

__all__ = ["draw_curve_panels", "draw_curves", "draw_reached", "shares_reached"]

# Each with the side of its name that lies on the line: the two stay apart in flat pictures.
_THRESHOLDS = {85: "top", 90: "bottom"}
_THRESHOLD_LOOK: dict[str, Any] = {
    "color": INK,
    "linewidth": 1,
    "linestyle": (0, (1, 3)),
    "zorder": 1,
}
_CLICKS_LABEL = "clicks"
_IOU_LABEL = "mean IoU, %"


def draw_curves(path: str | Path, curves: Mapping[str, ArrayLike], title: str) -> None:
    """Draw mean IoU against clicks, a line per model, 85 and 90 % marked; 900 × 560 px.

    Parameters
    ----------
    path : path
        A .png, .svg or .pdf file.
    curves : mapping
        Mean IoU (0–1) after 1, 2, … clicks by model, shape (clicks,), as of
        `records.mean_curve`.
    title : str
        Stands above the picture.

    Raises
    ------
    ValueError
        When there is no curve, or one is empty.
    """
    percents = _in_percent(curves)
    looks = styles(percents)
    with axes_to(path, title) as axes:
        _plot_curves(axes, percents, looks)
        _limit_percents(axes, percents.values())
        axes.set(xlabel=_CLICKS_LABEL, ylabel=_IOU_LABEL)


def draw_curve_panels(
    path: str | Path, panels: Mapping[str, Mapping[str, ArrayLike]], title: str
) -> None:
    """Draw the curves of several data sets side by side, with one scale and one legend.

    Parameters
    ----------
    path, title
        See `draw_curves`.
    panels : mapping
        Curves by model, by data set. A model looks alike in all panels.

    Raises
    ------
    ValueError
        When there is no data set, or one without curves.
    """
    if not panels or not all(panels.values()):
        raise ValueError(
            "expected at least one data set, each with curves, got none; score one before drawing"
        )
    percents = {data: _in_percent(curves) for data, curves in panels.items()}
    looks = styles(model for curves in percents.values() for model in curves)
    columns = min(3, len(percents))
    rows = math.ceil(len(percents) / columns)
    keys = math.ceil((len(looks) + 1) / 3)
    with figure_to(path, max(3.4 * columns, 7), 2.9 * rows + 0.22 * keys + 0.5) as figure:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for number, (data, curves) in enumerate(percents.items()):
            axes = grid.flat[number]
            axes.set_title(plain_text(shorten(data, 36)), loc="left", weight="normal")
            _plot_curves(axes, curves, looks, name_thresholds=False)
            axes.tick_params(labelbottom=True)
            # Labels stand at the outer edges of the grid, whose last row may be short.
            axes.set_xlabel(_CLICKS_LABEL if number + columns >= len(percents) else "")
            axes.set_ylabel(_IOU_LABEL if number % columns == 0 else "")
        _limit_percents(
            grid[0, 0], [values for curves in percents.values() for values in curves.values()]
        )
        for axes in grid.flat[len(percents) :]:
            axes.remove()
        figure.suptitle(plain_text(title), x=0.01, ha="left", weight="bold", size=11)
        _legend_below(figure)


def draw_reached(
    path: str | Path, shares: Mapping[str, ArrayLike], title: str, wanted: float = 0.90
) -> None:
    """Draw which share of the objects has reached an IoU after 1, 2, … clicks; 900 × 560 px.

    Parameters
    ----------
    path, title
        See `draw_curves`.
    shares : mapping
        Shares by model, as of `shares_reached`.
    wanted : float
        The IoU, 0–1.

    Raises
    ------
    ValueError
        When there is no model, or one without shares.
    """
    percents = _in_percent(shares)
    looks = styles(percents)
    with axes_to(path, title) as axes:
        for name, values in percents.items():
            look = looks[name]
            axes.step(
                np.arange(1, len(values) + 1),
                values,
                "o",
                where="post",
                color=look.color,
                linestyle=look.linestyle,
                markersize=4,
                label=plain_text(shorten(name, 32)),
            )
        axes.set(xlabel=_CLICKS_LABEL, ylabel=f"objects with IoU ≥ {wanted:.2f}, %")
        axes.set_ylim(0, 101.5)
        _tick_clicks(axes, percents)


def shares_reached(
    records: Sequence[Record], wanted: float = 0.90, most: int = CLICKS
) -> NDArray[np.float64]:
    """Share of the objects (0–1) that have reached an IoU within 1, 2, … `most` clicks.

    Raises
    ------
    ValueError
        When there is no record.
    """
    if not records:
        raise ValueError("expected at least one record, got none; choose other data")
    reached = [[not record.fails(wanted, k) for k in range(1, most + 1)] for record in records]
    shares: NDArray[np.float64] = np.mean(reached, axis=0, dtype=np.float64)
    return shares


def _plot_curves(
    axes: Axes,
    percents: Mapping[str, NDArray[np.float64]],
    looks: Mapping[str, Style],
    name_thresholds: bool = True,
) -> None:
    for wanted, side in _THRESHOLDS.items():
        axes.axhline(wanted, **_THRESHOLD_LOOK)
        if name_thresholds:
            axes.annotate(
                f"{wanted} %",
                (0, wanted),
                xycoords=("axes fraction", "data"),
                xytext=(3, 2 if side == "bottom" else -2),
                textcoords="offset points",
                va=side,
                size=8,
            )
    for name, values in percents.items():
        look = looks[name]
        clicks = np.arange(1, len(values) + 1)
        marker = "o" if len(values) <= CLICKS else ""
        label = plain_text(shorten(name, 32))
        line: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "markersize": 4}
        axes.plot(clicks, values, marker, label=label, **line)
    _tick_clicks(axes, percents)


def _limit_percents(axes: Axes, values: Iterable[NDArray[np.float64]]) -> None:
    least = min(min(float(each.min()) for each in values), min(_THRESHOLDS) - 5)
    axes.set_ylim(max(0, 10 * math.floor(least / 10)) - 0.5, 100.5)


def _tick_clicks(axes: Axes, percents: Mapping[str, NDArray[np.float64]]) -> None:
    most = max(map(len, percents.values()))
    step = next(step for step, reach in ((1, 10), (5, 40), (20, math.inf)) if most <= reach)
    axes.set_xticks(sorted({1, *range(step, most + 1, step)}))


def _legend_below(figure: Figure) -> None:
    """Name each model once, whichever panels it is in, and the thresholds."""
    handles: dict[Any, Any] = {}
    for axes in figure.axes:
        handles.update(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    thresholds = " and ".join(f"{wanted} %" for wanted in _THRESHOLDS)
    handles[thresholds] = figure.axes[0].lines[0]
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)


def _in_percent(curves: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    percents = {name: 100 * np.asarray(each, dtype=np.float64) for name, each in curves.items()}
    for name, values in percents.items():
        if values.ndim != 1 or not len(values):
            raise ValueError(
                f"expected a value per click for {name!r}, got shape {values.shape}; "
                "give an array of shape (clicks,)"
            )
    return percents
