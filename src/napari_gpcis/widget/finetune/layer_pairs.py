"""The table in which image layers are paired with labels layers, to be confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
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
    from collections.abc import Callable, Sequence

__all__ = ["LayerPairs", "PairNote"]


_WIDTH_OF_REMOVE = 22


class PairNote(NamedTuple):
    """What the table says of a pair: how many objects, and what is wrong with it, if anything."""

    objects: str = ""
    warning: str = ""


class LayerPairs(QWidget):
    """One or more rows of an image and its labels, chosen by layer name.

    They show the pairs that are suggested until the user changes one.

    Parameters
    ----------
    note_of : callable
        Called with the names of an image and of its labels; returns a `PairNote`.
    """

    chosen_anew = Signal()
    """The user chose, added or removed a pair."""

    def __init__(self, note_of: Callable[[str, str], PairNote]) -> None:
        super().__init__()
        self._note_of = note_of
        self._images: list[str] = []
        self._labels: list[str] = []
        self.rows: list[PairRow] = []
        self._suggested: dict[str, str] = {}
        self._changed_by_user = False
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        heads = QHBoxLayout()
        for text in ("Images", "Labels"):
            heads.addWidget(QLabel(text), 1)
        objects = QLabel("Objects")
        objects.setFixedWidth(_width_of_objects(objects))
        objects.setAlignment(Qt.AlignmentFlag.AlignRight)
        heads.addWidget(objects)
        heads.addSpacing(_WIDTH_OF_REMOVE + heads.spacing())
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

    def show_notes(self, warning_color: str) -> None:
        """Say in each row what is known of its pair."""
        for row in self.rows:
            pair = row.image.currentText(), row.labels.currentText()
            row.show_note(self._note_of(*pair) if all(pair) else PairNote(), warning_color)

    def add_row(self) -> None:
        """Add a row, for the first image that no other row has."""
        row = PairRow(self)
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
        self.chosen_anew.emit()

    def _image_chosen(self, row: PairRow) -> None:
        """Another image brings its own labels."""
        self._touch()
        image = row.image.currentText()
        row.choose(image, self._suggested.get(image, ""))

    def _remove(self, row: PairRow) -> None:
        self._touch()
        self._drop(row)
        self._fill_gaps()

    def _drop(self, row: PairRow) -> None:
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


class PairRow(QWidget):
    """An image, its labels, how many objects they have, and below them what is wrong."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.image, self.labels, self.remove = QComboBox(), QComboBox(), QToolButton()
        self.objects, self.warning = QLabel(), QLabel()
        self.image.setAccessibleName("Images")
        self.labels.setAccessibleName("Labels")
        self.objects.setFixedWidth(_width_of_objects(self.objects))
        self.objects.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.warning.setWordWrap(True)
        self.warning.hide()
        self.remove.setText("×")
        self.remove.setFixedWidth(_WIDTH_OF_REMOVE)
        self.remove.setToolTip("Remove this pair")
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for column, box in enumerate((self.image, self.labels)):
            # as narrow as the panel is, whatever the layers are called
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.currentTextChanged.connect(box.setToolTip)
            layout.addWidget(box, 0, column)
            layout.setColumnStretch(column, 1)
        layout.addWidget(self.objects, 0, 2)
        layout.addWidget(self.remove, 0, 3)
        layout.addWidget(self.warning, 1, 0, 1, 4)

    def show_note(self, note: PairNote, warning_color: str) -> None:
        self.objects.setText(note.objects)
        self.warning.setText(note.warning)
        self.warning.setStyleSheet(f"color: {warning_color}")
        self.warning.setVisible(bool(note.warning))

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


def _width_of_objects(label: QLabel) -> int:
    """With room for napari's theme, whose font is set later."""
    return round(1.3 * label.fontMetrics().horizontalAdvance("Objects"))
