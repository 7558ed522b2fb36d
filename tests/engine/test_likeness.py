from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_gpcis.engine.class_features import ClassFeatures
from napari_gpcis.engine.class_gp import Likeness
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.planner import Planner
from napari_gpcis.engine.runner import Runner

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
    runner = Runner(network, "cpu", **options)
    return runner, Planner(source, runner.embedder, class_mode=True, threshold=0.5)


def request_of(planner, z=1):
    return planner.for_class(5, z, CLICKS, None, (0, 0))


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_it_says_what_class_mode_says(network, shape):
    runner, planner = bench(network, shape)
    for z in range(3):
        request = request_of(planner, z)
        expected = runner.predict(request)
        found = runner.predict(replace(request, likeness=Likeness()))
        tolerance = 0.01 * float(expected.latent.std())
        torch.testing.assert_close(found.latent, expected.latent, atol=tolerance, rtol=0)
        np.testing.assert_allclose(found.box_variance, expected.box_variance, atol=1e-5)


def test_the_clicks_are_looked_at_once(network):
    runner, planner = bench(network, GREY)
    likeness = Likeness()
    first = runner.predict(replace(request_of(planner), likeness=likeness))
    stack = planner.source.array
    stack[0], stack[2] = 0, 0  # where the clicks are
    runner.cache.clear()
    again = runner.predict(replace(request_of(planner), likeness=likeness))
    torch.testing.assert_close(again.latent, first.latent, atol=0, rtol=0)


def test_windows_of_a_tile_share_its_features(network, monkeypatch):
    runner, planner = bench(network, GREY)
    features, scale = ClassFeatures(runner.embedder), planner.scale(None)
    decoded = []
    decode = runner.network.decode
    monkeypatch.setattr(
        runner.network, "decode", lambda *given: decoded.append(1) or decode(*given)
    )
    whole = Box(0, 0, *scale.canvas(GREY[1:]))
    deep, colour = features.cut(planner.source, 1, scale, whole)
    part = Box(1, 2, 3, 4)
    deep_part, colour_part = features.cut(planner.source, 1, scale, part)
    assert len(decoded) == 1
    for factor, here, of_whole in ((8, deep_part, deep), (32, colour_part, colour)):
        np.testing.assert_array_equal(here, of_whole[(..., *part.times(factor).slices)])


def test_a_window_across_tiles_has_something_of_each(network):
    runner, planner = bench(network, GREY, tile=64)
    features, scale = ClassFeatures(runner.embedder), planner.scale(None)
    tiles = list(runner.embedder.layout(planner.source, scale).tiles(Box(0, 0, 4, 5)))
    assert len(tiles) > 3
    window = Box(0, 0, *scale.canvas(GREY[1:]))
    joined, _ = features.cut(planner.source, 1, scale, window)
    for tile in tiles:
        alone, _ = features.of_window(planner.source, 1, scale, tile)
        np.testing.assert_array_equal(joined[(..., *tile.times(8).slices)], alone)
