"""A temperature changes probabilities, and nothing that clicks decide."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from napari_gpcis.engine import Session
from napari_gpcis.engine.guidance import uncertainty
from napari_gpcis.model import NetworkConfig, load_model, save_checkpoint

CLICKS = ((40, 25, True), (40, 55, False), (10, 80, False), (24, 14, True))


def session_at(network, temperature, threshold=0.5):
    """A session on a bright square beside a grey one."""
    network.config = replace(network.config, temperature=temperature)
    image = np.zeros((96, 96))
    image[20:60, 10:40] = 1.0
    image[20:60, 40:70] = 0.5
    session = Session(network, device="cpu", threshold=threshold)
    session.set_image(image)
    return session


def test_masks_and_latents_do_not_depend_on_the_temperature(seeing):
    one, cold = session_at(seeing, 1.0), session_at(seeing, 0.3)
    for click in CLICKS:
        usual, tempered = one.add_click(*click), cold.add_click(*click)
        assert np.array_equal(usual.latent, tempered.latent)
        assert np.array_equal(usual.mask, tempered.mask)
        assert np.array_equal(usual.variance, tempered.variance)


def test_the_temperature_divides_the_logits_of_the_probability_once(seeing):
    usual = session_at(seeing, 1.0).add_click(40, 25)
    tempered = session_at(seeing, 2.0).add_click(40, 25)
    logits = np.log(usual.probability / (1 - usual.probability))[usual.box.slices]
    expected = 1 / (1 + np.exp(-logits / 2))
    assert np.allclose(tempered.box_probability, expected, atol=1e-6)
    p = 1 / (1 + np.exp(-logits / (2 * np.sqrt(1 + np.pi * usual.box_variance / 8))))
    assert np.allclose(uncertainty(tempered), 4 * p * (1 - p), atol=1e-5)


@pytest.mark.parametrize("threshold", [0.3, 0.9])
def test_a_mask_is_where_the_shown_probability_is_above_the_threshold(seeing, threshold):
    session = session_at(seeing, 2.5, threshold)
    result = session.add_click(40, 25)
    assert 0 < result.mask.sum()
    assert (result.probability[result.mask] > threshold).all()
    for click in CLICKS[1:]:
        result = session.add_click(*click)
    assert all(result.mask[row, col] == positive for row, col, positive in CLICKS)


def test_carried_masks_do_not_depend_on_the_temperature(seeing):
    stack = np.zeros((4, 96, 96))
    stack[:, 20:60, 10:40] = 1.0
    carried = []
    for temperature in (1.0, 0.3, 3.0):
        session = session_at(seeing, temperature)
        session.set_image(stack)
        session.add_click(40, 25, z=0)
        session.propagate()
        session.commit()
        carried.append(session.labels)
    assert carried[0][2].any()
    assert np.array_equal(carried[0], carried[1])
    assert np.array_equal(carried[0], carried[2])


def test_a_model_file_keeps_its_temperature(network, tmp_path):
    network.config = replace(network.config, temperature=0.42)
    save_checkpoint(tmp_path / "a.safetensors", network, training={}, scores={})
    assert load_model(tmp_path / "a.safetensors").config.temperature == 0.42


def test_a_model_file_from_before_temperatures_has_1(network, tmp_path):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, training={}, scores={})
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    config = json.loads(metadata["config"])
    del config["temperature"]
    save_file(tensors, path, {**metadata, "config": json.dumps(config)})
    assert load_model(path).config.temperature == 1.0


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_is_a_finite_number_above_0(temperature):
    with pytest.raises(ValueError, match="temperature above 0"):
        NetworkConfig(temperature=temperature)
