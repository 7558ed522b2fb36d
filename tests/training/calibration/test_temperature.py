from __future__ import annotations

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from napari_gpcis_training.augment import OUTSIDE, TARGET, Crop
from napari_gpcis_training.calibration.held_out_pixels import gather_pixels
from napari_gpcis_training.calibration.report import calibrate, calibration_report, halve
from napari_gpcis_training.calibration.temperature import fit_temperature, set_temperature
from safetensors import safe_open

from napari_gpcis.model import (
    ModelFileError,
    NetworkConfig,
    build_network,
    load_model,
    model_card,
    save_checkpoint,
)

SMALL = NetworkConfig(encoder="test_efficientnet", channels=8, feature_dim=8, fourier_features=8)


def noisy_crop(seed: int, size: int = 96) -> Crop:
    """A square whose pixels are as likely to be of the object as the image's first channel says."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 0.5, (size, size))
    logits[size // 3 : -size // 3, size // 3 : -size // 3] += 2.0
    logits[: size // 3] -= 2.0
    codes = (rng.random((size, size)) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    codes[:, :5] = OUTSIDE
    return Crop(np.stack([logits] * 3).astype(np.float32), codes)


class Honest(torch.nn.Module):
    """Says the logits of the image times a factor, with a variance that takes them back by √2."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.config = SMALL
        self.factor = factor
        self.previous: list[torch.Tensor] = []

    def encode(self, image):
        return (image[:, :1],)

    def colour(self, image):
        return image

    def decode(self, pyramid, clicks, previous):
        self.previous.append(previous)
        return pyramid[0]

    def classify(self, deep, colour, clicks):
        variance = torch.full_like(deep, 8 / np.pi)
        said = {"logits": self.factor * deep, "variance": lambda self: variance}
        return type("Prediction", (), said)()


@pytest.fixture(scope="module")
def crops() -> list[Crop]:
    return [noisy_crop(seed) for seed in range(24)]


def test_pixels_are_of_every_object_after_every_number_of_clicks(crops: list[Crop]) -> None:
    network = Honest(1.0)
    pixels = gather_pixels(network, crops[:3], clicks=(1, 3))
    assert len(pixels) == 3 * 2 * 4096
    assert {*zip(pixels.item.tolist(), pixels.clicks.tolist(), strict=True)} == {
        (item, clicks) for item in range(3) for clicks in (1, 3)
    }
    again = pixels.where((pixels.item == 1) & (pixels.clicks == 3))
    assert np.array_equal(
        again.truth, pixels.where((pixels.item == 1) & (pixels.clicks == 1)).truth
    )
    assert 0 < pixels.near.mean() <= 1
    # what is fed back is what the network was trained with: no temperature in it
    assert torch.equal(
        network.previous[1],
        torch.from_numpy(np.stack([crop.image[:1] for crop in crops[:3]])).sigmoid(),
    )


def test_pixels_beyond_the_image_do_not_count(crops: list[Crop]) -> None:
    codes = np.full((96, 96), OUTSIDE, np.uint8)
    codes[30:40, 30:40] = TARGET
    pixels = gather_pixels(Honest(1.0), [Crop(crops[0].image, codes)], clicks=(1,))
    assert len(pixels) == 100
    assert pixels.truth.all()


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_the_temperature_of_a_network_undoes_its_factor(crops: list[Crop], factor: float) -> None:
    network = Honest(factor)
    plain = fit_temperature(network, crops, with_variance=False)
    assert plain == pytest.approx(factor, rel=0.06)
    assert fit_temperature(network, crops) == pytest.approx(plain / np.sqrt(2), rel=0.01)


def test_without_crops_there_is_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="expected held-out objects"):
        fit_temperature(Honest(1.0), [])


def test_halves_share_no_crop_and_leave_a_slice_between_them(crops: list[Crop]) -> None:
    fit, report = halve({"many": crops, "few": crops[:3], "one": crops[:1]})
    assert [id(crop) for crop in fit] == [id(crop) for crop in (*crops[:10], *crops[:2], crops[0])]
    assert [id(crop) for crop in report["many"]] == [id(crop) for crop in crops[15:]]
    assert [id(crop) for crop in report["few"]] == [id(crops[2])]
    assert "one" not in report


def test_the_report_says_that_temperature_makes_probabilities_honest(
    crops: list[Crop], tmp_path: Path
) -> None:
    report = calibration_report(Honest(3.0), {"noise": crops}, tmp_path / "report")
    near = report["near"]
    assert near["f"]["ece"] > 0.08
    assert near["f / T, variance"]["ece"] < 0.02
    assert near["f / T, variance"]["nll"] < near["f, variance"]["nll"] < near["f"]["nll"]
    assert report["temperature"] == pytest.approx(3 / np.sqrt(2), rel=0.1)
    assert json.loads((tmp_path / "report" / "calibration.json").read_text())["near"] == near
    text = (tmp_path / "report" / "calibration.md").read_text(encoding="utf-8")
    assert f"| near | sigmoid(f) | {100 * near['f']['ece']:.2f} |" in " ".join(text.split())
    for name in ("reliability.png", "reliability_object.png"):
        assert iio.imread(tmp_path / "report" / name).shape[0] > 500


@pytest.mark.parametrize("half", [False, True])
def test_a_new_temperature_leaves_a_model_file_s_weights_as_they_are(
    tmp_path: Path, half: bool
) -> None:
    path, made = tmp_path / "model.safetensors", tmp_path / "calibrated.safetensors"
    save_checkpoint(path, build_network(SMALL), training={"steps": 3}, scores={"a": 1}, half=half)
    set_temperature(path, 0.4, made, {"fitted_on": 7})
    before, after = model_card(path), model_card(made)
    assert (before.config.temperature, after.config.temperature) == (1.0, 0.4)
    assert after.training == {"steps": 3, "calibration": {"fitted_on": 7}}
    assert after.scores == before.scores
    with safe_open(path, "pt") as old, safe_open(made, "pt") as new:
        assert [*old.keys()] == [*new.keys()]
        for name in old.keys():
            assert old.get_tensor(name).dtype == new.get_tensor(name).dtype
            assert torch.equal(old.get_tensor(name), new.get_tensor(name))
    assert load_model(made).config.temperature == 0.4


def test_a_temperature_that_is_no_temperature_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, build_network(SMALL), training={}, scores={})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="temperature above 0"):
        set_temperature(path, 0.0, path, {})
    assert path.read_bytes() == before
    with pytest.raises(ModelFileError):
        set_temperature(tmp_path / "none.safetensors", 0.5, path, {})


def test_calibrate_writes_the_model_with_the_temperature_of_its_report(
    data_root: Path, config_path: Path, tmp_path: Path
) -> None:
    path, made = tmp_path / "model.safetensors", tmp_path / "calibrated.safetensors"
    torch.manual_seed(0)
    save_checkpoint(path, build_network(SMALL), training={}, scores={})
    found = calibrate(path, data_root, made, tmp_path, str(config_path), objects=4)
    assert load_model(made).config.temperature == found
    report = json.loads((tmp_path / "calibration.json").read_text())
    assert report["temperature"] == found
    assert report["fitted_on"] == 4
    assert model_card(made).training["calibration"]["near"] == report["near"]
