"""The classes of class mode: colour, number and name of each, the active one selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
)

from napari_gpcis.widget.panel.controls import Attempt, Part, describe, even_grid, tight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.widget.tool.tool import Tool
    from napari_gpcis.widget.tool.types import ClassInfo

__all__ = ["ClassesView"]

_SWATCH, _NAME = 0, 1
_ROWS = 4  # that are seen without scrolling


class ClassesView(Part):
    """A table of the classes; a click on a colour changes it, a double click on a name edits it."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self._numbers: list[int] = []
        self.table = self._make_table()
        self.table.currentCellChanged.connect(self._activate)
        self.table.itemChanged.connect(self._rename)
        self.table.cellClicked.connect(self._clicked)
        self.table.cellActivated.connect(self._clicked)
        self.add = self.button("Add", "Add a class", tool.classes.add, name="Add class")
        self.remove = self.button(
            "Remove",
            "Remove the selected class, with its clicks",
            lambda: tool.classes.remove(tool.classes.active),
            name="Remove class",
        )
        self.commit = self.button(
            "Commit slice",
            "Write the classes of this slice into the labels layer",
            tool.commit,
            action="commit",
        )
        self.apply = self.button(
            "Apply to all slices",
            "Give every pixel of every slice a class",
            tool.apply_to_all,
            action="propagate_both",
        )
        column_layout = QVBoxLayout(self)
        tight(column_layout, spacing=4)
        column_layout.addWidget(self.table)
        buttons = (self.add, self.remove, self.commit, self.apply)
        column_layout.addLayout(even_grid(buttons, columns=2))

    def refresh(self) -> None:
        """Show the classes."""
        tool = self.tool
        classes = tool.classes.all
        with QSignalBlocker(self.table):
            if [info.number for info in classes] != self._numbers:
                self._lay_out(classes)
            for row, info in enumerate(classes):
                self._show(row, info)
            if tool.classes.active in self._numbers:
                row = self._numbers.index(tool.classes.active)
                if row != self.table.currentRow():
                    self.table.setCurrentCell(row, _NAME)
        self.remove.setEnabled(len(classes) > 0)
        self.commit.setEnabled(tool.can_commit)
        self.apply.setEnabled(tool.model.is_loaded and tool.switcher.image is not None)

    def edit_color(self, row: int) -> None:
        """Ask for another colour of the class in this row."""
        info = self.tool.classes.all[row]
        color = QColorDialog.getColor(QColor(info.color), self, f"Colour of {info.name}")
        if color.isValid():
            self.attempt(lambda: self.tool.classes.recolor(info.number, color.name()))

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 2)
        describe(
            table,
            "Classes",
            "The selected class is the one that clicks are given.\n"
            "Click on a colour to change it, double-click on a name to edit it (F2)",
        )
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        table.setTabKeyNavigation(False)
        table.setShowGrid(False)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        row_height = table.fontMetrics().height() + 10
        table.setIconSize(QSize(row_height - 8, row_height - 8))
        if (vertical := table.verticalHeader()) is not None:
            vertical.hide()
            vertical.setDefaultSectionSize(row_height)
        if (horizontal := table.horizontalHeader()) is not None:
            horizontal.hide()
            horizontal.setSectionResizeMode(_SWATCH, QHeaderView.ResizeMode.ResizeToContents)
            horizontal.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        table.setFixedHeight(row_height * _ROWS + 4)
        return table

    def _lay_out(self, classes: Sequence[ClassInfo]) -> None:
        self._numbers = [info.number for info in classes]
        self.table.setRowCount(len(classes))
        for row in range(len(classes)):
            swatch, name = QTableWidgetItem(), QTableWidgetItem()
            swatch.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            self.table.setItem(row, _SWATCH, swatch)
            self.table.setItem(row, _NAME, name)

    def _show(self, row: int, info: ClassInfo) -> None:
        swatch, name = self.table.item(row, _SWATCH), self.table.item(row, _NAME)
        if swatch is None or name is None:
            return
        swatch.setIcon(_swatch(info.color, self.table.iconSize()))
        swatch.setText(str(info.number))
        swatch.setToolTip(f"Colour of {info.name}: {info.color}; click to change it")
        swatch.setData(
            Qt.ItemDataRole.AccessibleTextRole, f"Class {info.number}, colour {info.color}"
        )
        # A name that is being edited is not the tool's yet: only a changed one is written.
        if name.text() != info.name:
            name.setText(info.name)

    def _activate(self, row: int, _column: int, before: int, _before_column: int) -> None:
        if row != before and 0 <= row < len(self._numbers):
            number = self._numbers[row]
            self.attempt(lambda: self.tool.classes.choose(number))

    def _rename(self, item: QTableWidgetItem) -> None:
        if item.column() == _NAME:
            number, text = self._numbers[item.row()], item.text().strip()
            self.attempt(lambda: self.tool.classes.rename(number, text))

    def _clicked(self, row: int, column: int) -> None:
        if column == _SWATCH:
            self.edit_color(row)


def _swatch(color: str, size: QSize) -> QIcon:
    """A square of the colour, which a selection does not tint."""
    pixmap = QPixmap(size)
    pixmap.fill(QColor(color))
    icon = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        icon.addPixmap(pixmap, mode)
    return icon
