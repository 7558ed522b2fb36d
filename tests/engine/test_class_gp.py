from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gpcis.engine.class_features import ClassFeatures
from napari_gpcis.engine.class_gp import ConditionedGP
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.options import Options
from napari_gpcis.engine.predictor import Predictor
from napari_gpcis.engine.segmenter import ImageSegmenter

GREY, COLOUR = (3, 128, 160), (3, 128, 160, 3)
CLICKS = (
    Click(0, 30, 40, True, 5),
    Click(0, 90, 20, False, 5),
    Click(2, 64, 150, True, 5),
    Click(2, 127, 0, False, 5),
)


def bench(network, shape, **options):
    stack = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    source = ImageSource(stack)
    predictor = Predictor(network, "cpu", **options)
    return predictor, ImageSegmenter(source, predictor, Options(mode="class"))


def request_of(segmenter, z=1):
    return segmenter.class_request(5, z, CLICKS, None, (0, 0))


def conditioned_on_clicks(segmenter):
    return ConditionedGP(segmenter.source, segmenter.scale(None), CLICKS)


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_it_says_what_class_mode_says(network, shape):
    predictor, segmenter = bench(network, shape)
    for z in range(3):
        request = request_of(segmenter, z)
        expected = predictor.predict(request)
        found = predictor.predict(request, conditioned_on_clicks(segmenter))
        tolerance = 0.01 * float(expected.latent.std())
        torch.testing.assert_close(found.latent, expected.latent, atol=tolerance, rtol=0)
        np.testing.assert_allclose(found.box_variance, expected.box_variance, atol=1e-5)


def test_the_clicks_are_looked_at_once(network):
    predictor, segmenter = bench(network, GREY)
    conditioned = conditioned_on_clicks(segmenter)
    first = predictor.predict(request_of(segmenter), conditioned)
    stack = segmenter.source.array
    stack[0], stack[2] = 0, 0  # where the clicks are
    predictor.cache.clear()
    again = predictor.predict(request_of(segmenter), conditioned)
    torch.testing.assert_close(again.latent, first.latent, atol=0, rtol=0)


def test_windows_of_a_tile_share_its_features(network, monkeypatch):
    predictor, segmenter = bench(network, GREY)
    features, scale = ClassFeatures(predictor.embedder), segmenter.scale(None)
    decoded = []
    decode = predictor.network.decode
    monkeypatch.setattr(
        predictor.network, "decode", lambda *given: decoded.append(1) or decode(*given)
    )
    whole = Box(0, 0, *scale.canvas(GREY[1:]))
    deep, colour = features.cut(segmenter.source, 1, scale, whole)
    part = Box(1, 2, 3, 4)
    deep_part, colour_part = features.cut(segmenter.source, 1, scale, part)
    assert len(decoded) == 1
    for factor, here, of_whole in ((8, deep_part, deep), (32, colour_part, colour)):
        np.testing.assert_array_equal(here, of_whole[(..., *part.times(factor).slices)])


def test_a_window_across_tiles_has_something_of_each(network):
    predictor, segmenter = bench(network, GREY, tile=64)
    features, scale = ClassFeatures(predictor.embedder), segmenter.scale(None)
    tiles = list(predictor.embedder.tile_grid(segmenter.source, scale).tiles(Box(0, 0, 4, 5)))
    assert len(tiles) > 3
    window = Box(0, 0, *scale.canvas(GREY[1:]))
    joined, _ = features.cut(segmenter.source, 1, scale, window)
    for tile in tiles:
        alone, _ = features.of_window(segmenter.source, 1, scale, tile)
        np.testing.assert_array_equal(joined[(..., *tile.times(8).slices)], alone)
