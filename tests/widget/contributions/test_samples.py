from __future__ import annotations

import socket
from typing import Any

import numpy as np
import pytest

from napari_gpcis.widget.contributions import samples


@pytest.mark.parametrize("name", samples.__all__)
def test_a_sample_needs_no_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    ((data, meta, kind),) = getattr(samples, name)()
    assert kind == "image"
    assert data.max() > data.min()
    assert len(meta.get("scale", data.shape)) == data.ndim


@pytest.mark.parametrize("make", [samples.nuclei, samples.moving_cells])
def test_a_synthetic_sample_is_always_the_same(make: Any) -> None:
    (first, _, _), (again, _, _) = *make(), *make()
    np.testing.assert_array_equal(first, again)


def test_nuclei_stand_out_from_noise_and_do_not_fill_the_stack() -> None:
    ((stack, meta, _),) = samples.nuclei()
    assert meta["scale"] == (1, 0.25, 0.25)
    ground = np.median(stack)
    noise = 1.4826 * np.median(np.abs(stack - ground))
    bright = stack > ground + 8 * noise
    assert 0.02 < bright.mean() < 0.3


def test_cells_move_little_by_little() -> None:
    ((film, _, _),) = samples.moving_cells()
    frames = film.astype(float).reshape(len(film), -1)
    likeness = np.corrcoef(frames)[0]
    assert likeness[1] > 0.8
    assert likeness[-1] < likeness[5] < likeness[1]
