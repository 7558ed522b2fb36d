"""What all tests share: the user's napari settings are left alone, GUI tests need a display."""

from __future__ import annotations

import os
import sys

import pytest

# Read when torch is first imported: on tiny networks more threads gain nothing, and beside other
# programs they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Read when napari.settings is first imported; empty means that nothing is kept on disk.
os.environ["NAPARI_CONFIG"] = ""


def has_display() -> bool:
    """Whether a window can be opened: off Linux always, on Linux with an X or Wayland display."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if has_display():
        return
    skip = pytest.mark.skip(reason="no display: run `make test`, or `xvfb-run -a pytest`")
    for item in items:
        if "gui" in item.keywords:
            item.add_marker(skip)
