"""The next click goes where the answer is least sure."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gpcis.engine import Session
from napari_gpcis.engine.guidance import next_click, uncertainty


@pytest.fixture
def session(seeing):
    """A bright square beside a grey one, of which the network cannot be sure."""
    image = np.zeros((96, 96))
    image[20:60, 10:40] = 1.0
    image[20:60, 40:70] = 0.5
    session = Session(seeing, device="cpu")
    session.set_image(image)
    return session


def test_uncertainty_is_between_0_and_1_and_least_at_the_click(session):
    result = session.add_click(40, 25)
    undecided = uncertainty(result)
    assert undecided.shape == result.box.shape
    assert undecided.min() >= 0
    assert undecided.max() <= 1
    row, col = 40 - result.box.r0, 25 - result.box.c0
    assert undecided[row, col] < undecided[:, 45 - result.box.c0].max()


def test_the_next_click_is_in_doubtful_grey(session):
    result = session.add_click(40, 25)
    row, col = next_click(result)
    assert 15 <= row < 65
    assert 36 <= col < 74


def test_a_clicked_place_is_not_proposed_again(session):
    result = session.add_click(40, 25)
    places = []
    for _ in range(4):
        place = next_click(result)
        if place is None:
            break
        assert all(max(abs(place[0] - r), abs(place[1] - c)) > 4 for r, c in places)
        places.append(place)
        result = session.add_click(*place, positive=False)
    assert places


def test_without_a_mask_there_is_nothing_to_propose(session):
    assert next_click(session.add_click(80, 80, positive=False)) is None
