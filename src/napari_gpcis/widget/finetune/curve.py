"""A small plot: one quantity over the steps of a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPaintEvent

__all__ = ["Curve", "smoothed"]

_LINE_ON_DARK, _LINE_ON_LIGHT = QColor("#6cb8ff"), QColor("#1f6fb8")
_DOT_RADIUS = 3.0


class Curve(QWidget):
    """A line through (step, value) with labelled axes from 0, in the colours of the window.

    Parameters
    ----------
    quantity : str
        Label of the vertical axis.
    smooth : bool
        Draw the values faintly and their running mean over them; otherwise each value is a dot.
    parent : QWidget, optional
    """

    def __init__(
        self, quantity: str, *, smooth: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._quantity = quantity
        self._smooth = smooth
        self._points: list[tuple[float, float]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"{quantity} over steps")

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """All (step, value) so far."""
        return tuple(self._points)

    def sizeHint(self) -> QSize:
        """As Qt asks."""
        return QSize(280, 8 * self.fontMetrics().height())

    def clear(self) -> None:
        """Forget all points."""
        self._points.clear()
        self.update()

    def add(self, step: float, value: float) -> None:
        """Add a point; one that is not finite is left out."""
        if math.isfinite(value):
            self._points.append((step, value))
            self.setToolTip(f"{self._quantity}: {value:.3g} at step {step:g}")
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw axes, their labels and the line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        line = _LINE_ON_DARK if text.lightness() > 127 else _LINE_ON_LIGHT
        frame = self._frame()
        self._draw_axes(painter, frame, text)
        if self._points:
            self._draw_line(painter, frame, line)
        painter.end()

    def _frame(self) -> QRectF:
        """Where the line is drawn; around it are the labels."""
        height = self.fontMetrics().height()
        left = self.fontMetrics().horizontalAdvance("0.0000") + 6
        return QRectF(
            left,
            1.5 * height,
            max(1.0, self.width() - left - 8),
            max(1.0, self.height() - 2.5 * height - 6),
        )

    def _draw_axes(self, painter: QPainter, frame: QRectF, text: QColor) -> None:
        height = self.fontMetrics().height()
        faint = QColor(text)
        faint.setAlphaF(0.35)
        painter.setPen(QPen(faint, 1))
        painter.drawLine(frame.topLeft(), frame.bottomLeft())
        painter.drawLine(frame.bottomLeft(), frame.bottomRight())
        painter.setPen(text)
        top = QRectF(0, 0, self.width(), height)
        painter.drawText(top, Qt.AlignmentFlag.AlignLeft, self._quantity)
        below = QRectF(frame.left(), frame.bottom() + 4, frame.width(), height)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, "step")
        if not self._points:
            return
        last, high = _limits(self._points)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "0")
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, f"{last:g}")
        for value, y in ((high, frame.top()), (0.0, frame.bottom())):
            box = QRectF(0, y - height / 2, frame.left() - 6, height)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight, f"{value:.3g}")

    def _draw_line(self, painter: QPainter, frame: QRectF, colour: QColor) -> None:
        last, high = _limits(self._points)

        def place(points: Sequence[tuple[float, float]]) -> list[QPointF]:
            return [
                QPointF(
                    frame.left() + frame.width() * step / last,
                    frame.bottom() - frame.height() * max(0.0, value) / high,
                )
                for step, value in points
            ]

        if self._smooth:
            faint = QColor(colour)
            faint.setAlphaF(0.35)
            painter.setPen(QPen(faint, 1))
            painter.drawPolyline(QPolygonF(place(self._points)))
            steps, values = zip(*self._points, strict=True)
            painter.setPen(QPen(colour, 2))
            means = list(zip(steps, smoothed(values), strict=True))
            painter.drawPolyline(QPolygonF(place(means)))
            return
        dots = place(self._points)
        painter.setPen(QPen(colour, 2))
        painter.drawPolyline(QPolygonF(dots))
        painter.setBrush(colour)
        for dot in dots:
            painter.drawEllipse(dot, _DOT_RADIUS, _DOT_RADIUS)


def smoothed(values: Sequence[float], weight: float = 0.9) -> list[float]:
    """Exponential running mean that starts without bias."""
    means, total, norm = [], 0.0, 0.0
    for value in values:
        total = weight * total + (1 - weight) * value
        norm = weight * norm + (1 - weight)
        means.append(total / norm)
    return means


def _limits(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Last step and highest value, above 0; both axes begin at 0."""
    last, high = (max(point[axis] for point in points) for axis in (0, 1))
    return max(last, 1.0), high if high > 0 else 1.0
