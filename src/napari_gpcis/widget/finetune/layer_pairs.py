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
    """One or more rows of an image and its labels, chosen by layer name.

    They show the pairs that are suggested until the user changes one.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images: list[str] = []
        self._labels: list[str] = []
        self.rows: list[_Row] = []
        self._suggested: dict[str, str] = {}
        self._changed_by_user = False
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        heads = QHBoxLayout()
        for text in ("Images", "Labels"):
            heads.addWidget(QLabel(text))
        self._layout.addLayout(heads)
        self.add = QPushButton("Add a pair")
        self.add.clicked.connect(self._add_by_user)
        self._layout.addWidget(self.add)
        self.add_row()

    def set_layers(
        self, images: Sequence[str], labels: Sequence[str], suggested: Sequence[tuple[str, str]]
    ) -> None:
        """Offer these layers; rows that the user chose keep what they show while it is there.

        Parameters
        ----------
        images, labels : sequence of str
            Names of the layers.
        suggested : sequence of (str, str)
            Images, and the labels that fit them best.
        """
        self._images, self._labels = list(images), list(labels)
        self._suggested = dict(suggested)
        for row in self.rows:
            row.offer(self._images, self._labels)
        if not self._changed_by_user:
            self._show_suggested()
        self._fill_gaps()

    def chosen(self) -> list[tuple[str, str]]:
        """Image and labels of each row that has both; a pair that is there twice counts once."""
        pairs = [(row.image.currentText(), row.labels.currentText()) for row in self.rows]
        return list(dict.fromkeys(pair for pair in pairs if all(pair)))

    def add_row(self) -> None:
        """Add a row, for the first image that no other row has."""
        row = _Row(self)
        row.remove.clicked.connect(lambda: self._remove(row))
        row.offer(self._images, self._labels)
        row.choose("", "")
        row.image.activated.connect(lambda _: self._image_chosen(row))
        row.labels.activated.connect(lambda _: self._touch())
        self.rows.append(row)
        self._layout.insertWidget(self._layout.count() - 1, row)
        self._fill_gaps()

    def _add_by_user(self) -> None:
        self._touch()
        self.add_row()

    def _touch(self) -> None:
        self._changed_by_user = True

    def _image_chosen(self, row: _Row) -> None:
        """Another image brings its own labels."""
        self._touch()
        image = row.image.currentText()
        row.choose(image, self._suggested.get(image, ""))

    def _remove(self, row: _Row) -> None:
        self._touch()
        self._drop(row)
        self._fill_gaps()

    def _drop(self, row: _Row) -> None:
        self.rows.remove(row)
        self._layout.removeWidget(row)
        row.deleteLater()

    def _show_suggested(self) -> None:
        pairs = list(self._suggested.items()) or [("", "")]
        while len(self.rows) > len(pairs):
            self._drop(self.rows[-1])
        while len(self.rows) < len(pairs):
            self.add_row()
        for row, pair in zip(self.rows, pairs, strict=True):
            row.choose(*pair)

    def _fill_gaps(self) -> None:
        """Let rows without a choice take an image that is still free, and what belongs to it."""
        belongs_to = {labels: image for image, labels in self._suggested.items()}
        for row in self.rows:
            image, labels = row.image.currentText(), row.labels.currentText()
            if not image and labels in belongs_to:
                image = belongs_to[labels]  # which has another name now
            elif not image:
                taken = [other.image.currentText() for other in self.rows]
                image = self._first_free(list(self._suggested), taken)
                labels = ""
            if not labels:
                labels = self._suggested.get(image, "")
            row.choose(image, labels)
            row.remove.setVisible(len(self.rows) > 1)

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
