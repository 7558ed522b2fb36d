from __future__ import annotations

import torch

from napari_gpcis.gp import GPClassifier
from napari_gpcis.gp.raster import upsample
from napari_gpcis.gp.update import FunctionUpdate
from tests.gp.conftest import random_clicks, random_features


def update_of(classifier: GPClassifier, clicks: torch.Tensor, stride: int) -> None:
    deep, colour = random_features(1, (8, 10), stride)
    posterior = classifier.condition(deep, colour, [clicks])
    update = FunctionUpdate.of(posterior)
    colours = update.at_colours(colour.flatten(2).transpose(1, 2))
    whole = upsample(update.on_grid(deep), stride)
    whole = whole + colours.transpose(1, 2).reshape(whole.shape)
    torch.testing.assert_close(whole, posterior.update, atol=2e-4, rtol=1e-4)


def test_on_its_own_image_it_is_the_update_of_the_posterior(classifier: GPClassifier) -> None:
    for stride in (1, 4):
        update_of(classifier, random_clicks(12, (8 * stride, 10 * stride)), stride)


def test_clicks_between_pixels_and_several_functions_are_taken_over(
    classifier: GPClassifier,
) -> None:
    clicks = random_clicks(9, (32, 40))
    clicks[:, :2] = (clicks[:, :2] + 0.3).clamp(max=31)
    other = -clicks[:, 2:]
    update_of(classifier, torch.cat([clicks, other], 1), 4)


def test_a_kernel_without_colour_says_nothing_of_colour() -> None:
    torch.manual_seed(0)
    classifier = GPClassifier(8, fourier_features=32, colour_kernel=False).eval()
    deep, colour = random_features(1, (8, 8), 4)
    update = FunctionUpdate.of(classifier.condition(deep, colour, [random_clicks(5, (32, 32))]))
    assert not update.at_colours(colour.flatten(2).transpose(1, 2)).any()
    assert update.on_grid(deep).any()


def test_contrasts_tell_which_function_is_largest(classifier: GPClassifier) -> None:
    deep, colour = random_features(1, (8, 8), 4)
    clicks = random_clicks(12, (32, 32))
    signs = torch.where(torch.arange(12)[:, None] % 3 == torch.arange(3), 1.0, -1.0)
    update = FunctionUpdate.of(
        classifier.condition(deep, colour, [torch.cat([clicks[:, :2], signs], 1)])
    )
    whole, rest = update.on_grid(deep), update.contrasts().on_grid(deep)
    torch.testing.assert_close(rest, whole[:, 1:] - whole[:, :1], atol=2e-5, rtol=1e-4)
