"""A clicked pixel comes out as it was clicked, whatever the image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from napari_gpcis.engine import Session

DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i8", "f2", "f4", "f8"]


def click_around(session, shape, count, seed=0, z=0):
    """Click at random and check after each click that all of them hold."""
    rng = np.random.default_rng(seed)
    kept = {}
    for _ in range(count):
        row, col = (int(rng.integers(size)) for size in shape)
        kept[row, col] = bool(rng.integers(2)) if kept else True
        result = session.add_click(row, col, kept[row, col], z=z)
        for (row_kept, col_kept), positive in kept.items():
            assert result.mask[row_kept, col_kept] == positive
            assert (result.probability[row_kept, col_kept] > 0.5) == positive
    return result


@pytest.mark.parametrize("dtype", DTYPES)
def test_for_every_type(network, dtype):
    coins = data.coins()[:130, :170]
    session = Session(network, device="cpu")
    session.set_image(coins > 120 if dtype == "?" else (coins // 2).astype(dtype))
    result = click_around(session, coins.shape, 8)
    assert result.probability.dtype == np.float32
    assert result.mask.dtype == np.bool_
    assert result.variance.dtype == np.float32
    assert result.probability.shape == result.mask.shape == result.variance.shape == coins.shape
    assert result.corrected_clicks == 0


@pytest.mark.parametrize("diameter", [10, 23, 64, 100, 400])
def test_at_every_scale(network, diameter):
    image = data.astronaut()[:200, :260]
    session = Session(network, device="cpu", object_diameter=diameter)
    session.set_image(image)
    result = click_around(session, image.shape[:2], 12)
    assert result.corrected_clicks == 0


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_where_there_is_nothing_to_see(network, value):
    session = Session(network, device="cpu")
    session.set_image(np.full((70, 90), value))
    result = click_around(session, (70, 90), 30)
    assert np.isfinite(result.probability).all()
    assert np.isfinite(result.variance).all()


def test_where_neighbours_contradict_each_other(network):
    session = Session(network, device="cpu", object_diameter=300)
    session.set_image(np.zeros((600, 600)))
    for number in range(6):
        result = session.add_click(300, 300 + number, positive=number % 2 == 0)
    np.testing.assert_array_equal(result.mask[300, 300:306], [True, False] * 3)


def test_with_a_head_that_promises_nothing(network):
    from napari_gpcis.model import NetworkConfig, build_network
    from tests.engine.conftest import SMALL

    session = Session(build_network(NetworkConfig(**SMALL, head="conv")), device="cpu")
    session.set_image(data.coins()[:100, :100])
    for number in range(8):  # a random network cannot be right about all of these by chance
        result = session.add_click(50, 50 + number, positive=number % 2 == 0)
    np.testing.assert_array_equal(result.mask[50, 50:58], [True, False] * 4)
    assert result.corrected_clicks > 0


def test_above_another_threshold(network):
    session = Session(network, device="cpu", threshold=0.95)
    session.set_image(data.coins()[:100, :100])
    session.add_click(50, 50)
    result = session.add_click(20, 20, positive=False)
    assert result.mask[50, 50]
    assert not result.mask[20, 20]
    np.testing.assert_array_equal(result.mask, result.probability > 0.95)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (33, 31), (385, 64)])
def test_in_slices_of_awkward_sizes(network, shape):
    session = Session(network, device="cpu")
    session.set_image(np.random.default_rng(0).random(shape))
    click_around(session, shape, 5)


def test_on_the_border(network):
    session = Session(network, device="cpu", object_diameter=90)
    session.set_image(data.coins())
    for place in ((0, 0), (302, 383), (0, 383), (302, 0)):
        assert session.add_click(*place).mask[place]
