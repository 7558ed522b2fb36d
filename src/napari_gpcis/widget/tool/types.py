"""Small records that the panel shows of the tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from napari_gpcis.engine.options import Direction, Mode, Overlap
from napari_gpcis.widget.layers.axis_names import is_named

__all__ = [
    "Axis",
    "AxisKind",
    "ClassInfo",
    "Direction",
    "Level",
    "Mode",
    "ModelInfo",
    "Overlap",
    "Restorable",
    "Status",
]

AxisKind: TypeAlias = Literal["slices", "channels", "time"]
Level: TypeAlias = Literal["info", "busy", "warning", "error"]

MOST_CHANNELS = 4
"""Planes of an axis without a name that may well be channels."""


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
class Axis:
    """An axis of the image that is not displayed: its index, label, size, and what it holds."""

    index: int
    label: str
    size: int
    kind: AxisKind

    @property
    def is_named(self) -> bool:
        """Whether it has a label of its own."""
        return is_named(self.label)

    @property
    def is_doubtful(self) -> bool:
        """Whether it may hold channels, although nothing says so."""
        return not self.is_named and 2 <= self.size <= MOST_CHANNELS and self.kind == "slices"

    @property
    def title(self) -> str:
        """What it is called in the panel."""
        return self.label if self.is_named else f"axis {self.index}"


@dataclass(frozen=True)
class Restorable:
    """Unsaved work of an earlier session, in words: "14 clicks and 3 objects from 20 Nov 22:10"."""

    text: str
