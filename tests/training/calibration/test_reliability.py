from __future__ import annotations

import numpy as np
import pytest
from napari_gpcis_training.calibration.reliability import (
    confidence_bins,
    find_temperature,
    measure,
    object_bins,
)


def perfect(count: int = 400_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and truths that come true as often as they say."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, count)
    return logits, rng.random(count) < 1 / (1 + np.exp(-logits))


def test_a_perfectly_calibrated_predictor_has_no_calibration_error() -> None:
    scores = measure(*perfect())
    assert scores.ece < 0.003
    assert scores.object_ece < 0.003


def test_the_scores_of_an_overconfident_predictor_are_those_computed_by_hand() -> None:
    # 90 % sure of the object ten times, right six times; 80 % sure of background five times, once
    # right: confidence 0.9 and 0.8, accuracy 0.6 and 0.2
    logits = np.repeat([np.log(9), np.log(0.25)], [10, 5])
    truth = np.array([True] * 6 + [False] * 4 + [True] * 4 + [False])
    scores = measure(logits, truth)
    assert scores.ece == pytest.approx((10 * 0.3 + 5 * 0.6) / 15)
    # as the object's probability: 0.9 and 0.2 said, 0.6 and 0.8 true
    assert scores.object_ece == pytest.approx((10 * 0.3 + 5 * 0.6) / 15)
    assert scores.brier == pytest.approx((6 * 0.01 + 4 * 0.81 + 4 * 0.64 + 0.04) / 15)
    log = np.log
    expected = -(6 * log(0.9) + 4 * log(0.1) + 4 * log(0.2) + log(0.8)) / 15
    assert scores.nll == pytest.approx(expected)


def test_bins_hold_every_pixel_once_even_the_surest() -> None:
    logits = np.array([-800.0, -30.0, 0.0, 30.0, 800.0])
    truth = np.array([False, True, True, True, True])
    for bins in (confidence_bins(logits, truth), object_bins(logits, truth)):
        assert bins.count.sum() == 5
        assert bins.count[-1] > 0
    assert confidence_bins(logits, truth).accuracy[-1] == pytest.approx(3 / 4)


@pytest.mark.parametrize("temperature", [0.4, 2.5])
def test_the_temperature_of_synthetic_logits_is_found(temperature: float) -> None:
    logits, truth = perfect()
    assert find_temperature(temperature * logits, truth) == pytest.approx(temperature, rel=0.02)


def test_without_pixels_there_is_no_temperature() -> None:
    with pytest.raises(ValueError, match="expected pixels"):
        find_temperature(np.zeros(0), np.zeros(0, bool))
