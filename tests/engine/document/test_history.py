from __future__ import annotations

import numpy as np
import pytest

from napari_gpcis.engine import Session

SHAPE = (2, 40, 50)


@pytest.fixture
def session(network):
    session = Session(network, device="cpu")
    session.set_image(np.random.default_rng(1).random(SHAPE))
    return session


def snapshot(session):
    """All that a user can see."""
    masks = [session.result.mask, session.labels]
    facts = (session.clicks, session.committed, session.object_diameter, session.result.z)
    return [array.copy() for array in masks], facts


def assert_same(given, wanted):
    assert given[1][:3] == wanted[1][:3]
    np.testing.assert_array_equal(given[0][1], wanted[0][1])
    if given[1][3] == wanted[1][3]:
        np.testing.assert_array_equal(given[0][0], wanted[0][0])


def act(session, rng):
    """Do something at random; False if it could not be done."""
    kind = rng.choice(["click", "click", "click", "move", "remove", "commit", "clear"])
    place = rng.integers(SHAPE[1]), rng.integers(SHAPE[2])
    count = len(session.clicks)
    if kind == "click":
        session.add_click(*place, bool(rng.integers(2)), z=int(rng.integers(2)))
    elif kind == "commit":
        try:
            session.commit(overlap=str(rng.choice(["protect", "overwrite"])))
        except ValueError:
            return False
    elif count and kind == "move":
        session.move_click(int(rng.integers(count)), *place)
    elif count and kind == "remove":
        session.remove_click(int(rng.integers(count)))
    elif count and kind == "clear":
        session.clear()
    else:
        return False
    return True


@pytest.mark.parametrize("seed", range(3))
def test_any_sequence_can_be_undone_and_redone(session, seed):
    rng = np.random.default_rng(seed)
    seen = [snapshot(session)]
    while len(seen) < 16:
        if act(session, rng):
            seen.append(snapshot(session))
    for wanted in reversed(seen[:-1]):
        session.undo()
        assert_same(snapshot(session), wanted)
    assert not session.can_undo
    for wanted in seen[1:]:
        session.redo()
        assert_same(snapshot(session), wanted)
    assert not session.can_redo


def test_a_new_click_ends_what_could_be_redone(session):
    session.add_click(5, 5)
    session.undo()
    assert session.can_redo
    session.add_click(9, 9)
    assert not session.can_redo
    session.redo()
    assert [click.row for click in session.clicks] == [9]


def test_with_nothing_to_undo_nothing_happens(session):
    result = session.undo()
    assert not result.mask.any()
    session.add_click(5, 5)
    mask = session.result.mask
    np.testing.assert_array_equal(session.redo().mask, mask)


def test_an_undone_commit_brings_object_and_pixels_back(session):
    mask = session.add_click(30, 20).mask
    clicks = session.clicks
    session.commit()
    assert session.clicks == ()
    result = session.undo()
    np.testing.assert_array_equal(result.mask, mask)
    assert session.clicks == clicks
    assert not session.labels.any()
    assert session.commit() == 1


def test_undo_shows_the_slice_that_it_changed(session):
    session.add_click(5, 5, z=0)
    session.add_click(5, 5, z=1)
    result = session.undo()
    assert result.z == 1
    assert not result.mask.any()


def test_undo_reaches_back_beyond_the_answers_that_are_kept(network, monkeypatch):
    monkeypatch.setattr("napari_gpcis.engine.document.history.STEPS_WITH_ANSWERS", 4)
    session = Session(network, device="cpu")
    session.set_image(np.random.default_rng(1).random((32, 32)))
    for number in range(9):
        session.add_click(number, 0, positive=number % 3 > 0)
    for _ in range(6):
        session.undo()
    assert [click.row for click in session.clicks] == [0, 1, 2]
    np.testing.assert_array_equal(session.result.mask[[0, 1, 2], 0], [False, True, True])


def test_many_objects_at_once_do_not_fill_the_memory(session):
    masks = {}
    for number in range(1, 25):
        masks[number] = session.add_click(number, number, object_id=number).mask
    assert len(session.annotation.state.answers) < 20
    session.add_click(30, 5, positive=False, object_id=1)
    session.undo()
    np.testing.assert_array_equal(session.result.mask, masks[24])
