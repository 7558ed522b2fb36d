"""A small plot: one quantity over the steps of a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from qtpy.QtCore import QSize, QTimer
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QSizePolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QShowEvent

__all__ = ["Curve", "smoothed"]

_LINE_ON_DARK, _LINE_ON_LIGHT = "#6cb8ff", "#1f6fb8"


class Curve(FigureCanvasQTAgg):
    """A line through (step, value), both axes from 0, in the colours of the window.

    Parameters
    ----------
    quantity : str
        Title of the plot.
    smooth : bool
        Draw the values faintly and their running mean over them; otherwise each value is a dot.
    """

    def __init__(self, quantity: str, *, smooth: bool = False) -> None:
        figure = Figure(layout="constrained", facecolor="none")
        super().__init__(figure)  # type: ignore[no-untyped-call]
        self._redraw = QTimer(self)  # which ends with the widget, unlike matplotlib's own
        self._redraw.setSingleShot(True)
        self._redraw.timeout.connect(self._draw_if_shown)
        self._axes = figure.subplots()
        self._quantity = quantity
        self._smooth = smooth
        self._points: list[tuple[float, float]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"{quantity} over steps")
        self._plot()

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """All (step, value) so far."""
        return tuple(self._points)

    def sizeHint(self) -> QSize:
        """As Qt asks."""
        return QSize(280, 9 * self.fontMetrics().height())

    def draw_idle(self) -> None:
        """Draw when there is nothing else to do."""
        if hasattr(self, "_redraw"):
            self._redraw.start(0)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Draw what has come meanwhile."""
        super().showEvent(event)  # type: ignore[no-untyped-call]
        self.draw_idle()

    def _draw_if_shown(self) -> None:
        if self.isVisible():
            self.draw()  # type: ignore[no-untyped-call]

    def clear(self) -> None:
        """Forget all points."""
        self._points.clear()
        self._plot()

    def add(self, step: float, value: float) -> None:
        """Add a point; one that is not finite is left out."""
        if math.isfinite(value):
            self._points.append((step, value))
            self.setToolTip(f"{self._quantity}: {value:.3g} at step {step:g}")
            self._plot()

    def _plot(self) -> None:
        axes = self._axes
        text = self.palette().color(QPalette.ColorRole.WindowText)
        line = _LINE_ON_DARK if text.lightness() > 127 else _LINE_ON_LIGHT
        axes.clear()
        axes.set_facecolor("none")
        axes.set_title(self._quantity, loc="left", color=text.name(), fontsize="small")
        axes.set_xlabel("step", color=text.name(), fontsize="small")
        axes.tick_params(colors=text.name(), labelsize="x-small")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(text.name())
        if self._points:
            steps, values = zip(*self._points, strict=True)
            if self._smooth:
                axes.plot(steps, values, color=line, alpha=0.35, linewidth=1)
                axes.plot(steps, smoothed(values), color=line)
            else:
                axes.plot(steps, values, color=line, marker="o", markersize=4)
            axes.set_xlim(0, max(steps[-1], 1))
            axes.set_ylim(0, max(values) * 1.05 if max(values) > 0 else 1)
        self.draw_idle()


def smoothed(values: Sequence[float], weight: float = 0.9) -> list[float]:
    """Exponential running mean that starts without bias."""
    means, total, norm = [], 0.0, 0.0
    for value in values:
        total = weight * total + (1 - weight) * value
        norm = weight * norm + (1 - weight)
        means.append(total / norm)
    return means
