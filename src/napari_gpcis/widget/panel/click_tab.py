"""The tab that is open all day: the parts, from top to bottom."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from napari.layers import Shapes
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QSizePolicy, QVBoxLayout

from napari_gpcis.widget.panel.actions import (
    Counts,
    ModeBar,
    ObjectActions,
    PropagateActions,
    StepActions,
)
from napari_gpcis.widget.panel.classes_section import ClassesView
from napari_gpcis.widget.panel.collapsible import Section
from napari_gpcis.widget.panel.controls import Attempt, Part, keys_of, push_button
from napari_gpcis.widget.panel.draw_bar import DrawBar
from napari_gpcis.widget.panel.guide import Guide
from napari_gpcis.widget.panel.image_section import ImageChoice, RestoreBar
from napari_gpcis.widget.panel.instructions_strip import InstructionsStrip
from napari_gpcis.widget.panel.model_section import ModelSection
from napari_gpcis.widget.panel.options_section import OptionsSection
from napari_gpcis.widget.panel.propose_section import ProposeSection
from napari_gpcis.widget.panel.status_line import StatusLine
from napari_gpcis.widget.tool.export import suggested_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.widget.theme import Palette
    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["ClickTab"]


# What can be written, and the suffix of a name that is typed without one.
_KINDS = {
    "Labels (*.tif *.tiff)": ".tif",
    "ImageJ ROIs (*.zip)": ".zip",
    "QuPath annotations (*.geojson)": ".geojson",
    "COCO annotations (*.json)": ".json",
    "Annotation, to go on from later (*.gpcis)": ".gpcis",
    "Clicks that are not committed (*.csv)": ".csv",
}


class ClickTab(Part):
    """All that clicking needs.

    Parameters
    ----------
    tool, attempt
        As for every part.
    show_help : callable
        Opens the help sheet.
    """

    def __init__(self, tool: Tool, attempt: Attempt, show_help: Callable[[], object]) -> None:
        super().__init__(tool, attempt)
        self.guide = Guide(tool, attempt)
        self.restore = RestoreBar(tool, attempt)
        self.image = ImageChoice(tool, attempt)
        self.mode = ModeBar(tool, attempt)
        self.draw = DrawBar(tool, attempt)
        self.instructions = InstructionsStrip(tool, attempt)
        self.status = StatusLine(tool, attempt)
        self.counts = Counts(tool, attempt)
        self.objects = ObjectActions(tool, attempt)
        self.classes = ClassesView(tool, attempt)
        self.steps = StepActions(tool, attempt)
        self.propagate = PropagateActions(tool, attempt)
        self.propose = ProposeSection(tool, attempt)
        self.options = OptionsSection(tool, attempt)
        self.model = ModelSection(tool, attempt)
        self.options_section = Section(
            "Options", self.options, "Labels layer, overlap, diameter, threshold, overlays"
        )
        self.model_section = Section("Model", self.model, "Model, its card, device")
        self.shapes = push_button(
            "Use shapes",
            "Make a draft of each shape in the Shapes layer: rectangles are boxes, polygons and "
            "ellipses lassos, paths scribbles",
            lambda: attempt(tool.use_shapes),
            name="Use shapes as prompts",
        )
        self.export = push_button(
            "Export…",
            "Write labels, ROIs for ImageJ or QuPath, the annotation or the clicks to a file",
            self.export_labels,
        )
        self.help = push_button(
            f"Help ({keys_of('show_help')})",
            "All keys and ways to click",
            show_help,
            action="show_help",
            name="Help",
        )
        self._lay_out()

    def refresh(self) -> None:
        """Show the tool as it is, but for the status: the panel may have its own to say."""
        for part in self._parts():
            part.refresh()
        self.model_section.set_title(self.model.title)
        in_objects = self.tool.mode == "object"
        self.objects.setVisible(in_objects)
        self.propagate.setVisible(in_objects)
        self.propose.setVisible(in_objects)
        self.classes.setVisible(not in_objects)
        layers = self.tool.viewer.layers
        self.shapes.setEnabled(any(isinstance(layer, Shapes) for layer in layers))
        self.export.setEnabled(self.tool.switcher.image is not None)

    def set_palette(self, palette: Palette) -> None:
        """Take up a theme."""
        self.guide.set_palette(palette)
        self.status.set_palette(palette)
        self.model.set_palette(palette)

    def export_labels(self) -> None:
        """Ask for a file, and write the labels to it."""
        path, kind = QFileDialog.getSaveFileName(
            self, "Export", suggested_path(self.tool.switcher.image), ";;".join(_KINDS)
        )
        if path and not PurePath(path).suffix:
            path += _KINDS.get(kind, "")
        if path:
            self.attempt(lambda: self.tool.export(path))

    def _parts(self) -> tuple[Part, ...]:
        return (
            self.guide,
            self.restore,
            self.image,
            self.mode,
            self.draw,
            self.instructions,
            self.counts,
            self.objects,
            self.classes,
            self.steps,
            self.propagate,
            self.propose,
            self.options,
            self.model,
        )

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 4, 8, 4)
        column.setSpacing(4)
        for widget in (
            self.guide,
            self.restore,
            self.image,
            self.mode,
            self.draw,
            self.instructions,
            self.status,
            self.counts,
        ):
            column.addWidget(widget)
        actions = QVBoxLayout()
        actions.setSpacing(3)
        for part in (self.objects, self.classes, self.steps, self.propagate, self.propose):
            actions.addWidget(part)
        column.addLayout(actions)
        column.addWidget(self.options_section)
        column.addWidget(self.model_section)
        column.addStretch(1)
        bottom = QHBoxLayout()
        for button in (self.shapes, self.export, self.help):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            bottom.addWidget(button, 1)
        column.addLayout(bottom)
