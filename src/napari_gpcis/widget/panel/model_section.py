"""Which model answers, and on which device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QLabel

from napari_gpcis.widget.panel.controls import Attempt, Chooser, Part, push_button, tight
from napari_gpcis.widget.panel.model_dialog import ModelDialog

if TYPE_CHECKING:
    from napari_gpcis.widget.theme import Palette
    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["ModelSection"]


class ModelSection(Part):
    """The model, its card, the device."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.model = Chooser(
            "Model",
            "The model that answers the clicks",
            lambda name: attempt(lambda: tool.model.choose(name)),
        )
        self.open = push_button(
            "Open file…",
            "Use a model from a .safetensors file",
            self.open_file,
            name="Open model file",
        )
        self.card = push_button(
            "About…",
            "The model's card: what it was trained on, how good it is, its licence",
            self.show_card,
            name="About the model",
        )
        self.device = Chooser(
            "Device",
            "Where the model computes; auto takes the fastest there is",
            lambda name: attempt(lambda: tool.model.choose_device(name)),
        )
        self.in_use = QLabel()
        self.in_use.setToolTip("The device that computes now")
        self.dialog: ModelDialog | None = None
        self._palette: Palette | None = None

        buttons = QHBoxLayout()
        buttons.addWidget(self.open, 1)
        buttons.addWidget(self.card, 1)
        devices = QHBoxLayout()
        devices.addWidget(self.device, 1)
        devices.addWidget(self.in_use)
        form = QFormLayout(self)
        tight(form)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model", self.model)
        form.addRow("", buttons)
        form.addRow("Device", devices)

    @property
    def title(self) -> str:
        """Model and device in a few words."""
        name = self.model.value or "none"
        device = self.tool.model.device_in_use
        return f"Model: {name} on {device}" if device else f"Model: {name}"

    def refresh(self) -> None:
        """Show the model and the device in use."""
        model = self.tool.model
        items = [(info.title, info.name) for info in model.known]
        current = next((m.name for m in model.known if model.name in (m.name, m.path)), model.name)
        if current and current not in [name for _, name in items]:
            items.append((current, current))
        self.model.show_items(items, current)
        self.device.show_items([(name, name) for name in model.devices], model.device)
        self.in_use.setText(f"in use: {model.device_in_use}" if model.device_in_use else "")
        if self.dialog is not None and self.dialog.isVisible():
            self.dialog.show_card(self.model.currentText(), model.card)

    def set_palette(self, palette: Palette) -> None:
        """Take up the colours of a theme."""
        self._palette = palette
        if self.dialog is not None:
            self.dialog.set_palette(palette)

    def open_file(self) -> None:
        """Ask for a model file, and use it."""
        path, _ = QFileDialog.getOpenFileName(
            self, "Open a model", "", "Models (*.safetensors);;All files (*)"
        )
        if path:
            self.attempt(lambda: self.tool.model.choose(path))

    def show_card(self) -> None:
        """Open the model's card beside the panel."""
        if self.dialog is None:
            self.dialog = ModelDialog(self)
            if self._palette is not None:
                self.dialog.set_palette(self._palette)
        self.dialog.show_card(self.model.currentText(), self.tool.model.card)
        self.dialog.show()
        self.dialog.raise_()
