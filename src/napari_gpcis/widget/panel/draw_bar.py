"""What a drag in the canvas draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QButtonGroup, QHBoxLayout

from napari_gpcis.widget.panel.controls import Attempt, Part, push_button, tight

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.engine.click import Prompt
    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["DrawBar"]

_BUTTONS: tuple[tuple[Prompt, str, str, str], ...] = (
    ("click", "Click", "Clicks only: a drag pans", "draw_nothing"),
    (
        "scribble",
        "Scribble",
        "Drag over pixels of the object, with Ctrl over what is not; Space-drag pans",
        "draw_scribbles",
    ),
    (
        "box",
        "Box",
        "Drag around the object, close to its sides; Shift-drag does so at any time",
        "draw_boxes",
    ),
    (
        "lasso",
        "Lasso",
        "Drag around pixels that all belong to the object, with Ctrl that do not",
        "draw_lassos",
    ),
)


class DrawBar(Part):
    """Clicks alone, scribbles, boxes, lassos; a click is a click with all of them."""

    def __init__(self, tool: Tool, attempt: Attempt) -> None:
        super().__init__(tool, attempt)
        self.buttons = {
            prompt: push_button(
                text, tip, self._chooser(prompt), action=action, name=f"Draw: {text}"
            )
            for prompt, text, tip, action in _BUTTONS
        }
        group = QButtonGroup(self)
        row = QHBoxLayout(self)
        tight(row, spacing=1)
        for button in self.buttons.values():
            button.setCheckable(True)
            group.addButton(button)
            row.addWidget(button, 1)

    def refresh(self) -> None:
        """Show what is drawn."""
        for prompt, button in self.buttons.items():
            button.setChecked(prompt == self.tool.options.draws)
            button.setEnabled(prompt != "box" or self.tool.mode == "object")

    def _chooser(self, prompt: Prompt) -> Callable[[], None]:
        return lambda: self.attempt(lambda: self.tool.set_draws(prompt))
