"""Small records that the panel shows of the tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from napari_gpcis.engine.options import Direction, Mode, Overlap

__all__ = [
    "ClassInfo",
    "Direction",
    "Level",
    "Mode",
    "Overlap",
    "Restorable",
    "Status",
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
