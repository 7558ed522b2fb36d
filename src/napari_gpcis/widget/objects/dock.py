"""The dock "Objects": a table to check, mend and measure what was committed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QItemSelectionModel, QSortFilterProxyModel, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_gpcis.io.labels.measurements import write_measurements
from napari_gpcis.widget.layers.arrays import image_stack
from napari_gpcis.widget.objects.model import SORT_ROLE, ObjectsModel
from napari_gpcis.widget.tool.export import suggested_path
from napari_gpcis.widget.tool.object_list import ObjectList, PixelSize, pixel_size
from napari_gpcis.widget.tool.registry import give_back_tool, tool_of
from napari_gpcis.widget.tool.status import sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_gpcis.engine.document.regroup import Places
    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.object_list import ListedObject
    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["ObjectsDock"]

# Part of the view's height that a selected object takes up at least.
_ZOOMED = 0.1


class _Table(QTableView):
    """A table whose Del key is its own, not that of napari's list of layers."""

    delete_pressed = Signal()

    def event(self, event: Any) -> bool:
        """Claim the key before any shortcut of the window."""
        if event.type() == QEvent.Type.ShortcutOverride and event.key() == Qt.Key.Key_Delete:
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: Any) -> None:
        """Say that Del was pressed."""
        if event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        else:
            super().keyPressEvent(event)


class ObjectsDock(QWidget):
    """Committed objects, the least certain ones first.

    Selecting a row shows the object; double-clicking an object selects its row. What the buttons
    do, undo takes back.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Whose tool is shown; the same as that of the panel.
    tool : Tool, optional
        In place of the viewer's own.
    """

    def __init__(self, napari_viewer: Any, tool: Tool | None = None) -> None:
        super().__init__()
        self._owns_tool = tool is None
        if tool is None:
            tool = shared = tool_of(napari_viewer)
            self.destroyed.connect(lambda: give_back_tool(shared))
        self._undocked = QTimer(self)
        self._undocked.setSingleShot(True)
        self._undocked.timeout.connect(self._leave_if_undocked)
        self.viewer = napari_viewer
        self.tool: Tool = tool
        self.list = ObjectList(self)
        self.model = ObjectsModel()
        self._labels: Any = None
        self._is_following = False
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.sorted = QSortFilterProxyModel()
        self.sorted.setSourceModel(self.model)
        self.sorted.setSortRole(SORT_ROLE)
        self.table: Any = self._make_table()  # bindings differ in what they may return
        self.delete = _button("Delete", "Delete the selected objects (Del)", self.delete_objects)
        self.merge = _button("Merge", "Make the selected objects one", self.merge_objects)
        self.split = _button(
            "Split",
            "Make the pieces of the object objects of their own; one in a single piece is cut at "
            "its waist",
            self.split_object,
        )
        self.save = _button("Measurements…", "Write a CSV of all objects", self.save_measurements)
        self._lay_out()
        self.list.changed.connect(self.refresh)
        tool.changed.connect(self._follow_tool)
        self._follow_tool()

    @property
    def selected(self) -> list[ListedObject]:
        """Objects of the selected rows, in the order of the table."""
        rows = sorted(index.row() for index in self.table.selectionModel().selectedRows())
        return [self._object(row) for row in rows]

    def select(self, labels: list[int]) -> None:
        """Select objects' rows, as far as there are such."""
        selection = self.table.selectionModel()
        flags = QItemSelectionModel.SelectionFlag
        before, self._is_following = self._is_following, True
        try:
            selection.clearSelection()
            for label in labels:
                row = self.model.row_of(label)
                if row is not None:
                    at = self.sorted.mapFromSource(self.model.index(row, 0))
                    selection.select(at, flags.Select | flags.Rows)
                    self.table.scrollTo(at)
        finally:
            self._is_following = before
        self._enable()

    def refresh(self) -> None:
        """Show the objects as they are; what was selected stays so."""
        document = self.tool.document
        kept = [item.label for item in self.selected]
        size = PixelSize() if document is None else pixel_size(document)
        objects = self.list.objects()
        if self.model.set_objects(objects, size):
            self.select(kept)
        self._say(self._summary(len(objects)))
        self._enable()

    def delete_objects(self) -> None:
        """Delete the selected objects."""
        self._attempt(lambda document: document.annotation.delete(self._places()))

    def merge_objects(self) -> None:
        """Make the selected objects one."""
        self._attempt(lambda document: document.annotation.merge(self._places()))

    def split_object(self) -> None:
        """Make parts of the selected object objects of their own."""
        chosen = self.selected
        if len(chosen) == 1:
            label, places = chosen[0].label, chosen[0].places
            self._attempt(lambda document: document.annotation.split(label, places))

    def save_measurements(self) -> None:
        """Ask for a file, and write the measurements of all objects to it."""
        suggested = str(Path(suggested_path(self.tool.switcher.image)).with_suffix(".csv"))
        path, _ = QFileDialog.getSaveFileName(self, "Measurements", suggested, "Table (*.csv)")
        if path:
            self._attempt(lambda document: self._write(document, Path(path)))

    def keyPressEvent(self, event: Any) -> None:
        """Keep the table's keys from the canvas: Enter here commits no object."""
        event.accept()

    def changeEvent(self, event: QEvent | None) -> None:
        """Go when the dock widget around it is closed."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.ParentChange:
            self._undocked.start(0)

    def _leave_if_undocked(self) -> None:
        if self._owns_tool and self.parent() is None:
            self.deleteLater()

    def _make_table(self) -> Any:
        table: Any = _Table()
        table.setModel(self.sorted)
        table.setSortingEnabled(True)
        table.sortByColumn(2, Qt.SortOrder.AscendingOrder)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.verticalHeader().hide()
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        table.selectionModel().selectionChanged.connect(self._selection_changed)
        table.delete_pressed.connect(self.delete_objects)
        return table

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.delete, self.merge, self.split, self.save):
            buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.addWidget(self.said)
        column.addWidget(self.table)
        column.addLayout(buttons)

    def _follow_tool(self) -> None:
        document = self.tool.document
        self.list.show(document)
        labels = None if document is None else document.labels
        if labels is not self._labels:
            if self._labels is not None:
                self._labels.events.selected_label.disconnect(self._label_selected)
            if labels is not None:
                labels.events.selected_label.connect(self._label_selected)
            self._labels = labels

    def _label_selected(self, _: Any = None) -> None:
        """An object was double-clicked or committed, or a label picked: its row is selected."""
        if self._labels is not None and not self._is_following:
            self.select([int(self._labels.selected_label)])

    def _selection_changed(self, *_: Any) -> None:
        self._enable()
        chosen, document = self.selected, self.tool.document
        if self._is_following or len(chosen) != 1 or document is None:
            return
        self._is_following = True
        try:
            document.select_label(chosen[0].label)
            self._zoom_to(document, chosen[0])
        finally:
            self._is_following = False

    def _zoom_to(self, document: ImageDocument, item: ListedObject) -> None:
        """Show an object: its slice, it in the middle, and not too small to judge."""
        z, row, col = item.middle
        document.go_to_slice(z)
        world = document.image.data_to_world(document.frame.to_data(z, row, col))
        self.viewer.scene.camera.center = tuple(world)[-3:]
        low, high = document.preview.layer.corner_pixels[:, document.frame.plane[0]]
        side = max(dict(item.places)[z].shape)
        if side < _ZOOMED * (high - low):
            self.viewer.scene.camera.zoom *= _ZOOMED * (high - low) / side

    def _object(self, row: int) -> ListedObject:
        return self.model.object_at(self.sorted.mapToSource(self.sorted.index(row, 0)).row())

    def _places(self) -> dict[int, Places]:
        return {item.label: item.places for item in self.selected}

    def _attempt(self, action: Callable[[ImageDocument], object]) -> None:
        document = self.tool.document
        if document is None:
            self._say("Open an image first")
            return
        if self.list.unmeasured:
            self._say("The objects are still being measured: try again in a moment")
            return
        try:
            action(document)
        except (ValueError, OSError) as error:
            self._say(sentence(error))

    def _write(self, document: ImageDocument, path: Path) -> None:
        size = pixel_size(document)
        count = write_measurements(
            path,
            _slices(document),
            spacing=(size.row, size.col),
            unit=size.unit,
            certainty={item.label: item.certainty for item in self.list.objects()},
        )
        self._say(f"Wrote {path.name}: {count} {'line' if count == 1 else 'lines'}")

    def _enable(self) -> None:
        count = len(self.table.selectionModel().selectedRows())
        self.delete.setEnabled(count > 0)
        self.merge.setEnabled(count > 1)
        self.split.setEnabled(count == 1)
        self.save.setEnabled(self.model.rowCount() > 0)

    def _summary(self, count: int) -> str:
        if self.tool.document is None:
            return "Open an image to see its objects"
        if self.tool.mode == "class":
            return "Classes have no objects: switch to objects to list them"
        left = self.list.unmeasured
        measuring = f"; {left} {'slice' if left == 1 else 'slices'} to go" if left else ""
        if not count and not measuring:
            return "No objects yet: click on one and press Enter"
        return f"{count} {'object' if count == 1 else 'objects'}{measuring}"

    def _say(self, text: str) -> None:
        self.said.setText(text)


def _slices(document: ImageDocument) -> Iterator[tuple[int, Any, Any]]:
    """Labels and image of each slice."""
    stack, _ = image_stack(document.image, document.frame)
    for z in range(document.frame.shape[0]):
        yield z, document.annotation.labels.of_slice(z), np.asarray(stack[z])


def _button(text: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleDescription(tip)
    button.clicked.connect(lambda: clicked())
    return button
