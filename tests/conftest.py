"""What all tests share: one thread, napari settings left alone, a display, a tiny model."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Read when torch is first imported: on tiny networks more threads gain nothing, and beside other
# programs they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Read when napari.settings is first imported; empty means that nothing is kept on disk.
os.environ["NAPARI_CONFIG"] = ""
# Of whoever runs the tests: their own models stay out of them.
os.environ["NAPARI_GPCIS_MODELS"] = os.devnull


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


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file whose masks mean nothing, but whose guarantees hold."""
    import torch

    from napari_gpcis.model import NetworkConfig, build_network, save_checkpoint

    torch.manual_seed(0)
    config = NetworkConfig(encoder="test_resnet", channels=8, feature_dim=8, fourier_features=16)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(path, build_network(config), training={"data": "none"}, scores={})
    return path
