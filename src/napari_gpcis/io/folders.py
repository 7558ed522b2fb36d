"""What is in a folder: whether it is a zarr, and in which order people read its names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_zarr_folder", "natural_order"]

_ZARR_MARKS = (".zarray", ".zgroup", "zarr.json")


def is_zarr_folder(path: Path) -> bool:
    """Whether a folder is a zarr array or group, of either format."""
    return any((path / mark).is_file() for mark in _ZARR_MARKS)


def natural_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Key to sort names by their numbers as numbers: 2 before 10."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], name
