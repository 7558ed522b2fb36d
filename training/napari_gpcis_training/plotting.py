"""Figures with matplotlib: how they look and are written, lines with errors, reliability."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from napari_gpcis.io.files import atomic_write, check_suffix, os_errors_as_output_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    Line = tuple[ArrayLike, ArrayLike, ArrayLike | None]

__all__ = [
    "INK",
    "Reliability",
    "Style",
    "axes_to",
    "draw_lines",
    "draw_reliability",
    "figure_to",
    "plain_text",
    "shorten",
    "styles",
]

DPI = 100
"""Pixels per inch: a picture of 8 × 5 inches has 800 × 500 pixels."""
INK = "#333333"

_Dash: TypeAlias = Literal["-", "--", ":", "-."]
# Okabe and Ito, "Color Universal Design", 2008, without yellow, which white paper swallows.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_DASHES: tuple[_Dash, ...] = ("-", "--", ":", "-.")
_SETTINGS: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e5e5",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "lines.linewidth": 2,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@dataclass(frozen=True, slots=True)
class Style:
    """A line's look, as keywords of `Axes.plot`."""

    color: str
    linestyle: _Dash


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


@contextmanager
def figure_to(path: str | Path, width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure, which becomes the picture at `path` when the block succeeds.

    Neither pyplot nor a display is touched, so it works in any thread.

    Parameters
    ----------
    path : path
        A .png, .svg or .pdf file; its folder is created if missing.
    width, height : float
        Size in inches; multiplied by `DPI`, the size of a .png in pixels.

    Raises
    ------
    OutputFileError
        When the suffix is another one, or the system refuses to write.
    """
    import matplotlib
    from matplotlib.figure import Figure

    check_suffix(path, (".png", ".svg", ".pdf"))
    with os_errors_as_output_errors(Path(path).parent):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part, matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        yield figure
        with os_errors_as_output_errors(path):
            figure.savefig(part, format=Path(path).suffix[1:].lower())


@contextmanager
def axes_to(path: str | Path, title: str) -> Iterator[Axes]:
    """Give the axes of a picture of one diagram, 900 × 560 px; see `figure_to`.

    Lines that have a label are named in a legend beside the diagram.
    """
    with figure_to(path, 9, 5.6) as figure:
        axes = figure.subplots()
        axes.set_title(plain_text(title), loc="left")
        yield axes
        figure.legend(loc="outside right upper")


def styles(names: Iterable[str]) -> dict[str, Style]:
    """Give each name a look of its own: colours that the colour-blind tell apart, then dashes.

    Raises
    ------
    ValueError
        When there is no name.
    """
    distinct = list(dict.fromkeys(names))
    if not distinct:
        raise ValueError("expected at least one thing to draw, got none; measure one first")
    count = len(_COLORS)
    return {
        name: Style(_COLORS[k % count], _DASHES[k // count % len(_DASHES)])
        for k, name in enumerate(distinct)
    }


def shorten(text: str, most: int) -> str:
    """Replace a text's middle by an ellipsis where it is longer than `most` letters."""
    if len(text) <= most:
        return text
    kept = most - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def plain_text(text: str) -> str:
    """Keep matplotlib from reading dollars as mathematics and a leading underscore as "hidden"."""
    return ("\N{THIN SPACE}" if text.startswith("_") else "") + text.replace("$", r"\$")


def draw_lines(
    path: str | Path, lines: Mapping[str, Line], xlabel: str, ylabel: str, title: str
) -> None:
    """Draw lines with a band of one standard error around each; 900 × 560 px.

    Parameters
    ----------
    path : path
        A .png, .svg or .pdf file.
    lines : mapping
        By name: x, mean and standard error, each of shape (N,). No band is drawn where the
        standard error is None.
    xlabel, ylabel : str
        Labels of the axes, with units.
    title : str
        Title above the diagram.

    Raises
    ------
    ValueError
        When there is no line, or the arrays of one differ in length.
    """
    looks = styles(lines)
    arrays = {name: _line(name, line) for name, line in lines.items()}
    with axes_to(path, title) as axes:
        for name, (x, mean, error) in arrays.items():
            look = looks[name]
            marker = "o" if len(x) <= 30 else ""
            axes.plot(
                x,
                mean,
                marker,
                linestyle=look.linestyle,
                color=look.color,
                markersize=4,
                label=plain_text(shorten(name, 32)),
            )
            axes.fill_between(x, mean - error, mean + error, color=look.color, alpha=0.15, lw=0)
        axes.set(xlabel=plain_text(xlabel), ylabel=plain_text(ylabel))
        _whole_ticks(axes, [x for x, _, _ in arrays.values()])


def draw_reliability(path: str | Path, bins: Mapping[str, Reliability], title: str) -> None:
    """Draw accuracy against confidence and, below, where the pixels are; 700 × 760 px.

    The legend gives the expected calibration error of each, computed from these bins:
    Σ count |accuracy - confidence| / Σ count.

    Parameters
    ----------
    path : path
        A .png, .svg or .pdf file.
    bins : mapping
        Bins by name. Those that count no pixels are left out.
    title : str
        Title above the diagram.

    Raises
    ------
    ValueError
        When there is nothing to draw, or bins have no pixels at all.

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    looks = styles(bins)
    filled = {name: _filled(name, each) for name, each in bins.items()}
    least = min(float(confidence.min()) for confidence, _, _ in filled.values())
    with figure_to(path, 7, 7.6) as figure:
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
        upper.legend(loc="lower right")


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
