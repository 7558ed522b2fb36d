from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from napari_gpcis.engine import Session


class Scarce:
    """An encoder that runs out of memory beyond a number of pixels, or a number of times."""

    def __init__(self, network, largest=None, times=0, error=None):
        self.encode = network.encode
        self.largest, self.times = largest, times
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")

    def __call__(self, image):
        if self.times > 0 or (self.largest and max(image.shape[-2:]) > self.largest):
            self.times -= 1
            raise self.error
        return self.encode(image)


@pytest.fixture
def session(network):
    session = Session(network, device="cpu")
    session.set_image(np.random.default_rng(0).random((700, 700)))
    return session


@pytest.fixture
def running(session):
    """The session's own copy of the network."""
    return session._predictor.network


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_the_cache_is_dropped_first_and_said_so(session, running, error):
    running.encode = Scarce(running, times=1, error=error)
    with pytest.warns(RuntimeWarning, match=r"out of memory.*dropped the cached"):
        result = session.add_click(30, 40)
    assert result.mask[30, 40]
    assert session._predictor.embedder.tile == 1024


def test_tiles_are_halved_until_they_fit(session, running):
    running.encode = Scarce(running, largest=512)
    session.object_diameter = 64
    with pytest.warns(RuntimeWarning) as said:
        result = session.add_click(350, 350)
    assert [str(warning.message).split("gpcis ")[1] for warning in said] == [
        "dropped the cached embeddings",
        "encodes tiles of 512 px from now on",
    ]
    assert result.mask[350, 350]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session.add_click(600, 20)


def test_no_click_is_lost_when_nothing_helps(session, running):
    session.add_click(30, 40)
    encode = running.encode
    running.encode = Scarce(running, largest=1)
    with pytest.warns(RuntimeWarning), pytest.raises(MemoryError, match="no click is lost"):
        session.add_click(650, 650)
    assert [click.row for click in session.clicks] == [30, 650]
    running.encode = encode
    result = session.result
    assert result.mask[30, 40]
    assert result.mask[650, 650]


def test_the_session_goes_on_on_the_cpu(session, running, monkeypatch):
    session._predictor.device = torch.device("meta")
    monkeypatch.setattr("napari_gpcis.engine.predictor.SMALLEST_TILE", 1024)
    running.encode = Scarce(running, times=2)
    with pytest.warns(RuntimeWarning) as said:
        result = session.add_click(30, 40)
    assert "falls back from meta to the CPU" in str(said[-1].message)
    assert session.device.type == "cpu"
    assert result.mask[30, 40]


def test_other_errors_are_not_taken_for_it(session, running):
    running.encode = Scarce(running, times=1, error=RuntimeError("size mismatch"))
    with pytest.raises(RuntimeError, match="size mismatch"):
        session.add_click(30, 40)
    assert len(session.clicks) == 1
    assert session.result.mask[30, 40]


def test_the_cache_stays_within_its_budget(network):
    session = Session(network, device="cpu", device_bytes=2_000_000, host_bytes=1_000_000)
    session.set_image(np.random.default_rng(0).random((12, 128, 128)))
    for z in range(12):
        session.add_click(60, 60, z=z)
        cache = session._predictor.cache
        assert 0 < cache.used_device_bytes <= 2_000_000
        assert cache.used_host_bytes <= 1_000_000
