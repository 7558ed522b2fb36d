from __future__ import annotations

import numpy as np
import pytest

from napari_gpcis.engine import Session
from tests.engine.conftest import Watched, disk


@pytest.fixture
def stack():
    planes = np.full((5, 90, 120), 20, np.uint16)
    for z in range(5):
        planes[z][disk((90, 120), (45, 40 + 5 * z), 50)] = 900
    return planes


def test_slices_are_read_when_they_are_clicked(seeing, stack):
    lazy = Watched(stack)
    session = Session(seeing, device="cpu")
    session.set_image(lazy)
    assert lazy.reads == []
    session.add_click(45, 55, z=3)
    session.add_click(40, 50, z=3)
    assert {key[0] for key in lazy.reads} == {3}
    session.add_click(45, 40, z=0)
    assert {key[0] for key in lazy.reads} == {0, 3}


def test_masks_belong_to_their_slice(seeing, stack):
    session = Session(seeing, device="cpu")
    session.set_image(stack)
    first = session.add_click(45, 55, z=3)
    assert first.z == 3
    assert first.mask.shape == (90, 120)
    second = session.add_click(45, 40, z=0)
    assert len(second.clicks) == 1


def test_an_object_clicked_in_several_slices_gets_one_label(seeing, stack):
    session = Session(seeing, device="cpu")
    session.set_image(stack)
    masks = {z: session.add_click(45, 40 + 5 * z, z=z).mask for z in (1, 3)}
    assert session.commit() == 1
    assert session.labels.shape == stack.shape
    for z in range(5):
        np.testing.assert_array_equal(session.labels_for(z), masks.get(z, np.zeros((90, 120))))
    session.undo()
    assert not session.labels.any()
    assert len(session.clicks) == 2


def test_labels_of_untouched_slices_take_no_memory(seeing):
    session = Session(seeing, device="cpu")
    session.set_image(np.broadcast_to(np.uint8(3), (100_000, 64, 64)))
    session.add_click(3, 3, z=99_999)
    session.commit()
    assert session.labels_for(99_999).any()
    assert len(session.annotation.labels._slices) == 1


def test_a_slice_that_is_not_there_is_refused(seeing, stack):
    session = Session(seeing, device="cpu")
    session.set_image(stack)
    for ask in (session.labels_for, session.prepare):
        with pytest.raises(ValueError, match="between 0 and 4, got 5"):
            ask(5)


def test_a_slice_prepared_ahead_is_not_encoded_again(seeing, stack, monkeypatch):
    session = Session(seeing, device="cpu", object_diameter=64)
    session.set_image(stack)
    session.prepare(2)
    monkeypatch.setattr(
        session._predictor.network, "encode", lambda image: pytest.fail("encoded again")
    )
    session.add_click(45, 50, z=2)


def test_going_back_to_an_image_finds_its_embeddings(seeing, stack, monkeypatch):
    session = Session(seeing, device="cpu")
    session.set_image(stack, identity="layer 1")
    session.add_click(45, 50, z=2)
    session.set_image(stack[0], identity="layer 2")
    session.add_click(45, 50)
    monkeypatch.setattr(
        session._predictor.network, "encode", lambda image: pytest.fail("encoded again")
    )
    session.set_image(stack, identity="layer 1")
    session.add_click(45, 50, z=2)
