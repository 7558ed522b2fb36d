"""A tool on images in which the shipped model finds what is there, and waiting until it has.

A test file takes the fixtures with ``open_tool, journals = at_work.open_tool, at_work.journals``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from qtpy.QtWidgets import QApplication

RADIUS = 13


def disks(
    shape: tuple[int, int] = (96, 110), *centres: tuple[float, float], background: float = 0.1
) -> NDArray[np.float32]:
    """Bright disks of `RADIUS` on a dark, slightly noisy ground."""
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    image = np.full(shape, background, np.float32)
    for row, col in centres or ((48, 40),):
        image[(rows - row) ** 2 + (cols - col) ** 2 <= RADIUS**2] = 0.9
    image += np.random.default_rng(0).normal(0, 0.02, shape).astype(np.float32)
    return image


def settle(tool: Any, timeout: float = 60.0) -> None:
    """Let Qt and the engine go on until nothing is under way and all that came back is shown."""
    end = time.monotonic() + timeout
    quiet = 0
    while quiet < 3:
        quiet = quiet + 1 if tool.idle and tool.model.is_loaded else 0
        QApplication.processEvents()
        if not quiet:
            time.sleep(0.002)
        if time.monotonic() > end:
            raise TimeoutError(f"the tool is still at work: {tool.status}")
    QApplication.processEvents()


def process_events(rounds: int = 5) -> None:
    """Let Qt deliver what waits, deletions included."""
    from qtpy.QtCore import QEvent

    for _ in range(rounds):
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def world_of(tool: Any, z: int, row: float, col: float) -> tuple[float, ...]:
    """Where in the viewer's world a pixel of the image is, with all axes of the viewer."""
    document = tool.document
    world = document.image.data_to_world(document.frame.to_data(z, row, col))
    point = list(tool.viewer.dims.point)
    point[len(point) - len(world) :] = world
    return tuple(float(value) for value in point)


def show_slice(tool: Any, z: int) -> None:
    """Go to a slice, as the sliders do."""
    tool.document.go_to_slice(z)
    QApplication.processEvents()


def click(tool: Any, z: int, row: float, col: float, positive: bool = True) -> None:
    """Click on a pixel of a slice and wait for the answer."""
    show_slice(tool, z)
    tool.mouse.click(world_of(tool, z, row, col), positive)
    settle(tool)


@lru_cache
def _loaded(name: str) -> Any:
    from napari_gpcis.model.checkpoint import load_model

    return load_model(name)


@pytest.fixture
def journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder in which the journals of this test lie."""
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    return tmp_path / "data" / "journals"


@pytest.fixture
def open_tool(
    make_napari_viewer: Any, journals: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Open a tool on an image, or in a viewer that there is; all are closed in the end."""
    import napari_gpcis.model

    monkeypatch.setattr(napari_gpcis.model, "load_model", _loaded)
    # a full collection for each layer that is removed: a quarter of a second
    monkeypatch.setattr("napari._vispy.canvas.gc.collect", lambda *_: 0)
    tools: list[Any] = []

    def make(image: Any = None, viewer: Any = None, *, wait: bool = True, **arguments: Any) -> Any:
        from napari_gpcis.widget.tool.tool import Tool

        if viewer is None:
            viewer = make_napari_viewer()
        if image is not None:
            viewer.add_image(image, **{"name": "image", **arguments})
        tools.append(Tool(viewer))
        if wait:
            settle(tools[-1])
        return tools[-1]

    yield make
    for tool in tools:
        tool.close()
    tools.clear()
