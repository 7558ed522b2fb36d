"""Rules that divide slices into training and held-out ones: by file, by block, by group."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Rule = Literal["default", "file", "block", "group"]
RULES: tuple[Rule, ...] = ("default", "file", "block", "group")

_HOLD_OUT_FILE = 7
_HOLD_OUT_SLICES = 6
_ENOUGH_FOR_GAPS = 10


@dataclass(frozen=True, slots=True)
class Item:
    """A slice, as a split divides it.

    Attributes
    ----------
    file : str
        Name of its file.
    group : str
        Name of what the rule "group" never divides.
    z, slices : int
        Index of the slice, and number of slices in the file.
    """

    file: str
    group: str
    z: int = 0
    slices: int = 1

    @property
    def name(self) -> str:
        """As planes are named: the file's name, of a volume with the slice index."""
        return f"{self.file}[{self.z}]" if self.slices > 1 else self.file


@dataclass(frozen=True, slots=True)
class Split:
    """Which slices went where.

    Attributes
    ----------
    rule : {"default", "file", "block", "group"}
    seed : int
    hold_out : float
        Part of the files, groups or slices that was to be held out.
    train, held_out : tuple of str
        Names of slices.
    left_out : tuple of str
        Slices in neither: beside a held-out block, or of the photograph of a held-out file.
    """

    rule: Rule
    seed: int
    hold_out: float
    train: tuple[str, ...]
    held_out: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def group_of(name: str, pattern: str | None) -> str:
    """Match of a regular expression's first group in a name; else the name.

    Raises
    ------
    ValueError
        When it is none, or has no group.
    """
    if not pattern:
        return name
    try:
        match = re.search(pattern, name)
        return match.group(1) if match else name
    except (re.error, IndexError) as error:
        raise ValueError(
            rf"expected a regular expression with a group, such as ^(plate\d+), got {pattern!r}: "
            f"{error}; correct the group pattern"
        ) from error


def rule(name: str) -> Rule:
    """A rule by its name.

    Raises
    ------
    ValueError
        When there is none.
    """
    for each in RULES:
        if name == each:
            return each
    raise ValueError(f"expected a split of {', '.join(RULES)}, got {name!r}")


def split_items(
    items: Sequence[Item],
    *,
    by: Rule = "file",
    hold_out: float = 0.2,
    seed: int = 0,
    gap: int = 1,
) -> Split:
    """Split slices.

    Parameters
    ----------
    items : sequence of Item
        Slices in order, those of a file one after the other.
    by : {"default", "file", "block", "group"}
        "file" and "group" hold out whole ones of these. "block" holds out a block of neighbouring
        slices of every volume, and single images stay in training. "default" is the fixed rule of
        this project's figures: of single images every seventh by name, of a volume the last sixth;
        it takes neither seed nor part, and leaves out what shares a group with a held-out image.
    hold_out : float
        Part that is held out, at least one.
    seed : int
        Chooses which.
    gap : int
        Slices on either side of a block that are in neither part; none in volumes of fewer than
        ten slices.

    Raises
    ------
    ValueError
        When nothing would be left to train on or to hold out.
    """
    if not 0 < hold_out < 1:
        raise ValueError(f"expected to hold out a part between 0 and 1, got {hold_out}")
    rng = np.random.default_rng(seed)
    if by == "default":
        held_out, left_out = _default(items)
    elif by == "block":
        held_out, left_out = _blocks(items, hold_out, gap, rng)
    else:
        held_out, left_out = _whole(items, by, hold_out, rng), set[int]()
    left_out -= held_out
    train = set(range(len(items))) - held_out - left_out
    # the fixed rule may leave a part of a small set empty: whoever loads it says so
    if by != "default" and not (train and held_out):
        raise ValueError(
            f"expected enough to split by {by}, got {_count(items)}; "
            f"{'use single files' if by == 'block' else 'split by file or by block'}"
        )
    return Split(by, seed, hold_out, *(_names(items, part) for part in (train, held_out, left_out)))


def in_last_sixth(z: int, slices: int) -> bool:
    """Say whether the default rule holds a slice of a volume out."""
    return z >= slices - slices // _HOLD_OUT_SLICES


def _default(items: Sequence[Item]) -> tuple[set[int], set[int]]:
    names = sorted({item.file for item in items})
    chosen = set(names[::_HOLD_OUT_FILE])
    groups = {item.group for item in items if item.file in chosen}
    held_out: set[int] = set()
    left_out: set[int] = set()
    for index, item in enumerate(items):
        if item.slices > 1:
            if in_last_sixth(item.z, item.slices):
                held_out.add(index)
        elif item.file in chosen:
            held_out.add(index)
        elif item.group in groups:
            left_out.add(index)
    return held_out, left_out


def _whole(
    items: Sequence[Item], by: Literal["file", "group"], hold_out: float, rng: np.random.Generator
) -> set[int]:
    key = operator.attrgetter(by)
    names = list(dict.fromkeys(key(item) for item in items))
    chosen = {names[index] for index in _draw(len(names), hold_out, rng)}
    return {index for index, item in enumerate(items) if key(item) in chosen}


def _blocks(
    items: Sequence[Item], hold_out: float, gap: int, rng: np.random.Generator
) -> tuple[set[int], set[int]]:
    held_out: set[int] = set()
    left_out: set[int] = set()
    volumes: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        volumes.setdefault(item.file, []).append(index)
    for places in volumes.values():
        if len(places) > 1:
            start, stop = _block(len(places), hold_out, rng)
            width = gap if len(places) >= _ENOUGH_FOR_GAPS else 0
            held_out.update(places[start:stop])
            left_out.update(places[max(0, start - width) : stop + width])
    return held_out, left_out


def _block(count: int, hold_out: float, rng: np.random.Generator) -> tuple[int, int]:
    """One of the equal blocks that slices are cut into."""
    blocks = np.array_split(np.arange(count), min(max(2, round(1 / hold_out)), count))
    chosen = blocks[rng.permutation(len(blocks))[0]]
    return int(chosen[0]), int(chosen[-1]) + 1


def _draw(count: int, hold_out: float, rng: np.random.Generator) -> list[int]:
    order = rng.permutation(count)
    return [int(index) for index in order[: max(1, round(hold_out * count))]]


def _names(items: Sequence[Item], part: set[int]) -> tuple[str, ...]:
    return tuple(items[index].name for index in sorted(part))


def _count(items: Sequence[Item]) -> str:
    files, groups = len({item.file for item in items}), len({item.group for item in items})
    return f"{len(items)} slices, {files} files, {groups} groups"
