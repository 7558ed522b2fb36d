"""On what to click: unsaved work to take up, the image, its channels."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFormLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget
from superqt import QFlowLayout

from napari_gpcis.widget.panel.controls import (
    Attempt,
    Chooser,
    Part,
    describe,
    tab_through,
    tight,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.widget.tool.axes_choice import Axis, AxisKind
    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["ImageChoice", "RestoreBar"]


class RestoreBar(Part):
    """Offers the unsaved work of an earlier session; shown only while there is some."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.restore = self.button(
            "Restore",
            "Take up the unsaved work, its undo history too",
            tool.earlier_work.restore,
        )
        self.discard = self.button(
            "Discard",
            "Do not offer the unsaved work again; its file is kept",
            tool.earlier_work.discard,
        )
        buttons = QHBoxLayout()
        buttons.addWidget(self.restore, 1)
        buttons.addWidget(self.discard, 1)
        column = QVBoxLayout(self)
        tight(column, spacing=4)
        column.addWidget(self.text)
        column.addLayout(buttons)
        self.hide()

    def refresh(self) -> None:
        """Appear when there is something to restore."""
        restorable = self.tool.earlier_work.restorable
        if restorable is not None:
            self.text.setText(f"Unsaved work: {restorable.text}")
        self.setVisible(restorable is not None)


class ImageChoice(Part):
    """The image layer, and which of its channels the model sees."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.image = Chooser(
            "Image",
            "The image layer to click on",
            lambda name: attempt(lambda: tool.switcher.choose_image(name)),
            empty="Open an image first",
        )
        self.channels = QWidget()
        self._flow = QFlowLayout(self.channels)
        tight(self._flow, spacing=10)
        self.channel_boxes: list[QCheckBox] = []
        self._form = QFormLayout(self)
        tight(self._form)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.combine = self.button(
            "Combine selected layers",
            "Make image layers of one size, selected in the list of layers, channels of one image",
            lambda: tool.switcher.combine(),
        )
        self._form.addRow("Image", self.image)
        self._form.addRow("Channels", self.channels)
        self._form.addRow("", self.combine)
        self.axes: list[Chooser] = []

    def refresh(self) -> None:
        """Show the images and the channels that there are."""
        switcher, axes = self.tool.switcher, self.tool.axes
        self.image.show_items([(name, name) for name in switcher.image_names], switcher.image_name)
        if [box.text() for box in self.channel_boxes] != axes.channels:
            self._offer(axes.channels)
        for index, box in enumerate(self.channel_boxes):
            box.setChecked(index in axes.chosen_channels)
        self._form.setRowVisible(self.channels, bool(axes.channels))
        self._form.setRowVisible(self.combine, switcher.can_combine)
        if [chooser.accessibleName() for chooser in self.axes] != [axis.title for axis in axes.all]:
            self._ask_for_axes(axes.all)
        for chooser, axis in zip(self.axes, axes.all, strict=True):
            kinds = [(kind, kind) for kind in ("slices", "channels", "time")]
            chooser.show_items(kinds, axis.kind)

    def _offer(self, names: Sequence[str]) -> None:
        for box in self.channel_boxes:
            self._flow.removeWidget(box)
            box.deleteLater()
        self.channel_boxes = [QCheckBox(name) for name in names]
        for box in self.channel_boxes:
            describe(box, f"Channel {box.text()}", "Whether the model sees this channel")
            box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            box.clicked.connect(lambda: self._choose())
            self._flow.addWidget(box)
        tab_through(self.image, self.channel_boxes)

    def _ask_for_axes(self, axes: Sequence[Axis]) -> None:
        for chooser in self.axes:
            self._form.removeRow(chooser)
        self.axes = []
        for at, axis in enumerate(axes):
            chooser = Chooser(
                axis.title,
                f"What the {axis.size} planes of this axis are; the model sees several channels "
                "at once, and propagates along slices and time",
                partial(self._say_axis, axis.index),
            )
            self._form.insertRow(1 + at, f"{axis.title.capitalize()}", chooser)
            self.axes.append(chooser)
        tab_through(self.image, [*self.axes, *self.channel_boxes])

    def _say_axis(self, index: int, kind: AxisKind) -> None:
        self.attempt(lambda: self.tool.axes.set_kind(index, kind))

    def _choose(self) -> None:
        chosen = tuple(index for index, box in enumerate(self.channel_boxes) if box.isChecked())
        self.attempt(lambda: self.tool.axes.set_channels(chosen))
