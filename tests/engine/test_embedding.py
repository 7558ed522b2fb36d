from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gpcis.engine import Box
from napari_gpcis.engine.cache import EmbeddingCache
from napari_gpcis.engine.embedding import Embedder, shrunk
from napari_gpcis.engine.geometry import Scale
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.model import NetworkConfig, build_network

CPU = torch.device("cpu")
MEGABYTE = 1 << 20


def make(network, tile=1024, **options):
    return Embedder(network, EmbeddingCache(CPU, 200 * MEGABYTE, 0), tile, **options)


def image(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


@pytest.fixture
def encoded(network, monkeypatch):
    """Sizes that the encoder was given."""
    sizes = []
    encode = network.encode
    monkeypatch.setattr(
        network, "encode", lambda given: (sizes.append(tuple(given.shape[-2:])), encode(given))[1]
    )
    return sizes


def test_a_slice_that_fits_a_tile_is_encoded_whole_and_once(network, encoded):
    embedder, source = make(network), ImageSource(image(300, 200))
    for window in (Box(0, 0, 4, 4), Box(2, 2, 10, 7)):
        features = embedder.cut(source, 0, Scale(32, 32), window)
    assert encoded == [(320, 224)]
    assert features.image.shape == (1, 3, 256, 160)
    shapes = [tuple(level.shape[-2:]) for level in features.pyramid]
    assert shapes == [(64, 40), (32, 20), (16, 10), (8, 5)]


def test_only_the_tiles_of_the_window_are_encoded(network, encoded):
    embedder, source = make(network, 256), ImageSource(image(1000, 1000))
    embedder.cut(source, 0, Scale(32, 32), Box(0, 0, 3, 3))
    assert encoded == [(192, 192)]
    embedder.cut(source, 0, Scale(32, 32), Box(1, 1, 4, 4))
    assert encoded == [(192, 192)]
    embedder.cut(source, 0, Scale(32, 32), Box(3, 1, 5, 2))
    assert len(encoded) == 2
    assert max(max(size) for size in encoded) <= 256


@pytest.mark.parametrize("pixels", [32, 50, 11])
def test_tiles_agree_with_the_whole_slice(network, pixels):
    pixels_of_slice = image(16 * pixels, 16 * pixels)
    scale, window = Scale(32, pixels), Box(3, 2, 15, 14)
    whole = make(network).cut(ImageSource(pixels_of_slice), 0, scale, window)
    tiled = make(network, 384).cut(ImageSource(pixels_of_slice), 0, scale, window)
    torch.testing.assert_close(tiled.image, whole.image, rtol=0, atol=1e-6)
    for given, wanted in zip(tiled.pyramid, whole.pyramid, strict=True):
        torch.testing.assert_close(given, wanted, rtol=0, atol=0.02 * float(wanted.std()))


@pytest.mark.slow
def test_tiles_of_the_default_encoder_agree_with_the_whole_slice():
    torch.manual_seed(0)
    network = build_network(NetworkConfig())
    pixels, window = image(1280, 1280), Box(13, 13, 27, 27)
    whole = make(network, 2048).cut(ImageSource(pixels), 0, Scale(32, 32), window)
    tiled = make(network).cut(ImageSource(pixels), 0, Scale(32, 32), window)
    for given, wanted in zip(tiled.pyramid, whole.pyramid, strict=True):
        difference = (given - wanted).square().mean().sqrt() / wanted.std()
        assert difference < 0.02


def test_a_slice_is_encoded_again_for_another_scale_slice_or_image_only(network, encoded):
    embedder, stack = make(network), image(64, 64)[..., 0].reshape(2, 32, 64)
    source, window = ImageSource(stack), Box(0, 0, 1, 1)
    for _ in range(2):
        embedder.cut(source, 0, Scale(32, 32), window)
        embedder.cut(source, 1, Scale(32, 32), window)
        embedder.cut(source, 0, Scale(32, 16), window)
    assert len(encoded) == 3
    embedder.cut(ImageSource(stack, identity="a"), 0, Scale(32, 32), window)
    embedder.cut(ImageSource(stack, identity="a"), 0, Scale(32, 32), window)
    assert len(encoded) == 4
    embedder.cut(ImageSource(stack, identity="b"), 0, Scale(32, 32), window)
    assert len(encoded) == 5


def test_a_slice_encoded_ahead_costs_its_first_click_nothing(network, encoded):
    embedder, source = make(network, 256), ImageSource(image(300, 300))
    embedder.encode_slice(source, 0, Scale(32, 32))
    count = len(encoded)
    assert count > 1
    embedder.cut(source, 0, Scale(32, 32), Box(0, 0, 10, 10))
    assert len(encoded) == count


@pytest.mark.parametrize("pixels", [7, 32, 50, 160])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_box_read_in_bands_is_what_it_is_at_once(monkeypatch, pixels, channels):
    image = np.random.default_rng(0).random((1000, 700, *channels), np.float32)
    source, scale = ImageSource(image), Scale(32, pixels)
    box = Box(1, 0, *scale.canvas((1000, 700)))
    whole = shrunk(source, 0, scale, box)
    read = []
    monkeypatch.setattr(
        source, "read", lambda z, box, read_=source.read: read.append(box.shape) or read_(z, box)
    )
    monkeypatch.setattr("napari_gpcis.engine.embedding.LARGEST_READ", 200_000)
    torch.testing.assert_close(shrunk(source, 0, scale, box), whole, atol=1e-5, rtol=1e-5)
    assert len(read) > 1
    assert max(rows * columns for rows, columns in read) <= 200_000 + 3 * pixels * 800
