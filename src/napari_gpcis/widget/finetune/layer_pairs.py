"""Rows in which image layers are paired with labels layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LayerPairs"]


class LayerPairs(QWidget):
    """One or more rows of an image and its labels, chosen by layer name."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images: list[str] = []
        self._labels: list[str] = []
        self._rows: list[_Row] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        heads = QHBoxLayout()
        for text in ("Images", "Labels"):
            heads.addWidget(QLabel(text))
        self._layout.addLayout(heads)
        self._add = QPushButton("Add a pair")
        self._add.clicked.connect(lambda: self.add_row())
        self._layout.addWidget(self._add)
        self.add_row()

    def set_layers(self, images: Sequence[str], labels: Sequence[str]) -> None:
        """Offer these layers; rows keep what they show as long as it is there."""
        self._images, self._labels = list(images), list(labels)
        for row in self._rows:
            row.offer(self._images, self._labels)
        self._fill_gaps()

    def chosen(self) -> list[tuple[str, str]]:
        """Image and labels of each row that has both; a pair that is there twice counts once."""
        pairs = [(row.image.currentText(), row.labels.currentText()) for row in self._rows]
        return list(dict.fromkeys(pair for pair in pairs if all(pair)))

    def add_row(self) -> None:
        """Add a row, for the first image that no other row has."""
        row = _Row(self)
        row.remove.clicked.connect(lambda: self._remove(row))
        row.offer(self._images, self._labels)
        row.choose("", "")
        self._rows.append(row)
        self._layout.insertWidget(self._layout.count() - 1, row)
        self._fill_gaps()

    def _remove(self, row: _Row) -> None:
        self._rows.remove(row)
        self._layout.removeWidget(row)
        row.deleteLater()
        self._fill_gaps()

    def _fill_gaps(self) -> None:
        """Let rows without a choice take what is still free."""
        for row in self._rows:
            image, labels = row.image.currentText(), row.labels.currentText()
            if not image:
                image = self._first_free(self._images, [r.image.currentText() for r in self._rows])
            if not labels:
                labels = self._first_free(
                    self._labels, [r.labels.currentText() for r in self._rows]
                )
            row.choose(image, labels)
            row.remove.setVisible(len(self._rows) > 1)

    @staticmethod
    def _first_free(names: Sequence[str], taken: Sequence[str]) -> str:
        return next((name for name in names if name not in taken), "")


class _Row(QWidget):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.image, self.labels, self.remove = QComboBox(), QComboBox(), QToolButton()
        self.image.setAccessibleName("Images")
        self.labels.setAccessibleName("Labels")
        self.remove.setText("×")
        self.remove.setToolTip("Remove this pair")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for box in (self.image, self.labels):
            # as narrow as the panel is, whatever the layers are called
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.currentTextChanged.connect(box.setToolTip)
            layout.addWidget(box, 1)
        layout.addWidget(self.remove)

    def offer(self, images: Sequence[str], labels: Sequence[str]) -> None:
        for box, names in ((self.image, images), (self.labels, labels)):
            present = box.currentText()
            with signals_blocked(box):
                box.clear()
                box.addItems(list(names))
                box.setCurrentIndex(box.findText(present) if present else -1)

    def choose(self, image: str, labels: str) -> None:
        for box, name in ((self.image, image), (self.labels, labels)):
            box.setCurrentIndex(box.findText(name) if name else -1)
