"""Published weights of every encoder go into the networks that are built on it."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from napari_gpcis_training.state import load_encoder
from safetensors.torch import save_file

from napari_gpcis.model import NetworkConfig, build_network


def config(fusion: str, encoder: str) -> NetworkConfig:
    return NetworkConfig(fusion=fusion, encoder=encoder, channels=8, feature_dim=8)


@pytest.mark.parametrize(
    ("fusion", "encoder"),
    [
        ("cached", "mobilenetv2_100"),
        pytest.param("cached", "resnet50", marks=pytest.mark.slow),
        ("cached", "hrnet_w18_small_v2"),
        pytest.param("paper", "resnet50s", marks=pytest.mark.slow),
        ("paper", "hrnet_w18_small_v2"),
    ],
)
def test_weights_of_a_whole_timm_model_fit(fusion: str, encoder: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    published = timm.create_model(encoder).state_dict()
    save_file(published, tmp_path / "encoder.safetensors")
    network = build_network(config(fusion, encoder))

    load_encoder(network, tmp_path / "encoder.safetensors")

    fused = network.get_submodule("fusion")
    kinds = {"resnet50s": "deeplab.encoder", "hrnet_w18_small_v2": "hrnet.encoder"}
    where = "encoder.backbone" if fusion == "cached" else kinds[encoder]
    for name, parameter in fused.get_submodule(where).named_parameters():
        assert torch.equal(parameter, published[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["cached", "paper"])
def test_weights_of_a_published_segformer_fit(fusion: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    network = build_network(config(fusion, "segformer_b0"))
    where = "fusion.encoder.backbone" if fusion == "cached" else "fusion.segformer.encoder"
    backbone = network.get_submodule(where)
    torch.manual_seed(1)
    published = transformers.SegformerModel(backbone.config).state_dict()
    named = {f"segformer.{name}": tensor for name, tensor in published.items()}
    save_file({**named, "classifier.bias": torch.zeros(3)}, tmp_path / "encoder.safetensors")

    load_encoder(network, tmp_path / "encoder.safetensors")

    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, published[name]), name
