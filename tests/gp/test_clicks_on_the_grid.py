"""On a coarse grid, at every stride, the latent interpolates the clicked pixels."""

from __future__ import annotations

import pytest
import torch

from napari_gpcis.gp import GPClassifier
from napari_gpcis.gp.click_kernel import prior_variance
from napari_gpcis.gp.raster import upsample
from tests.gp.conftest import random_clicks, random_features


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("count", [1, 2, 20, 100, 500])
def test_clicked_pixels_keep_their_sign(classifier: GPClassifier, stride: int, count: int) -> None:
    # 500 clicks need more than 500 grid points: below that no function of the features fits them
    deep, colour = random_features(1, (96 // stride, 128 // stride), stride)
    clicks = random_clicks(count, (96, 128))
    mean = classifier.condition(deep, colour, [clicks]).mean[0, 0]
    rows, columns = clicks[:, 0].long(), clicks[:, 1].long()
    assert torch.equal(mean[rows, columns].sign(), clicks[:, 2])


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("count", [1, 2, 20, 100])
def test_the_raster_itself_interpolates_the_targets(
    classifier: GPClassifier, stride: int, count: int
) -> None:
    deep, colour = random_features(1, (48 // stride, 64 // stride), stride)
    clicks = random_clicks(count, (48, 64))
    posterior = classifier.condition(deep, colour, [clicks])
    on_raster = (posterior.prior + posterior.update)[0, 0]
    rows, columns = clicks[:, 0].long(), clicks[:, 1].long()
    target = posterior.target[0, :, 0]
    torch.testing.assert_close(on_raster[rows, columns], target, rtol=0, atol=2e-3)


def test_between_pixel_centres_a_click_is_met_by_bilinear_interpolation(
    classifier: GPClassifier,
) -> None:
    deep, colour = random_features(1, (8, 8), 4)
    clicks = torch.tensor([[5.25, 7.5, 1.0], [20.0, 3.75, -1.0], [21.5, 22.5, 1.0]])
    posterior = classifier.condition(deep, colour, [clicks])
    latent = posterior.mean[0, 0]
    for click, target in zip(clicks, posterior.target[0, :, 0], strict=True):
        row, column = int(click[0]), int(click[1])
        r, c = float(click[0]) - row, float(click[1]) - column
        corners = latent[row : row + 2, column : column + 2]
        weights = torch.tensor([[(1 - r) * (1 - c), (1 - r) * c], [r * (1 - c), r * c]])
        torch.testing.assert_close((corners * weights).sum(), target, rtol=0, atol=1e-5)


def test_images_of_a_batch_do_not_see_each_other(classifier: GPClassifier) -> None:
    deep, colour = random_features(3, (6, 8), 4)
    clicks = [random_clicks(n, (24, 32), seed=n) for n in (1, 7, 30)]
    together = classifier.condition(deep, colour, clicks)
    for item, own in enumerate(clicks):
        part = slice(item, item + 1)
        alone = classifier.condition(deep[part], colour[part], [own])
        torch.testing.assert_close(together.mean[part], alone.mean, rtol=0, atol=1e-4)
        torch.testing.assert_close(together.variance()[part], alone.variance(), rtol=0, atol=1e-5)


def test_without_clicks_the_latent_is_the_prior_path(classifier: GPClassifier) -> None:
    deep, colour = random_features(1, (6, 8), 4)
    posterior = classifier.condition(deep, colour, [torch.zeros(0, 3)])
    torch.testing.assert_close(posterior.mean, posterior.prior)
    torch.testing.assert_close(posterior.variance(), prior_variance(posterior.kernel))


def test_prior_variance_on_the_raster_is_that_of_the_interpolated_grid(
    classifier: GPClassifier,
) -> None:
    deep, colour = random_features(1, (4, 5), 4)
    kernel = classifier.condition(deep, colour, [torch.zeros(0, 3)]).kernel
    basis = torch.eye(20).reshape(1, 20, 4, 5)
    interpolation = upsample(basis, 4)[0].flatten(1).T
    scaled = kernel.deep[0] * (0.5 * classifier.log_precision).exp()
    covariance = (-0.5 * torch.cdist(scaled, scaled).square()).exp()
    expected = (interpolation @ covariance * interpolation).sum(1) + classifier.colour_weight
    torch.testing.assert_close(prior_variance(kernel).flatten(), expected, rtol=0, atol=1e-5)


def test_several_label_columns_are_several_classifiers(classifier: GPClassifier) -> None:
    deep, colour = random_features(1, (6, 8), 4)
    positions = random_clicks(9, (24, 32))[:, :2]
    labels = torch.where(torch.arange(9).unsqueeze(1) % 3 == torch.arange(3), 1.0, -1.0)
    together = classifier.condition(deep, colour, [torch.cat([positions, labels], 1)]).mean
    for column in range(3):
        clicks = torch.cat([positions, labels[:, column : column + 1]], 1)
        alone = classifier.condition(deep, colour, [clicks]).mean
        torch.testing.assert_close(together[:, column : column + 1], alone, rtol=0, atol=1e-5)
