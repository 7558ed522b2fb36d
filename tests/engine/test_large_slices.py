"""A click costs the same on a slice of any size."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from napari_gpcis.engine import Session
from tests.engine.conftest import Watched


@pytest.fixture
def huge():
    """30 000 × 30 000 pixels that take no memory."""
    return np.broadcast_to(np.arange(30_000) % 251 < 90, (30_000, 30_000))


def test_a_click_makes_no_array_of_the_slice(network, huge):
    session = Session(network, device="cpu")
    session.set_image(huge)
    session.add_click(15_000, 15_000)
    tracemalloc.start()
    result = session.add_click(15_010, 15_000, positive=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20
    assert result.box_mask.size < 600**2
    assert result.box.holds(15_010, 15_000)
    assert {"mask", "probability"}.isdisjoint(vars(result))


def test_a_commit_touches_the_box_alone(network, huge):
    session = Session(network, device="cpu")
    session.set_image(huge)
    result = session.add_click(15_000, 15_000)
    session.commit()
    labels = session.annotation.labels.of_box(0, result.box)
    np.testing.assert_array_equal(labels, result.box_mask)


def test_of_a_lazy_slice_the_window_is_read(network, huge, monkeypatch):
    monkeypatch.setattr("napari_gpcis.engine.image.LARGEST_HELD", 1)
    lazy = Watched(huge[:9000, :9000])
    session = Session(network, device="cpu")
    session.set_image(lazy)
    session.add_click(4000, 4000)
    pixels = [np.prod([len(range(*part.indices(9000))) for part in key]) for key in lazy.reads]
    assert max(pixels) <= (192 * 8) ** 2
