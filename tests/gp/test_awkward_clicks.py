"""Duplicate, contradicting, outside and singular clicks."""

from __future__ import annotations

import pytest
import torch

from napari_gpcis.gp import GPClassifier
from napari_gpcis.gp.cholesky import stable_cholesky
from napari_gpcis.gp.clicks import pad_clicks
from tests.gp.conftest import random_clicks, random_features


def test_of_contradicting_clicks_on_one_pixel_the_newest_counts(classifier: GPClassifier) -> None:
    deep, colour = random_features(1, (6, 8), 4)
    clicks = torch.tensor([[3.0, 4.0, 1.0], [10.0, 20.0, 1.0], [3.0, 4.0, -1.0]])
    both = classifier.condition(deep, colour, [clicks]).mean
    newest = classifier.condition(deep, colour, [clicks[1:]]).mean
    torch.testing.assert_close(both, newest)
    assert both[0, 0, 3, 4] < 0 < both[0, 0, 10, 20]


def test_a_duplicate_click_changes_nothing(classifier: GPClassifier) -> None:
    deep, colour = random_features(1, (6, 8), 4)
    clicks = random_clicks(5, (24, 32))
    doubled = torch.cat([clicks, clicks])
    torch.testing.assert_close(
        classifier.condition(deep, colour, [doubled]).mean,
        classifier.condition(deep, colour, [clicks]).mean,
    )


@pytest.mark.parametrize(
    "position", [(-1.0, 4.0), (24.0, 4.0), (3.0, 32.0), (3.0, -0.6), (1e6, 1e6)]
)
def test_a_click_outside_the_frame_is_dropped(
    classifier: GPClassifier, position: tuple[float, float]
) -> None:
    deep, colour = random_features(1, (6, 8), 4)
    inside = random_clicks(4, (24, 32))
    with_outside = torch.cat([inside, torch.tensor([[*position, -1.0]])])
    torch.testing.assert_close(
        classifier.condition(deep, colour, [with_outside]).mean,
        classifier.condition(deep, colour, [inside]).mean,
    )


def test_clicks_in_the_corners_and_on_the_border_count(classifier: GPClassifier) -> None:
    deep, colour = random_features(1, (6, 8), 4)
    places = [(0, 0), (0, 31), (23, 0), (23, 31), (0, 15), (12, 31)]
    signs = [1.0, -1.0, -1.0, 1.0, 1.0, -1.0]
    clicks = torch.tensor([[*place, sign] for place, sign in zip(places, signs, strict=True)])
    mean = classifier.condition(deep, colour, [clicks]).mean[0, 0]
    assert [float(mean[place].sign()) for place in places] == signs


def test_identical_features_with_one_sign_stay_finite_and_right(classifier: GPClassifier) -> None:
    deep, colour = torch.full((1, 8, 6, 8), 8**-0.5), torch.zeros(1, 3, 24, 32)
    clicks = random_clicks(40, (24, 32))
    clicks[:, 2] = 1.0
    mean = classifier.condition(deep, colour, [clicks]).mean
    assert bool(torch.isfinite(mean).all())
    assert bool((mean > 0).all())


def test_contradicting_clicks_that_cannot_be_told_apart_stay_finite(
    classifier: GPClassifier,
) -> None:
    deep, colour = torch.full((1, 8, 6, 8), 8**-0.5), torch.zeros(1, 3, 24, 32)
    posterior = classifier.condition(deep, colour, [random_clicks(30, (24, 32))])
    assert bool(torch.isfinite(posterior.mean).all())
    assert float(posterior.mean.abs().max()) < 10.0


def test_neighbouring_pixels_with_contradicting_clicks_are_both_right(
    classifier: GPClassifier,
) -> None:
    deep, colour = random_features(1, (6, 8), 4)
    clicks = torch.tensor([[9.0, 9.0, 1.0], [9.0, 10.0, -1.0], [10.0, 9.0, -1.0]])
    mean = classifier.condition(deep, colour, [clicks]).mean[0, 0]
    assert mean[9, 9] > 0 > max(mean[9, 10], mean[10, 9])


def test_nan_features_are_reported(classifier: GPClassifier) -> None:
    deep, colour = random_features(1, (6, 8), 4)
    deep[..., 3, 3] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        _ = classifier.condition(deep, colour, [torch.tensor([[13.0, 13.0, 1.0]])]).mean


@pytest.mark.parametrize("clicks", [torch.zeros(3), torch.zeros(2, 2)])
def test_clicks_of_the_wrong_shape_are_refused(
    classifier: GPClassifier, clicks: torch.Tensor
) -> None:
    deep, colour = random_features(1, (6, 8), 4)
    with pytest.raises(ValueError, match=r"shape \(n, 3\)"):
        classifier.condition(deep, colour, [clicks])


def test_shapes_that_do_not_fit_are_refused(classifier: GPClassifier) -> None:
    deep, colour = random_features(2, (6, 8), 4)
    with pytest.raises(ValueError, match="one click tensor per item"):
        classifier.condition(deep, colour, [torch.zeros(0, 3)])
    with pytest.raises(ValueError, match="multiple of"):
        classifier.condition(deep, colour[..., :-1], [torch.zeros(0, 3)] * 2)


def test_a_nan_position_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        pad_clicks([torch.tensor([[float("nan"), 1.0, 1.0]])], 8, 8)


def test_jitter_goes_only_where_it_must() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    good = root @ root.T + torch.eye(6, dtype=torch.float64)
    singular = torch.ones(6, 6, dtype=torch.float64)
    singular[0, 0] -= 1e-12
    factors = stable_cholesky(torch.stack([good, singular]))
    torch.testing.assert_close(factors[0], torch.linalg.cholesky(good), rtol=0, atol=0)
    torch.testing.assert_close(factors[1] @ factors[1].T, singular, rtol=0, atol=1e-6)


def test_an_indefinite_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match="indefinite"):
        stable_cholesky(torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)))
