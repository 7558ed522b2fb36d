"""A real tool whose engine never answers, without a window; it keeps what the panel asks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_gpcis.widget.tool.earlier_work import EarlierWork
from napari_gpcis.widget.tool.engine_thread import EngineThread, Loaded
from napari_gpcis.widget.tool.tool import Tool
from napari_gpcis.widget.tool.types import Restorable, Status

ASKED = (
    "apply_to_all", "axes.set_channels", "axes.set_kind", "cancel", "classes.add",
    "classes.choose", "classes.recolor", "classes.remove", "classes.rename", "clear", "commit",
    "earlier_work.discard", "earlier_work.restore", "estimate_diameter", "export",
    "jump_to_next", "model.choose", "model.choose_device", "new_object", "propagate", "redo",
    "set_active", "set_auto_commit", "set_draws", "set_mode", "set_object_diameter",
    "set_overlap", "set_overlay", "set_threshold", "swap_sign", "switcher.choose_image",
    "switcher.choose_labels", "undo", "use_shapes",
)  # fmt: skip
"""What the panel may ask for."""


class SilentEngine(EngineThread):
    """Has a model at once, and answers nothing."""

    def load(
        self, model: str, device: str, options: dict[str, Any], then: Callable[[Loaded], None]
    ) -> None:
        card = "# Default\n\nTrained on [DSB2018](https://bbbc.broadinstitute.org)."
        devices = ["auto", "cpu", "cuda:0"]
        then(Loaded([model], model, card, devices, "cpu", trained_diameter=30.0, has_gp=True))


class SilentTool(Tool):
    """`calls` holds what it was asked for; with `refusal`, it refuses in these words."""

    def __init__(self, viewer: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.refusal = ""
        self.obeys = True
        self._asked_by_itself = True
        super().__init__(viewer, SilentEngine)
        for name in ASKED:
            self._keep(name)
        self._asked_by_itself = False

    def show(self, text: str, level: Any = "info", done: int = 0, total: int = 0) -> None:
        """Say something now, not in the next turn of the event loop."""
        self.reporter.status = Status(text, level, done, total)
        self.changed.emit()

    def describe_model(self, **changes: Any) -> None:
        """Change what is known of the model."""
        assert self.loop.loaded is not None
        self.loop.loaded = replace(self.loop.loaded, **changes)
        self.changed.emit()

    def _keep(self, name: str) -> None:
        """Let what the panel asks of the tool, or of a part of it, be written down."""
        *part, method = name.split(".")
        owner: Any = getattr(self, part[0]) if part else self
        original = getattr(owner, method)

        def asked(*args: Any) -> Any:
            if self._asked_by_itself:
                return original(*args)
            self.calls.append((name, *args))
            if self.refusal:
                raise ValueError(self.refusal)
            self._asked_by_itself = True
            try:
                return original(*args) if self.obeys else None
            finally:
                self._asked_by_itself = False

        setattr(owner, method, asked)


@contextmanager
def silent_tool(*, channels: bool = False) -> Iterator[SilentTool]:
    """A tool on "embryo", beside which "nuclei" is open; "embryo" may have two channels."""
    viewer = ViewerModel()
    viewer.add_image(np.zeros((64, 64)), name="nuclei")
    if channels:
        labels = {"axis_labels": ("c", "y", "x")}
        viewer.add_image(np.zeros((2, 64, 64)), name="embryo", **labels)
    else:
        viewer.add_image(np.zeros((64, 64)), name="embryo")
    tool = SilentTool(viewer)
    tool.switcher.choose_image("embryo")
    tool.calls.clear()
    yield tool
    tool.close()


@pytest.fixture
def tool(
    qapp: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[SilentTool]:
    """The tool; `parametrize("tool", ["channels"], indirect=True)` gives its image two of them."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "paper.safetensors").touch()
    monkeypatch.setenv("NAPARI_GPCIS_MODELS", str(models))
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    with silent_tool(channels=getattr(request, "param", "") == "channels") as opened:
        yield opened


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were objects with masks, steps to take back, and work to restore."""
    for name in ("can_commit", "can_undo", "can_redo", "can_propagate"):
        monkeypatch.setattr(Tool, name, True)
    monkeypatch.setattr(Tool, "click_counts", (3, 1))
    monkeypatch.setattr(Tool, "object_count", 2)


@pytest.fixture
def offering(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were unsaved work of an earlier session."""
    text = "14 clicks and 3 objects from 20 Nov 22:10"
    monkeypatch.setattr(EarlierWork, "restorable", Restorable(text))


@pytest.fixture
def working(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a long job were running."""
    monkeypatch.setattr(Tool, "can_cancel", True)
