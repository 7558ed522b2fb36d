"""A model file whose masks mean nothing, but whose guarantees hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_gpcis.model import NetworkConfig, build_network
from napari_gpcis.model.checkpoint import save_checkpoint

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = NetworkConfig(encoder="test_resnet", channels=8, feature_dim=8, fourier_features=16)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(path, build_network(config), training={"data": "none"}, scores={})
    return path
