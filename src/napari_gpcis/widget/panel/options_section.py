"""Where objects are written, how large they are, what is shown over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QCheckBox, QFormLayout, QGridLayout, QHBoxLayout, QWidget

from napari_gpcis.widget.panel.controls import (
    Attempt,
    CalmSlider,
    CalmSpinBox,
    Chooser,
    Part,
    describe,
    push_button,
    tab_through,
    tight,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.widget.tool.types import ToolLike

__all__ = ["OptionsSection"]

_OVERLAY_TIPS = {
    "probability": "How likely each pixel belongs to the object",
    "uncertainty": "Where the model does not know",
    "prior": "What the model expects before the clicks",
    "update": "What the clicks change",
    "next click": "The pixel where a click would help most",
}


class OptionsSection(Part):
    """Labels layer, overlap, object diameter, threshold, overlays."""

    def __init__(self, tool: ToolLike, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.labels = Chooser(
            "Labels layer",
            "The labels layer that committed objects are written to",
            lambda name: attempt(lambda: tool.set_labels_layer(name)),
        )
        self.overlap = Chooser(
            "Overlap",
            "What a commit does where another object already is",
            lambda value: attempt(lambda: tool.set_overlap(value)),
        )
        self.diameter = self._make_diameter()
        self.estimate = push_button(
            "Estimate",
            "Measure the diameter on the objects that there are",
            lambda: attempt(tool.estimate_diameter),
            name="Estimate diameter",
        )
        self.threshold = self._make_threshold()
        self.overlays = QWidget()
        self._grid = QGridLayout(self.overlays)
        tight(self._grid, spacing=4)
        self._boxes: dict[str, QCheckBox] = {}

        size = QHBoxLayout()
        size.addWidget(self.diameter, 1)
        size.addWidget(self.estimate)
        form = QFormLayout(self)
        tight(form)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Labels", self.labels)
        form.addRow("Overlap", self.overlap)
        form.addRow("Diameter", size)
        form.addRow("Threshold", self.threshold)
        form.addRow("Show", self.overlays)

    def refresh(self) -> None:
        """Show the options as they are."""
        tool = self.tool
        layers: list[tuple[str, str | None]] = [(name, name) for name in tool.label_layers]
        self.labels.show_items([("New layer", None), *layers], tool.labels_layer)
        self.overlap.show_items(
            [("Protect other objects", "protect"), ("Overwrite other objects", "overwrite")],
            tool.overlap,
        )
        diameter = tool.object_diameter or 0.0
        # Set only when it differs: what is being typed is not a value yet.
        if abs(self.diameter.value() - diameter) > 0.05:
            with QSignalBlocker(self.diameter):
                self.diameter.setValue(diameter)
        self.estimate.setEnabled(tool.image is not None)
        if abs(self.threshold.value() - tool.threshold) > 0.005:
            with QSignalBlocker(self.threshold):
                self.threshold.setValue(tool.threshold)
        if [*self._boxes] != [*tool.overlays]:
            self._offer([*tool.overlays])
        for name, on in tool.overlays.items():
            self._boxes[name].setChecked(on)

    def _make_diameter(self) -> CalmSpinBox:
        box = CalmSpinBox()
        box.setRange(0, 99_999)
        box.setDecimals(1)
        box.setSuffix(" px")
        box.setSpecialValueText("auto")
        box.setKeyboardTracking(False)
        box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        describe(
            box,
            "Object diameter",
            "Diameter of a typical object in pixels; 0 is auto: estimated from the first object",
        )
        box.valueChanged.connect(self._size)
        # Enter is done with it: the keyboard goes back to the canvas.
        if (line := box.lineEdit()) is not None:
            line.returnPressed.connect(box.clearFocus)
        return box

    def _size(self, value: float) -> None:
        self.attempt(lambda: self.tool.set_object_diameter(value or None))

    def _make_threshold(self) -> CalmSlider:
        slider = CalmSlider(
            "Threshold", "Probability from which a pixel belongs to the object: higher is smaller"
        )
        slider.setRange(0.01, 0.99)
        # superqt takes fractions here, and is typed for whole numbers.
        slider.setSingleStep(0.01)  # type: ignore[arg-type]
        slider.setPageStep(0.1)  # type: ignore[arg-type]
        slider.setDecimals(2)
        slider.valueChanged.connect(self._cut)
        return slider

    def _cut(self, value: float) -> None:
        self.attempt(lambda: self.tool.set_threshold(round(value, 2)))

    def _offer(self, names: Sequence[str]) -> None:
        for box in self._boxes.values():
            self._grid.removeWidget(box)
            box.deleteLater()
        self._boxes = {name: QCheckBox(name.capitalize()) for name in names}
        for index, (name, box) in enumerate(self._boxes.items()):
            describe(box, f"Show {name}", _OVERLAY_TIPS.get(name, f"Show {name} over the image"))
            box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            box.clicked.connect(lambda _=False, name=name: self._toggle(name))
            self._grid.addWidget(box, index // 2, index % 2)
        tab_through(self.threshold, [*self._boxes.values()])

    def _toggle(self, name: str) -> None:
        on = self._boxes[name].isChecked()
        self.attempt(lambda: self.tool.set_overlay(name, on))
