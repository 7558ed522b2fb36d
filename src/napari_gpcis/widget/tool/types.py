"""What the panel shows of the tool, and what it asks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from napari_gpcis.engine.options import Direction, Mode, Overlap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ClassInfo",
    "Direction",
    "Level",
    "Mode",
    "ModelInfo",
    "Overlap",
    "Restorable",
    "Status",
    "ToolLike",
]

Level: TypeAlias = Literal["info", "busy", "warning", "error"]


@dataclass(frozen=True)
class Status:
    """What the tool is doing: one line, and how far it is (`total` 0: nothing to count)."""

    text: str
    level: Level = "info"
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class ModelInfo:
    """A model that can be chosen: its short name, its title, and its file."""

    name: str
    title: str
    path: str


@dataclass(frozen=True)
class ClassInfo:
    """A class of class mode: its label, its name, and its colour as "#rrggbb"."""

    number: int
    name: str
    color: str


@dataclass(frozen=True)
class Restorable:
    """Unsaved work of an earlier session, in words: "14 clicks and 3 objects from 20 Nov 22:10"."""

    text: str


class ToolLike(Protocol):
    """The tool as the panel sees it: it reads the properties on `changed`, and calls the methods.

    Every `set_…` and every action raises ValueError, with a remedy, when it cannot do it.
    """

    # Qt signals without arguments.
    changed: Any
    help_wanted: Any

    @property
    def images(self) -> Sequence[str]:
        """Names of the image layers."""

    @property
    def image(self) -> str | None:
        """The image layer that clicks are taken on."""

    @property
    def label_layers(self) -> Sequence[str]:
        """Names of the labels layers that fit the image."""

    @property
    def labels_layer(self) -> str | None:
        """The labels layer written to; None: a new one is made."""

    @property
    def channels(self) -> Sequence[str]:
        """Names of the image's channels; none without a channel axis."""

    @property
    def chosen_channels(self) -> Sequence[int]:
        """Indices of the channels that the model sees."""

    @property
    def mode(self) -> Mode:
        """Whether clicks outline objects or name classes."""

    @property
    def object_diameter(self) -> float | None:
        """Diameter of an object in px; None: found at the first click."""

    @property
    def models(self) -> Sequence[ModelInfo]:
        """The models to choose from."""

    @property
    def model(self) -> str:
        """Name or path of the model in use."""

    @property
    def model_card(self) -> str:
        """The model's card in Markdown; empty while it is loading."""

    @property
    def devices(self) -> Sequence[str]:
        """The devices to choose from, "auto" first."""

    @property
    def device(self) -> str:
        """The device asked for."""

    @property
    def device_in_use(self) -> str:
        """The device that computes; empty before anything was computed."""

    @property
    def threshold(self) -> float:
        """Probability from which a pixel belongs to the object."""

    @property
    def overlap(self) -> Overlap:
        """What a commit does with the pixels of other objects."""

    @property
    def overlays(self) -> Mapping[str, bool]:
        """The maps that can be shown over the image, and whether they are."""

    @property
    def classes(self) -> Sequence[ClassInfo]:
        """The classes of class mode."""

    @property
    def active_class(self) -> int:
        """Number of the class that clicks are given."""

    @property
    def active(self) -> bool:
        """Whether clicks in the canvas are taken."""

    @property
    def status(self) -> Status:
        """What the tool is doing."""

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""

    @property
    def click_counts(self) -> tuple[int, int]:
        """Numbers of positive and negative clicks of the active object."""

    @property
    def object_count(self) -> int:
        """Number of committed objects."""

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to take again."""

    @property
    def can_commit(self) -> bool:
        """Whether there is a mask to commit."""

    @property
    def can_propagate(self) -> bool:
        """Whether there is an object to carry over to neighbouring slices."""

    @property
    def can_cancel(self) -> bool:
        """Whether the running work can be stopped."""

    @property
    def restorable(self) -> Restorable | None:
        """Unsaved work of an earlier session, if there is any."""

    def set_image(self, name: str) -> None:
        """Take clicks on another image layer."""

    def set_labels_layer(self, name: str | None) -> None:
        """Write to another labels layer; None: to a new one."""

    def set_channels(self, indices: tuple[int, ...]) -> None:
        """Choose the channels that the model sees."""

    def set_mode(self, mode: Mode) -> None:
        """Outline objects or name classes."""

    def set_object_diameter(self, px: float | None) -> None:
        """Give the diameter of an object in px; None: find it at the first click."""

    def estimate_diameter(self) -> None:
        """Measure the diameter on the objects at hand."""

    def set_model(self, name_or_path: str) -> None:
        """Use another model."""

    def set_device(self, name: str) -> None:
        """Compute on another device."""

    def set_threshold(self, p: float) -> None:
        """Set the probability from which a pixel belongs to the object."""

    def set_overlap(self, overlap: Overlap) -> None:
        """Say what a commit does with the pixels of other objects."""

    def set_overlay(self, name: str, on: bool) -> None:
        """Show or hide a map over the image."""

    def set_active_class(self, number: int) -> None:
        """Choose the class that clicks are given."""

    def add_class(self) -> None:
        """Add a class."""

    def rename_class(self, number: int, name: str) -> None:
        """Rename a class."""

    def recolor_class(self, number: int, color: str) -> None:
        """Give a class another colour, "#rrggbb"."""

    def remove_class(self, number: int) -> None:
        """Remove a class."""

    def set_active(self, active: bool) -> None:
        """Take clicks in the canvas, or leave them to napari."""

    def commit(self) -> None:
        """Write the active object's mask under its own label."""

    def clear(self) -> None:
        """Take away the active object's clicks."""

    def new_object(self) -> None:
        """Begin another object."""

    def undo(self) -> None:
        """Take the last step back."""

    def redo(self) -> None:
        """Take the step again that was taken back."""

    def jump_to_next(self) -> None:
        """Go to the pixel where a click would help most."""

    def swap_sign(self) -> None:
        """Turn the last click's sign."""

    def propagate(self, direction: Direction = "both") -> None:
        """Carry the object over to neighbouring slices."""

    def apply_to_all(self) -> None:
        """Give every pixel of every slice a class."""

    def cancel(self) -> None:
        """Stop the running work."""

    def export(self, path: str) -> None:
        """Write the labels to a file."""

    def restore(self) -> None:
        """Take up the unsaved work of the earlier session."""

    def discard_restorable(self) -> None:
        """Forget the unsaved work of the earlier session."""

    def close(self) -> None:
        """Give back the mouse, the keys and the thread."""
