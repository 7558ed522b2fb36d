"""Where objects are written, how large they are, what is shown over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import (
    CheckBox,
    ComboBox,
    FloatSlider,
    FloatSpinBox,
    PushButton,
)
from qtpy.QtWidgets import QFormLayout, QGridLayout, QHBoxLayout

from napari_gpcis.widget.layers.overlays import NAMES
from napari_gpcis.widget.panel.controls import Attempt, Part, adopt, tight

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.widget.tool.tool import Tool

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

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.labels = ComboBox(
            label="Labels",
            name="Labels layer",
            tooltip="The labels layer that committed objects are written to",
        )
        self.overlap = ComboBox(
            label="Overlap",
            name="Overlap",
            tooltip="What a commit does where another object already is",
            choices=[
                ("Protect other objects", "protect"),
                ("Overwrite other objects", "overwrite"),
            ],
        )
        self.diameter = FloatSpinBox(
            name="Object diameter",
            tooltip="Diameter of a typical object in pixels; 0 is auto: found at the first click",
            max=99_999,
            step=0.1,
        )
        self.diameter.native.setDecimals(1)
        self.diameter.native.setSingleStep(1)
        self.diameter.native.setSuffix(" px")
        self.diameter.native.setSpecialValueText("auto")
        self.diameter.native.setKeyboardTracking(False)
        self.estimate = PushButton(
            text="Estimate",
            name="Estimate diameter",
            tooltip="Measure the diameter on the objects that there are",
        )
        self.threshold = FloatSlider(
            label="Threshold",
            name="Threshold",
            tooltip="Probability from which a pixel belongs to the object: higher is smaller",
            min=0.01,
            max=0.99,
            step=0.01,
            value=tool.options.threshold,
        )
        self.overlays = {
            name: CheckBox(text=name.capitalize(), name=f"Show {name}", tooltip=_OVERLAY_TIPS[name])
            for name in NAMES
        }
        size = QHBoxLayout()
        size.addWidget(self.diameter.native, 1)
        size.addWidget(self.estimate.native)
        boxes = QGridLayout()
        tight(boxes, spacing=4)
        for at, box in enumerate(self.overlays.values()):
            boxes.addWidget(box.native, at // 2, at % 2)
        form = QFormLayout(self)
        tight(form)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for widget in (self.labels, self.overlap):
            form.addRow(widget.label, widget.native)
        form.addRow("Diameter", size)
        form.addRow(self.threshold.label, self.threshold.native)
        form.addRow("Show", boxes)
        adopt(
            self.labels,
            self.overlap,
            self.diameter,
            self.estimate,
            self.threshold,
            *self.overlays.values(),
        )
        self._connect()

    def refresh(self) -> None:
        """Show the options as they are."""
        options = self.tool.options
        layers = [(name, name) for name in self.tool.switcher.labels_names]
        _show(self.labels, self.tool.switcher.labels_name, [("New layer", ""), *layers])
        _show(self.overlap, options.overlap)
        # Set only when it differs: what is being typed is not a value yet.
        diameter = options.object_diameter or 0.0
        if abs(self.diameter.value - diameter) > 0.05:
            _show(self.diameter, diameter)
        self.estimate.enabled = self.tool.switcher.image is not None
        if abs(self.threshold.value - options.threshold) > 0.005:
            _show(self.threshold, options.threshold)
        for name, box in self.overlays.items():
            _show(box, options.overlays[name])

    def _connect(self) -> None:
        tool, attempt = self.tool, self.attempt

        def ask(setter: Callable[[Any], None]) -> Callable[[Any], None]:
            return lambda value: attempt(lambda: setter(value))

        self.labels.changed.connect(ask(lambda name: tool.switcher.choose_labels(name or None)))
        self.overlap.changed.connect(ask(lambda overlap: tool.set_overlap(overlap)))
        self.diameter.changed.connect(ask(lambda px: tool.set_object_diameter(px or None)))
        self.estimate.changed.connect(ask(lambda _: tool.estimate_diameter()))
        self.threshold.changed.connect(ask(lambda p: tool.set_threshold(round(p, 2))))
        for overlay, box in self.overlays.items():
            box.changed.connect(
                ask(lambda on, overlay=overlay: tool.set_overlay(overlay, on))  # type: ignore[misc]
            )
        # Enter is done with it: the keyboard goes back to the canvas.
        spin_box = self.diameter.native
        spin_box.lineEdit().returnPressed.connect(spin_box.clearFocus)


def _show(widget: Any, value: Any, choices: list[tuple[str, Any]] | None = None) -> None:
    """Set a widget; no signal is sent."""
    with widget.changed.blocked():
        if choices is not None and tuple(value for _, value in choices) != widget.choices:
            widget.choices = choices
        if isinstance(widget, ComboBox) and value not in widget.choices:
            widget.native.setCurrentIndex(-1)  # a layer that was removed, and will come back
        elif widget.value != value:
            widget.value = value
