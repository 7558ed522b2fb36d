"""What the benchmark's pictures share: paper, colours, labels at the ends of lines."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import numpy as np

from napari_gpcis.io.files import atomic_write, check_suffix, os_errors_as_output_errors
from napari_gpcis_training.plotting.names import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DPI",
    "INK",
    "Style",
    "chart",
    "label_ends",
    "paper",
    "shorten",
    "some",
    "spread",
    "styles",
]

DPI = 100
"""Pixels per inch: a picture of 8 × 5 inches has 800 × 500 pixels."""
INK = "#333333"
_Drawn = TypeVar("_Drawn")
_LINE_INCHES = 0.19

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
    "svg.fonttype": "none",
}


@dataclass(frozen=True, slots=True)
class Style:
    """A line's look, as keywords of `Axes.plot`."""

    color: str
    linestyle: _Dash


@contextmanager
def paper(path: str | Path, width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure, which becomes the picture at `path` when the block succeeds.

    Neither pyplot nor a display is touched, so it works in any thread.

    Parameters
    ----------
    path : path
        A .png, .svg or .pdf file; its folder is made when missing.
    width, height : float
        Inches; of a .png, times `DPI`, the pixels.

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
def chart(path: str | Path, title: str) -> Iterator[Axes]:
    """Give the axes of a picture of one diagram, 900 × 560 px; see `paper`."""
    with paper(path, 9, 5.6) as figure:
        axes = figure.subplots()
        axes.set_title(plain_text(title), loc="left")
        yield axes


def some(drawn: Mapping[str, _Drawn]) -> list[tuple[str, _Drawn]]:
    """List what is to be drawn, with names.

    Raises
    ------
    ValueError
        When there is nothing.
    """
    if not drawn:
        raise ValueError("expected at least one thing to draw, got none; measure one before")
    return list(drawn.items())


def styles(names: Iterable[str]) -> dict[str, Style]:
    """Give each name a look of its own: colours that the colour-blind tell apart, then dashes."""
    count = len(_COLORS)
    return {
        name: Style(_COLORS[k % count], _DASHES[k // count % len(_DASHES)])
        for k, name in enumerate(dict.fromkeys(names))
    }


def label_ends(
    axes: Axes, ends: Mapping[str, tuple[float, float]], looks: Mapping[str, Style]
) -> None:
    """Write each line's name beside its end, moved apart where names would overlap.

    Parameters
    ----------
    axes : Axes
        With its final limits.
    ends : mapping
        By name, the last point (x, y) of its line, in data units.
    looks : mapping
        By name, as of `styles`.
    """
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("expected axes on a figure, got removed ones; label before removing them")
    figure.draw_without_rendering()  # lays the axes out, which have no height before
    gap = _LINE_INCHES / (axes.get_position().height * figure.get_figheight())
    low, high = axes.get_ylim()
    names = sorted(ends, key=lambda name: ends[name][1])
    heights = [(ends[name][1] - low) / (high - low) for name in names]
    for name, height in zip(names, spread(heights, gap), strict=True):
        axes.annotate(
            plain_text(shorten(name, 32)),
            xy=ends[name],
            xytext=(1.05, height),
            textcoords="axes fraction",
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": looks[name].color,
                "linewidth": 1,
                "relpos": (0, 0.5),
                "shrinkA": 2,
                "shrinkB": 3,
            },
        )


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Move ascending places apart by at least `gap`, each no further than its neighbours need.

    Places that touch form a block whose middle stays where their middles were; a block that
    leaves 0–1 is pushed back in.
    """
    blocks = [[place] for place in places]
    while True:
        laid = [_lay(block, gap) for block in blocks]
        touching = [k for k, (a, b) in enumerate(pairwise(laid)) if b[0] - a[-1] < gap * (1 - 1e-6)]
        if not touching:
            return [place for block in laid for place in block]
        blocks[touching[0] : touching[0] + 2] = [blocks[touching[0]] + blocks[touching[0] + 1]]


def _lay(block: Sequence[float], gap: float) -> list[float]:
    length = gap * (len(block) - 1)
    first = float(np.mean(block)) - length / 2
    first = max(0.0, min(first, 1 - length))
    return [first + gap * k for k in range(len(block))]


def shorten(text: str, most: int) -> str:
    """Leave out a text's middle where it is longer than so many letters."""
    if len(text) <= most:
        return text
    kept = most - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
