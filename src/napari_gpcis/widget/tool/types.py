"""Small records that the parts of the tool and the panel hand each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from napari_gpcis.engine.options import Direction, Mode, Overlap

if TYPE_CHECKING:
    from napari_gpcis.engine.click import Prompt

__all__ = [
    "ClassInfo",
    "Direction",
    "Drag",
    "Level",
    "Mode",
    "Overlap",
    "Restorable",
    "Status",
    "counted",
]

Level: TypeAlias = Literal["info", "busy", "warning", "error"]


@dataclass(frozen=True)
class Status:
    """State of the tool: one line, and its progress (`total` 0: nothing to count)."""

    text: str
    level: Level = "info"
    done: int = 0
    total: int = 0


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


@dataclass(frozen=True, slots=True)
class Drag:
    """What the mouse has drawn.

    Attributes
    ----------
    prompt : {"scribble", "box", "lasso"}
        What it is; "click" for nothing.
    path : tuple of tuple of float
        Positions in the viewer's world, from the press on; of a box, two opposite corners.
    positive : bool
        Whether it says what belongs to the object.
    """

    prompt: Prompt
    path: tuple[tuple[float, ...], ...]
    positive: bool = True

    def to(self, position: tuple[float, ...]) -> Drag:
        """The drag, gone on to another position."""
        kept = self.path[:1] if self.prompt == "box" else self.path
        return replace(self, path=(*kept, position))


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 click", "2 clicks"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
