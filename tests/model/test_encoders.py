"""Every encoder in every fusion under every head, with random weights."""

from __future__ import annotations

import copy
import re
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_gpcis import Session
from napari_gpcis.model import (
    NetworkConfig,
    SegmentationNetwork,
    build_network,
    load_checkpoint,
    save_checkpoint,
)
from napari_gpcis.model.encoder import create_segformer, published_state
from napari_gpcis.model.paper import PaperFusion

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (64, 96)
CLICKS = [
    torch.tensor([[20.0, 30.0, 1.0], [50.0, 70.0, -1.0]]),
    torch.tensor([[40.0, 9.0, 1.0]]),
]
FAST = [("cached", "mobilenetv2_100"), ("paper", "test_resnet")]
SLOW = [
    ("cached", "resnet50"),
    ("cached", "hrnet_w18_small_v2"),
    ("cached", "segformer_b0"),
    ("paper", "resnet50s"),
    ("paper", "hrnet_w18_small_v2"),
    ("paper", "segformer_b0"),
]
VARIANTS = [
    *(pytest.param((*variant, head), id="-".join((*variant, head)))
      for variant in FAST for head in ("gp", "conv")),
    *(pytest.param((*variant, head), id="-".join((*variant, head)), marks=pytest.mark.slow)
      for variant in SLOW for head in ("gp", "conv")),
]  # fmt: skip


@pytest.fixture(scope="module", params=VARIANTS)
def network(request: pytest.FixtureRequest) -> SegmentationNetwork:
    fusion, encoder, head = request.param
    if encoder == "segformer_b0":
        pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = NetworkConfig(
        fusion=fusion,
        encoder=encoder,
        head=head,
        channels=8,
        feature_dim=8,
        fourier_features=16,
        object_diameter=40,
    )
    return build_network(config).requires_grad_(False)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def test_logits_and_grid_have_the_announced_sizes(
    network: SegmentationNetwork, images: torch.Tensor
) -> None:
    pyramid = network.encode(images)
    deep = network.decode(pyramid, CLICKS)

    assert [level.shape[-2:] for level in pyramid] == [
        (SIZE[0] // stride, SIZE[1] // stride) for stride in network.pyramid_strides
    ]
    stride = network.grid_stride
    assert stride == (4 if network.config.fusion == "cached" else 1)
    assert deep.shape == (2, 8, SIZE[0] // stride, SIZE[1] // stride)
    assert deep.norm(dim=1).max() <= 1 + 1e-5
    logits = network(images, CLICKS, images[:, :1])
    assert logits.shape == (2, 1, *SIZE)
    assert torch.isfinite(logits).all()
    if network.config.head == "gp":
        assert logits[0, 0, 20, 30] > 0 > logits[0, 0, 50, 70]
        assert logits[1, 0, 40, 9] > 0


def test_clicks_and_previous_mask_reach_the_logits(
    network: SegmentationNetwork, images: torch.Tensor
) -> None:
    # random weights, which no statistics were gathered for, may blow up what lies on the way
    pyramid = tuple(level / level.std() for level in network.encode(images))
    loud = copy.deepcopy(network)
    for name, parameter in loud.named_parameters():
        if name.endswith("side.3.scale"):  # starts at 0.05, all but invisible in random features
            parameter.fill_(5.0)

    plain = loud.decode(pyramid, CLICKS)

    swapped = [item * torch.tensor([1.0, 1.0, -1.0]) for item in CLICKS]
    assert (plain - loud.decode(pyramid, swapped)).abs().max() > 1e-3
    assert (plain - loud.decode(pyramid, CLICKS, images[:, :1])).abs().max() > 1e-3


def test_one_step_reaches_every_parameter(
    network: SegmentationNetwork, images: torch.Tensor
) -> None:
    learning = copy.deepcopy(network).train().requires_grad_(True)
    for module in learning.modules():
        # timm starts residual blocks as the identity, behind which nothing has a gradient yet
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
        if hasattr(module, "drop_prob"):  # SegFormer's, which leaves out whole blocks by chance
            module.drop_prob = 0.0

    logits = learning(images, CLICKS, images[:, :1])
    (logits * torch.randn(logits.shape)).sum().backward()

    without = [
        name
        for name, parameter in learning.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert without == []


def test_a_model_file_brings_it_back(
    network: SegmentationNetwork, images: torch.Tensor, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "a.safetensors", network, training={}, scores={})

    loaded = load_checkpoint(tmp_path / "a.safetensors")

    assert loaded.config == network.config
    assert torch.equal(loaded(images, CLICKS), network(images, CLICKS))


def test_a_session_answers_clicks(network: SegmentationNetwork) -> None:
    session = Session(network, device="cpu", object_diameter=40)
    session.set_image(np.random.RandomState(0).randint(0, 255, (96, 96), np.uint8))
    session.add_click(30, 40)

    result = session.add_click(80, 70, positive=False)

    assert result.mask.shape == (96, 96)
    if network.config.head == "gp":
        assert result.mask[30, 40]
        assert not result.mask[80, 70]


def test_without_transformers_segformer_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "napari_gpcis.model.segformer", raising=False)
    for fusion in ("cached", "paper"):
        config = NetworkConfig(fusion=fusion, encoder="segformer_b0")
        with pytest.raises(ValueError, match=r"pip install 'napari-gpcis\[segformer\]'"):
            build_network(config)


@pytest.mark.slow
def test_another_segformer_is_refused() -> None:
    pytest.importorskip("transformers")
    with pytest.raises(ValueError, match=r"expected 'segformer_b0' .* got 'segformer_b9'"):
        create_segformer("segformer_b9")


@pytest.mark.slow
def test_published_segformers_fit() -> None:
    pytest.importorskip("transformers")
    encoder = create_segformer("segformer_b0")
    published = {
        "segformer.encoder.patch_embeddings.2.proj.weight": "stages.2.patch_embeddings.proj.weight",
        "encoder.block.1.0.attention.self.value.bias": "stages.1.blocks.0.attention.v_proj.bias",
        "encoder.block.1.1.layer_norm_2.weight": "stages.1.blocks.1.layernorm_after.weight",
        "encoder.block.3.0.mlp.dense1.bias": "stages.3.blocks.0.mlp.fc1.bias",
        "encoder.layer_norm.3.weight": "stages.3.layer_norm.weight",
        "encoder.block.0.1.attention.self.sr.bias": (
            "stages.0.blocks.1.attention.sequence_reduction.sequence_reduction.bias"
        ),
        "encoder.block.0.1.attention.self.layer_norm.bias": (
            "stages.0.blocks.1.attention.sequence_reduction.layer_norm.bias"
        ),
        "encoder.block.0.1.attention.output.dense.bias": "stages.0.blocks.1.attention.o_proj.bias",
    }
    own = encoder.state_dict()

    assert set(published.values()) <= own.keys()
    assert list(published_state(encoder, dict.fromkeys(published))) == list(published.values())
    assert published_state(encoder, own).keys() == own.keys()


@pytest.mark.slow
def test_segformers_stages_are_those_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    ours = create_segformer("segformer_b0").eval()
    theirs = transformers.SegformerModel(ours.config).eval()
    theirs.load_state_dict(ours.state_dict())
    image = torch.rand(1, 3, *SIZE)
    with torch.inference_mode():
        stages = theirs(image, output_hidden_states=True).hidden_states
        for stage, wanted in zip(ours(image), stages, strict=True):
            torch.testing.assert_close(stage, wanted)


@pytest.mark.parametrize("encoder", ["mobilenetv2_100", "no_such_encoder"])
def test_the_paper_fusion_names_the_encoders_that_it_takes(encoder: str) -> None:
    with pytest.raises(ValueError, match=re.compile("resnet50s.*hrnet_w18_small_v2.*segformer_b0")):
        PaperFusion(encoder, 8)
