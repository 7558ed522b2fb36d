"""The table of objects as Qt's views ask for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_gpcis.widget.tool.object_list import PixelSize

if TYPE_CHECKING:
    from napari_gpcis.widget.tool.object_list import ListedObject

__all__ = ["SORT_ROLE", "ObjectsModel"]

SORT_ROLE = int(Qt.ItemDataRole.UserRole)
"""Role of the number that a column is sorted by."""
_NO_PARENT = QModelIndex()


class ObjectsModel(QAbstractTableModel):
    """Objects, a row each: label, area, certainty, slices."""

    def __init__(self) -> None:
        super().__init__()
        self._objects: list[ListedObject] = []
        self._rows: dict[int, int] = {}
        self._size = PixelSize()

    def set_objects(self, objects: list[ListedObject], size: PixelSize) -> bool:
        """Show other objects; False if they are the same."""
        if objects == self._objects and size == self._size:
            return False
        self.beginResetModel()
        self._objects, self._size = objects, size
        self._rows = {item.label: row for row, item in enumerate(objects)}
        self.endResetModel()
        return True

    def object_at(self, row: int) -> ListedObject:
        """Object of a row."""
        return self._objects[row]

    def row_of(self, label: int) -> int | None:
        """Row of a label, if there is one."""
        return self._rows.get(label)

    def rowCount(self, parent: Any = _NO_PARENT) -> int:
        """Objects."""
        return 0 if parent.isValid() else len(self._objects)

    def columnCount(self, parent: Any = _NO_PARENT) -> int:
        """Columns."""
        return 0 if parent.isValid() else 4

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Titles of the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return ("Label", f"Area ({self._size.area_unit})", "Certainty", "Slices")[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return (
                "Number in the labels layer",
                "In the slice in which it is largest",
                "Mean probability of its pixels when it was committed. Low: check it first. "
                "Empty: painted, or from elsewhere",
                "Number of slices in which it has pixels",
            )[section]
        return None

    def data(self, index: Any, role: int = 0) -> Any:
        """Text of a cell, and the number that it is sorted by."""
        item, column = self._objects[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(item, column)
        if role == SORT_ROLE:
            certainty = math.inf if item.certainty is None else item.certainty
            return (item.label, item.area, certainty, len(item.places))[column]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def _text(self, item: ListedObject, column: int) -> str:
        if column == 1:
            return f"{item.area * self._size.row * self._size.col:,.6g}"
        if column == 2:
            return "" if item.certainty is None else f"{item.certainty:.1%}"
        return str(item.label if column == 0 else len(item.places))
