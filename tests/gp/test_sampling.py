"""Draws from the posterior have the exact posterior's moments."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from napari_gpcis.gp import GPClassifier, Posterior
from napari_gpcis.gp.fourier import SpectralPath
from napari_gpcis.gp.posterior import TARGET_VARIANCE
from napari_gpcis.gp.raster import upsample
from tests.gp.conftest import random_clicks, random_features

DRAWS = 4000


@pytest.fixture
def posterior(classifier: GPClassifier) -> Posterior:
    """Posterior of six clicks on a 12×16 raster over a stride-4 grid, in float64."""
    deep, colour = random_features(1, (3, 4), 4)
    return classifier.condition(deep, colour, [random_clicks(6, (12, 16))], noise_variance=1e-2)


def dense_moments(posterior: Posterior) -> tuple[Tensor, Tensor]:
    """Mean and covariance from dense matrices, without taps, factors or blocks."""
    kernel = posterior.kernel
    points = kernel.size[0] * kernel.size[1]
    basis = torch.eye(kernel.deep.shape[1]).reshape(1, -1, *kernel.grid_size)
    interpolation = upsample(basis, kernel.stride)[0].flatten(1).T.double()
    scaled = (kernel.deep[0] * (0.5 * kernel.log_precision).exp()).double()
    colour = kernel.colour[0].double()
    deep_part = (-0.5 * torch.cdist(scaled, scaled).square()).exp()
    colour_part = (-0.5 * torch.cdist(colour, colour).square()).exp()
    prior = interpolation @ deep_part @ interpolation.T + kernel.colour_weight * colour_part
    at = kernel.raster_taps.index[0, :, 0]
    noisy = prior[at][:, at] + posterior.noise_variance * torch.eye(len(at))
    gain = prior[:, at] @ torch.linalg.inv(noisy)
    mean = gain @ posterior.target[0].double()
    covariance = prior - gain @ prior[at] + TARGET_VARIANCE * gain @ gain.T
    assert covariance.shape == (points, points)
    return mean, covariance


def test_variance_is_the_diagonal_of_the_exact_covariance(posterior: Posterior) -> None:
    _, covariance = dense_moments(posterior)
    torch.testing.assert_close(
        posterior.variance().flatten().double(), covariance.diagonal(), rtol=0, atol=1e-5
    )


def test_moments_of_the_draws_match_the_exact_posterior(posterior: Posterior) -> None:
    mean, covariance = dense_moments(posterior)
    # a draw shares its frequencies with the others of its call: average over many calls
    generator = torch.Generator().manual_seed(1)
    draws = torch.cat(
        [posterior.sample(20, generator, fourier_features=512) for _ in range(DRAWS // 20)], 1
    )
    draws = draws[0].flatten(1).double()
    error_of_mean = (draws.mean(0) - mean.squeeze(1)).abs()
    assert float((error_of_mean / (covariance.diagonal() / DRAWS).sqrt()).max()) < 5.0
    empirical = torch.cov(draws.T)
    scale = covariance.diagonal().sqrt()
    error = (empirical - covariance).abs() / (scale.unsqueeze(0) * scale.unsqueeze(1))
    assert float(error.max()) < 6.0 / math.sqrt(DRAWS)


def test_covariance_error_of_spectral_features_falls_as_one_over_root_l(
    classifier: GPClassifier,
) -> None:
    deep, colour = random_features(1, (6, 6), 1)
    deep, colour = deep[0].flatten(1).T, colour[0].flatten(1).T
    scaled = deep * (0.5 * classifier.log_precision).exp()
    exact = (-0.5 * torch.cdist(scaled, scaled).square()).exp()
    exact = exact + classifier.colour_weight * (-0.5 * torch.cdist(colour, colour).square()).exp()

    def error(features: int) -> float:
        total = 0.0
        for seed in range(24):
            path = SpectralPath(
                classifier.log_precision,
                classifier.colour_weight,
                3,
                features,
                features,
                torch.Generator().manual_seed(seed),
            )
            # unit weights, one path per feature: the inner product is the feature covariance
            path.weights = torch.eye(features)
            drawn = path.deep_part(deep) + path.colour_part(colour)
            total += float((drawn @ drawn.T - exact).square().mean())
        return math.sqrt(total / 24)

    sizes = [64, 256, 1024, 4096]
    errors = torch.tensor([error(size) for size in sizes]).log()
    slope = (errors[-1] - errors[0]) / math.log(sizes[-1] / sizes[0])
    assert -0.6 < float(slope) < -0.4


def test_draws_follow_the_clicks(posterior: Posterior) -> None:
    clicks = posterior.kernel.clicks
    posterior = Posterior(
        posterior.kernel,
        torch.zeros(1, 12, 1),
        posterior.target,
        posterior.target,
        1e-7,
        exact_at_clicks=True,
    )
    draws = posterior.sample(50, torch.Generator().manual_seed(0))[0]
    rows, columns = clicks.positions[0].long().T
    torch.testing.assert_close(
        draws[:, rows, columns].mean(0), posterior.target[0, :, 0], rtol=0, atol=0.02
    )


def test_draws_of_several_classes_are_refused(classifier: GPClassifier) -> None:
    deep, colour = random_features(1, (3, 4), 4)
    clicks = torch.tensor([[1.0, 1.0, 1.0, -1.0]])
    with pytest.raises(ValueError, match="one latent function"):
        classifier.condition(deep, colour, [clicks]).sample(2)
