"""Parts of the network that can be left out; left alone, they change nothing."""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_gpcis import Session
from napari_gpcis.gp import GPClassifier
from napari_gpcis.gp.raster import upsample
from napari_gpcis.model import (
    NetworkConfig,
    SegmentationNetwork,
    build_network,
    load_checkpoint,
    save_checkpoint,
)

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (64, 96)
CLICKS = torch.tensor([[20.0, 30.0, 1.0], [50.0, 70.0, -1.0]])
OPTIONS = [
    {"stride": 1},
    {"stride": 2},
    {"prior_path": False},
    {"colour_kernel": False},
    {"previous_mask": False},
    {"stride": 1, "prior_path": False, "colour_kernel": False, "previous_mask": False},
]
# of the network below before any of its parts could be left out, every 16th pixel
RECORDED = [
    [0.35135, 0.09424, 0.05087, -0.19285, -0.25142, -0.47075],
    [0.16635, 0.3141, -0.55189, -0.18349, 0.03722, 0.03343],
    [0.37361, 0.66376, 0.78999, -0.10597, 0.03033, 0.04989],
    [0.42596, 0.76416, 0.41302, -0.11998, -0.58547, 0.26077],
]


def tiny(**changes: object) -> SegmentationNetwork:
    """The same weights for the same names, whatever else there is."""
    settings = {"encoder": "test_resnet", "channels": 8, "feature_dim": 8, "fourier_features": 16}
    network = build_network(NetworkConfig(**{**settings, **changes}))
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            phase = zlib.crc32(name.encode()) % 1000
            wave = torch.sin(1.7 * torch.arange(tensor.numel()) + phase).reshape(tensor.shape)
            spread = math.sqrt(2 / tensor[0].numel()) if tensor.ndim > 1 else 0.3
            offset = 1.0 if name.endswith("running_var") else 0.0
            tensor.copy_(spread * wave + offset)
    return network.requires_grad_(False)


def image(seed: int = 0) -> torch.Tensor:
    values = np.random.RandomState(seed).rand(1, 3, *SIZE)
    return torch.tensor(values, dtype=torch.float32)


def test_with_all_parts_the_logits_are_those_of_before() -> None:
    logits = tiny()(image(), [CLICKS], image(1)[:, :1])

    torch.testing.assert_close(
        logits[0, 0, ::16, ::16], torch.tensor(RECORDED), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("stride", [1, 2])
def test_a_finer_grid_is_the_coarse_one_upsampled_behind_its_normalisation(stride: int) -> None:
    coarse, fine = tiny(), tiny(stride=stride)
    pyramid = coarse.encode(image())

    deep = fine.decode(pyramid, [CLICKS])

    assert fine.grid_stride == stride
    torch.testing.assert_close(deep, upsample(coarse.decode(pyramid, [CLICKS]), 4 // stride))
    assert deep.shape[-2:] == (SIZE[0] // stride, SIZE[1] // stride)
    assert deep.norm(dim=1).min() < 0.999


def test_without_a_prior_path_the_image_alone_suggests_nothing() -> None:
    network = tiny(prior_path=False)
    deep = network.decode(network.encode(image()), [CLICKS])

    prediction = network.classify(deep, network.colour(image()), [CLICKS])
    nothing = network.classify(deep, network.colour(image()), [CLICKS[:0]])

    assert not prediction.prior.any()
    assert not nothing.logits.any()
    torch.testing.assert_close(prediction.update[0, 0, 0], prediction.logits[0, 0, 0])
    assert not any("prior_path" in name for name in network.state_dict())


def test_without_the_colour_kernel_colours_do_not_tell_pixels_apart() -> None:
    torch.manual_seed(0)
    settings = {"feature_dim": 4, "fourier_features": 8, "prior_path": False}
    deep = torch.ones(1, 4, 4, 4)
    colour = torch.randn(1, 3, 16, 16)
    click = [torch.tensor([[3.0, 5.0, 1.0]])]
    with torch.no_grad():
        plain = GPClassifier(**settings, colour_kernel=False).eval().condition(deep, colour, click)
        coloured = GPClassifier(**settings).eval().condition(deep, colour, click)

        assert float(plain.mean.std()) < 1e-6
        assert float(plain.variance().max()) < 1e-3
        draws = plain.sample(64, torch.Generator().manual_seed(0))
        assert float(draws.std(dim=(2, 3)).max()) < 1e-2
        assert float(coloured.mean.std()) > 1e-2
        assert float(coloured.variance().max()) > 0.1


def test_without_the_previous_mask_the_decoder_sees_none() -> None:
    masks = [None, torch.ones(1, 1, *SIZE)]
    blind, seeing = (
        [network(image(), [CLICKS], mask) for mask in masks]
        for network in (tiny(previous_mask=False), tiny())
    )

    assert torch.equal(*blind)
    assert not torch.allclose(*seeing)
    assert torch.equal(blind[0], seeing[0])


@pytest.mark.parametrize("option", OPTIONS)
def test_clicked_pixels_come_out_as_clicked_and_learning_goes_on(option: dict[str, int]) -> None:
    network = tiny(**option)
    logits = network(image(), [CLICKS])[0, 0]
    assert logits[20, 30] > 0 > logits[50, 70]

    network.train().requires_grad_(True)
    network(image(), [CLICKS], image()[:, :1]).square().mean().backward()
    head = network.get_submodule("head")
    assert all(parameter.grad is not None for parameter in head.parameters())


@pytest.mark.parametrize("mode", ["object", "class"])
@pytest.mark.parametrize("option", OPTIONS)
def test_a_session_answers_clicks(option: dict[str, int], mode: str) -> None:
    session = Session(tiny(**option), device="cpu", mode=mode, object_diameter=40)
    session.set_image((image()[0].mean(0).numpy() * 255).astype(np.uint8))
    session.add_click(20, 30)

    result = session.add_click(50, 70, positive=False)

    assert result.mask.shape == SIZE
    assert result.mask[20, 30]
    assert not result.mask[50, 70]
    assert float(result.variance[20, 30]) < 0.01


@pytest.mark.parametrize("option", OPTIONS)
def test_a_model_file_says_what_was_left_out(option: dict[str, int], tmp_path: Path) -> None:
    network = tiny(**option)

    save_checkpoint(tmp_path / "a.safetensors", network, training={}, scores={})
    loaded = load_checkpoint(tmp_path / "a.safetensors")

    assert asdict(loaded.config) == {**asdict(tiny().config), **option}
    assert torch.equal(loaded(image(), [CLICKS]), network(image(), [CLICKS]))


def test_files_from_before_have_all_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, tiny(), training={}, scores={})
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    config = json.loads(metadata["config"])
    for option in ("stride", "prior_path", "colour_kernel", "previous_mask"):
        del config[option]
    save_file(load_file(path), path, {**metadata, "config": json.dumps(config)})

    loaded = load_checkpoint(path)

    assert loaded.config == tiny().config
    assert torch.equal(loaded(image(), [CLICKS]), tiny()(image(), [CLICKS]))


def test_a_stride_that_is_not_on_the_way_up_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"expected stride to be one of \(1, 2, 4\), got 3"):
        NetworkConfig(stride=3)
