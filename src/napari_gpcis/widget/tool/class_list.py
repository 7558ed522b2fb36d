"""The classes of class mode: numbers, names, colours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_gpcis.widget.tool.types import ClassInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

# Okabe and Ito's colours, told apart by everyone; then over again.
PALETTE = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
    "#999999",
)
MOST = 255


class ClassList:
    """Classes in order; at least one."""

    def __init__(self) -> None:
        self._classes = [_new(1), _new(2)]

    @property
    def all(self) -> list[ClassInfo]:
        """All of them."""
        return list(self._classes)

    def color(self, number: int) -> str:
        """Colour of a class."""
        return next((item.color for item in self._classes if item.number == number), PALETTE[-1])

    def add(self) -> int:
        """Add a class; returns its number."""
        number = 1 + max(item.number for item in self._classes)
        if number > MOST:
            raise ValueError(
                f"There are {MOST} classes, which is the most; remove one that is not needed"
            )
        self._classes.append(_new(number))
        return number

    def rename(self, number: int, name: str) -> None:
        """Give a class a name."""
        if not name.strip():
            raise ValueError("A class needs a name: type one")
        self._change(number, name=name.strip())

    def recolor(self, number: int, color: str) -> None:
        """Give a class a colour, "#rrggbb"."""
        self._change(number, color=color)

    def remove(self, number: int) -> None:
        """Take a class away."""
        if len(self._classes) == 1:
            raise ValueError("One class has to stay: add another one first")
        self._classes = [item for item in self._classes if item.number != number]

    def include(self, numbers: Iterable[int]) -> None:
        """Add classes that clicks name."""
        known = {item.number for item in self._classes}
        self._classes += [_new(number) for number in sorted(set(numbers) - known)]
        self._classes.sort(key=lambda item: item.number)

    def to_meta(self) -> dict[str, Any]:
        """Plain values, for the journal."""
        return {"classes": [[item.number, item.name, item.color] for item in self._classes]}

    def from_meta(self, meta: dict[str, Any]) -> None:
        """Take over what `to_meta` gave."""
        given = [
            ClassInfo(int(n), str(name), str(color)) for n, name, color in meta.get("classes", ())
        ]
        self._classes = given or self._classes

    def _change(self, number: int, **values: Any) -> None:
        self._classes = [
            replace(item, **values) if item.number == number else item for item in self._classes
        ]


def _new(number: int) -> ClassInfo:
    return ClassInfo(number, f"Class {number}", PALETTE[(number - 1) % len(PALETTE)])
