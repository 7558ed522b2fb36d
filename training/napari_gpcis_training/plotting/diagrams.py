"""Diagrams that any measurement may want: lines with their standard error, reliability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_gpcis_training.plotting.drawing import (
    INK,
    chart,
    label_ends,
    paper,
    shorten,
    some,
    styles,
)
from napari_gpcis_training.plotting.names import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    Line = tuple[ArrayLike, ArrayLike, ArrayLike | None]

__all__ = ["Reliability", "draw_lines", "draw_reliability"]


class Reliability(Protocol):
    """Bins of a reliability diagram, three arrays of shape (K,); bins without pixels count 0."""

    @property
    def confidence(self) -> ArrayLike:
        """Mean predicted probability of each bin, 0–1."""

    @property
    def accuracy(self) -> ArrayLike:
        """Share of each bin that is as predicted, 0–1."""

    @property
    def count(self) -> ArrayLike:
        """Pixels in each bin."""


def draw_lines(
    path: str | Path, lines: Mapping[str, Line], xlabel: str, ylabel: str, title: str
) -> None:
    """Draw lines with a band of one standard error around each; 900 × 560 px.

    Parameters
    ----------
    path, title
        Of a .png, .svg or .pdf file; what stands above the picture.
    lines : mapping
        By name, x, mean and standard error, each of shape (N,); None in place of the standard
        error draws no band.
    xlabel, ylabel : str
        With units.

    Raises
    ------
    ValueError
        When there is no line, or arrays of one differ in length.
    """
    arrays = {name: _line(name, line) for name, line in some(lines)}
    looks = styles(arrays)
    with chart(path, title) as axes:
        for name, (x, mean, error) in arrays.items():
            look = looks[name]
            marker = "o" if len(x) <= 30 else ""
            axes.plot(x, mean, marker, linestyle=look.linestyle, color=look.color, markersize=4)
            axes.fill_between(x, mean - error, mean + error, color=look.color, alpha=0.15, lw=0)
        axes.set(xlabel=plain_text(xlabel), ylabel=plain_text(ylabel))
        _whole_ticks(axes, [x for x, _, _ in arrays.values()])
        ends = {name: (float(x[-1]), float(mean[-1])) for name, (x, mean, _) in arrays.items()}
        label_ends(axes, ends, looks)


def draw_reliability(path: str | Path, bins: Mapping[str, Reliability], title: str) -> None:
    """Draw accuracy against confidence and, below, where the pixels are; 700 × 760 px.

    The legend has each one's expected calibration error, from these bins:
    Σ count |accuracy - confidence| / Σ count.

    Parameters
    ----------
    path, title
        Of a .png, .svg or .pdf file; what stands above the picture.
    bins : mapping
        By name. Bins that count no pixels are left out.

    Raises
    ------
    ValueError
        When there is nothing to draw, or one has no pixels.

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    filled = {name: _filled(name, each) for name, each in some(bins)}
    looks = styles(filled)
    least = min(float(confidence.min()) for confidence, _, _ in filled.values())
    with paper(path, 7, 7.6) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.set_title(plain_text(title), loc="left")
        upper.plot((0, 100), (0, 100), color=INK, linewidth=1, linestyle=":", label="calibrated")
        for name, (confidence, accuracy, share) in filled.items():
            look = looks[name]
            error = float(np.sum(share * np.abs(accuracy - confidence)) / 100)
            label = f"{plain_text(shorten(name, 40))}: calibration error {error:.2f} %"
            line = {"color": look.color, "linestyle": look.linestyle, "markersize": 5}
            upper.plot(confidence, accuracy, "o", label=label, **line)
            lower.plot(confidence, share, "o", **line)
        start = 50 if least >= 50 else 0
        upper.set(xlim=(start - 1, 101), ylim=(-2, 102), ylabel="accuracy, %")
        lower.set(xlabel="confidence, %", ylabel="pixels, %", yscale="log")
        lower.set_ylim(min(share.min() for _, _, share in filled.values()) / 2, 150)
        lower.yaxis.set_major_formatter("{x:g}")
        upper.legend(frameon=False, loc="lower right")


def _whole_ticks(axes: Axes, xs: Iterable[NDArray[np.float64]]) -> None:
    from matplotlib.ticker import MaxNLocator

    if all(np.all(x == np.round(x)) for x in xs):
        axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))


def _line(name: str, line: Line) -> tuple[NDArray[np.float64], ...]:
    x, mean, error = (np.asarray(0 if part is None else part, dtype=np.float64) for part in line)
    if x.ndim != 1 or not len(x) or mean.shape != x.shape or error.shape not in ((), x.shape):
        raise ValueError(
            f"expected x, mean and error of one length for {name!r}, got shapes {x.shape}, "
            f"{mean.shape} and {error.shape}; give a value of each per point"
        )
    return x, mean, error


def _filled(name: str, bins: Reliability) -> tuple[NDArray[np.float64], ...]:
    """Confidence, accuracy and share of the pixels, in percent, of the bins that have pixels."""
    confidence, accuracy, count = (
        np.asarray(part, dtype=np.float64) for part in (bins.confidence, bins.accuracy, bins.count)
    )
    if not confidence.shape == accuracy.shape == count.shape or not count.sum() > 0:
        raise ValueError(
            f"expected confidence, accuracy and count per bin for {name!r}, got shapes "
            f"{confidence.shape}, {accuracy.shape}, {count.shape} and {count.sum():g} pixels; "
            "compute the bins from at least one pixel"
        )
    full = count > 0
    return 100 * confidence[full], 100 * accuracy[full], 100 * count[full] / count.sum()
