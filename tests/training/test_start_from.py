from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from napari_gpcis_training.config import load_config
from napari_gpcis_training.state import initial_state

from napari_gpcis.model import NetworkConfig, build_network, save_checkpoint


def test_a_run_may_start_with_the_weights_of_a_model(config_path: Path, tmp_path: Path) -> None:
    config = load_config(config_path)
    parent = build_network(NetworkConfig(**config.network))
    # neither of these makes it another network
    parent.config = replace(parent.config, temperature=0.5, image_diameter=30.0)
    path = tmp_path / "parent.safetensors"
    save_checkpoint(path, parent, training={}, scores={})
    state = initial_state(config, None, torch.device("cpu"), path)
    for name, tensor in parent.state_dict().items():
        torch.testing.assert_close(state.network.state_dict()[name], tensor)
        torch.testing.assert_close(state.average.state_dict()[name], tensor)
    assert state.network.config.temperature == 1.0


def test_a_model_of_another_network_is_refused(config_path: Path, tmp_path: Path) -> None:
    config = load_config(config_path)
    path = tmp_path / "conv.safetensors"
    other = NetworkConfig(**{**config.network, "head": "conv"})
    save_checkpoint(path, build_network(other), training={}, scores={})
    with pytest.raises(ValueError, match=r"conv\.safetensors.*same network"):
        initial_state(config, None, torch.device("cpu"), path)
