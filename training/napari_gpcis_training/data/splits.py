"""Splits of labelled files into what is trained on and what is held out, made and written down.

A split is made from the names of slices alone, by a seed. Written, it lets a later run hold out the
same, and others see what was held out.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis_training.data.split_rules import (
    RULES,
    Item,
    Rule,
    Split,
    group_of,
    rule,
    split_items,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from napari_gpcis_training.data.layouts import LabelledFile

__all__ = [
    "RULES",
    "Item",
    "Rule",
    "Split",
    "check_split",
    "group_of",
    "grouped",
    "items_of",
    "read_split",
    "read_splits",
    "rule",
    "split_files",
    "split_items",
    "write_split",
]

_FORMAT = "napari-gpcis split"
_VERSION = 1


def items_of(files: Iterable[LabelledFile]) -> list[Item]:
    """The slices of labelled files, from what their headers say."""
    items: list[Item] = []
    for file in files:
        slices = file.slices
        items += [Item(file.name, file.group, z, slices) for z in range(slices)]
    return items


def grouped(files: Iterable[LabelledFile], pattern: str | None) -> list[LabelledFile]:
    """Labelled files with the groups that a regular expression finds in their names.

    Parameters
    ----------
    files : iterable of LabelledFile
        Whose own groups stand where there is no pattern.
    pattern : str or None
        Its first group, searched in a name, is the file's group; else the name is.
    """
    if pattern is None:
        return list(files)
    return [replace(file, group=group_of(file.name, pattern)) for file in files]


def split_files(
    files: Iterable[LabelledFile],
    *,
    by: Rule = "file",
    hold_out: float = 0.2,
    seed: int = 0,
    gap: int = 1,
) -> Split:
    """Split labelled files; see `split_items`."""
    return split_items(items_of(files), by=by, hold_out=hold_out, seed=seed, gap=gap)


def write_split(path: Path, split: Split | dict[str, Split]) -> None:
    """Write a split, or those of several data sets by name, as JSON; whole or not at all.

    Raises
    ------
    ValueError
        When it cannot be written.
    """
    splits = split if isinstance(split, dict) else {"": split}
    written = {
        "format": _FORMAT,
        "version": _VERSION,
        "sets": {name: asdict(each) for name, each in splits.items()},
    }
    with atomic_write(path) as part, os_errors_as_output_errors(path):
        part.write_text(json.dumps(written, indent=1, ensure_ascii=False), encoding="utf-8")


def read_split(path: Path, name: str = "") -> Split:
    """Read the split of the data set `name`, or the only one.

    Raises
    ------
    ValueError
        When the file is missing, is no split, or has none of that name.
    """
    splits = read_splits(path)
    if name in splits:
        return splits[name]
    if len(splits) == 1:
        return next(iter(splits.values()))
    raise ValueError(f"expected a split of {name!r} in {path}, got {', '.join(splits) or 'none'}")


def read_splits(path: Path) -> dict[str, Split]:
    """Read all splits of a file, by data set.

    Raises
    ------
    ValueError
        When the file is missing or is no split.
    """
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        if (written["format"], written["version"]) != (_FORMAT, _VERSION):
            raise ValueError(f"format {written['format']!r}, version {written['version']!r}")
        return {name: _from_json(values) for name, values in written["sets"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"expected a split that napari-gpcis wrote in {path}, got: {error}; "
            "check the path, or have a new one written"
        ) from error


def check_split(split: Split, items: Sequence[Item]) -> None:
    """Make sure that a split that was read is of these slices.

    Raises
    ------
    ValueError
        When a slice is not in it, or one of it is missing.
    """
    known = {*split.train, *split.held_out, *split.left_out}
    names = {item.name for item in items}
    for those, what in ((names - known, "is not in the split"), (known - names, "is missing")):
        if those:
            first = ", ".join(sorted(those)[:3])
            raise ValueError(
                f"expected the images of the written split, got others: {len(those)} times an "
                f"image or slice {what} ({first}); restore the images or have a new split written"
            )


def _from_json(values: dict[str, Any]) -> Split:
    parts = [tuple(map(str, values[name])) for name in ("train", "held_out", "left_out")]
    if len({*parts[0], *parts[1], *parts[2]}) < sum(map(len, parts)):
        raise ValueError("a slice in two parts")
    return Split(rule(values["rule"]), int(values["seed"]), float(values["hold_out"]), *parts)
