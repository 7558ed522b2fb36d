"""What is changed without the network: clicks, commits, objects taken up again, masks carried."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from napari_gpcis.engine import (
    Annotation,
    Box,
    Click,
    Committed,
    LabelStore,
    Patch,
    Session,
    StoredMask,
)
from napari_gpcis.engine.document.annotation import reach
from napari_gpcis.engine.prompts import scribble_clicks

SHAPE = (3, 40, 50)


def square(r0: int, c0: int, size: int = 6, clicks: tuple[Click, ...] = ()) -> StoredMask:
    box = Box(r0, c0, r0 + size, c0 + size)
    return StoredMask(box, np.ones((size, size), np.bool_), clicks)


@pytest.fixture
def array():
    return np.zeros(SHAPE, np.uint16)


@pytest.fixture
def annotation(array):
    return Annotation(LabelStore(SHAPE, array, in_place=True))


def commit_square(annotation: Annotation, z: int, r0: int, c0: int) -> int:
    annotation.carry({z: square(r0, c0)})
    return annotation.commit()


def test_without_torch_everything_can_be_changed():
    code = (
        "import sys, numpy as np\n"
        "from napari_gpcis.engine import Annotation, Box, StoredMask, Click, LabelStore\n"
        "a = Annotation(LabelStore((1, 9, 9)))\n"
        "a.add(Click(0, 1, 1)); a.undo(); a.redo(); a.clear()\n"
        "a.carry({0: StoredMask(Box(0, 0, 2, 2), np.ones((2, 2), bool))}); a.commit()\n"
        "print(a.labels.of_slice(0).sum(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["4", "False"]


def test_labels_are_written_in_place(annotation, array):
    label = commit_square(annotation, 1, 5, 5)
    assert label == 1
    assert (array[1, 5:11, 5:11] == 1).all()
    assert array.sum() == 36
    annotation.undo()
    assert not array.any()


def test_other_labels_are_protected_and_their_numbers_not_used(array):
    array[0, :8, :8] = 7
    annotation = Annotation(LabelStore(SHAPE, array, in_place=True))
    assert commit_square(annotation, 0, 5, 5) == 8
    assert (array[0, :8, :8] == 7).all()
    assert (array == 8).sum() == 36 - 9


def test_a_label_that_the_layer_cannot_hold_is_refused():
    array = np.zeros(SHAPE, np.uint8)
    array[0, 0, 0] = 255
    annotation = Annotation(LabelStore(SHAPE, array, in_place=True))
    annotation.carry({0: square(5, 5)})
    with pytest.raises(ValueError, match="int32"):
        annotation.commit()
    assert annotation.state.objects() == [1]


def test_an_object_taken_up_has_its_clicks_and_its_pixels(annotation, array):
    annotation.add(Click(1, 7, 7))
    annotation.carry({0: square(3, 3), 2: square(4, 4)})
    question = annotation.question(1)
    assert question.clicks == annotation.state.clicks
    mask = square(5, 5, clicks=annotation.state.clicks)
    state = annotation.state
    annotation.history.amend(
        type(state)(state.clicks, 1, 1, carried={**state.carried, (1, 1): mask})
    )
    label = annotation.commit()
    array[1, 5, 5] = 0  # painted by hand
    owner = annotation.take_up(label)
    state = annotation.state
    assert [click.place for click in state.clicks] == [(1, 7, 7)]
    assert state.slices_of(owner) == [0, 1, 2]
    box, kept = state.mask_of(owner, 1)
    assert not kept[5 - box.r0, 5 - box.c0]
    assert kept.sum() == 35
    assert annotation.unanswered() == []


def test_committing_it_again_replaces_its_pixels_and_no_others(annotation, array):
    first = commit_square(annotation, 1, 5, 5)
    second = commit_square(annotation, 1, 20, 20)
    annotation.take_up(first)
    annotation.carry({1: square(8, 8)})
    assert annotation.commit() == first
    assert (array[1, 8:14, 8:14] == first).all()
    assert (array == first).sum() == 36
    assert (array == second).sum() == 36
    annotation.undo()
    assert (array[1, 5:11, 5:11] == first).all()


def test_clearing_it_puts_it_back_as_it_was(annotation, array):
    label = commit_square(annotation, 1, 5, 5)
    before = array.copy()
    annotation.take_up(label)
    assert annotation.clear()
    assert [done.label for done in annotation.state.committed] == [label]
    np.testing.assert_array_equal(array, before)


def test_a_label_from_elsewhere_can_be_taken_up_where_it_is_seen(array):
    array[2, 10:20, 10:20] = 4
    annotation = Annotation(LabelStore(SHAPE, array, in_place=True))
    with pytest.raises(ValueError, match="double-click"):
        annotation.take_up(4, 0)
    owner = annotation.take_up(4, 2)
    assert annotation.state.mask_of(owner, 2)[1].sum() == 100
    assert annotation.commit() == 4
    assert (array == 4).sum() == 100


def test_a_carried_mask_holds_until_the_slice_is_clicked(annotation):
    annotation.carry({2: square(5, 5)})
    assert annotation.unanswered() == []
    annotation.add(Click(2, 7, 7))
    assert annotation.unanswered() == [2]
    assert annotation.question(2).seed is annotation.state.carried[1, 2]
    annotation.undo()
    assert annotation.state.mask_of(1, 2) is not None


def test_an_object_whose_last_click_in_a_slice_is_gone_can_be_committed(annotation, array):
    annotation.carry({0: square(5, 5)})
    annotation.add(Click(0, 7, 7))
    annotation.carry({1: square(5, 5)})
    annotation.remove(0)
    assert annotation.unanswered() == []
    annotation.commit()
    assert array[1].sum() == 36


def test_painting_by_hand_is_a_step_like_any_other(annotation, array):
    box = Box(0, 0, 2, 2)
    before = array[0, :2, :2].astype(np.int32)
    array[0, :2, :2] = 9
    annotation.edit([Patch(0, box, before, before + 9)], written=True)
    assert commit_square(annotation, 0, 20, 20) == 10
    for _ in range(3):  # the commit, the carried mask, the brush
        annotation.undo()
    assert not array.any()
    annotation.redo()
    assert array[0, :2, :2].sum() == 36


def test_undo_leaves_pixels_alone_that_the_step_did_not_change(annotation, array):
    commit_square(annotation, 0, 5, 5)
    array[0, 20, 20] = 3
    annotation.undo()
    assert array[0, 20, 20] == 3
    assert array.sum() == 3


def test_observers_hear_of_every_change(annotation):
    heard = []
    annotation.observers.append(lambda change: heard.append(change.kind))
    annotation.add(Click(0, 1, 1))
    annotation.set_clicks(annotation.state.clicks)  # changes nothing
    annotation.undo()
    annotation.undo()  # nothing to undo
    annotation.redo()
    annotation.clear()
    assert heard == ["step", "undo", "redo", "step"]


def test_a_draft_waits_while_another_object_is_clicked(annotation):
    annotation.add(Click(0, 5, 5))
    assert annotation.begin_object() == 2
    assert annotation.begin_object() == 2  # it has no clicks yet
    annotation.add(Click(0, 9, 9, object_id=2))
    annotation.activate(1)
    assert annotation.state.objects() == [1, 2]
    annotation.clear()
    assert [click.object_id for click in annotation.state.clicks] == [2]


def test_large_patches_come_back_from_their_packing():
    shape = (1, 700, 700)
    values = np.random.default_rng(0).integers(0, 300, shape[1:]).astype(np.int32)
    annotation = Annotation(LabelStore(shape), class_mode=True)
    annotation.commit_classes({0: values})
    np.testing.assert_array_equal(annotation.labels.of_slice(0), values)
    annotation.undo()
    assert not annotation.labels.of_slice(0).any()
    annotation.redo()
    np.testing.assert_array_equal(annotation.labels.of_slice(0), values)


def test_asked_again_an_object_has_the_mask_that_it_had(network):
    """Its answers are forgotten; the same clicks, one by one, bring the same mask."""
    session = Session(network, device="cpu")
    session.set_image(np.random.default_rng(1).random(SHAPE[1:]))
    for place in ((5, 5), (20, 30), (30, 10)):
        mask = session.add_click(*place, positive=place != (20, 30)).mask
    session.annotation.history.forget_answers()
    question = session.annotation.question(0)
    assert question.last is None
    np.testing.assert_array_equal(session.answer(question).mask, mask)


def test_a_click_on_a_carried_mask_starts_from_it(seeing):
    image = np.zeros(SHAPE[1:])
    image[10:30, 10:30] = 1
    session = Session(seeing, device="cpu")
    session.set_image(np.stack([image] * 3))
    session.annotation.carry({1: square(10, 10, 20)})
    result = session.add_click(35, 45, positive=False, z=1)
    assert result.mask[20, 20]  # the negative click alone says nothing of this place
    assert not result.mask[35, 45]
    again = session.add_click(12, 12, positive=False, z=1)
    assert not again.mask[12, 12]


def test_a_session_goes_on_from_a_given_annotation(network):
    store = LabelStore((1, 40, 50))
    annotation = Annotation(store, committed=(Committed(3, ()),))
    annotation.add(Click(0, 5, 5))
    session = Session(network, device="cpu")
    with pytest.raises(ValueError, match="annotation"):
        session.set_image(np.zeros((8, 9)), annotation=annotation)
    session.set_image(np.random.default_rng(0).random((40, 50)), annotation=annotation)
    assert session.result.mask[5, 5]
    assert session.commit() == 4


def test_propagating_again_replaces_what_it_reaches(annotation):
    annotation.add(Click(1, 7, 7))
    annotation.carry({0: square(5, 5), 2: square(5, 5)})
    assert annotation.carry({2: square(8, 8)}, instead=range(1, 3))
    state = annotation.state
    assert state.mask_of(1, 0)[0].r0 == 5
    assert state.mask_of(1, 2)[0].r0 == 8
    assert annotation.carry({}, instead=range(1, 3))
    assert annotation.state.slices_of(1) == [0, 1]
    assert not annotation.carry({}, instead=range(1, 3))


@pytest.mark.parametrize(
    ("direction", "expected"), [("both", range(8)), ("up", range(2, 8)), ("down", range(6))]
)
def test_propagation_reaches_from_the_clicked_slices_to_the_ends(direction, expected):
    assert reach({2, 5}, direction, range(8)) == expected


def test_a_foreseen_click_asks_what_it_will_ask_once_it_is_made(network):
    session = Session(network, device="cpu")
    session.set_image(np.random.default_rng(1).random(SHAPE))
    session.add_click(5, 5, z=1)
    annotation = session.annotation
    for place in ((1, 9, 9), (1, 5, 5), (2, 3, 3)):
        click = Click(*place, positive=False)
        before = annotation.state
        foreseen = annotation.question_after(click)
        assert annotation.state is before
        annotation.add(click)
        assert foreseen.same_as(annotation.question(click.z))
        assert not foreseen.same_as(annotation.question_after(Click(place[0], 11, 11)))
        annotation.undo()


def test_a_stroke_is_one_step_and_goes_as_one() -> None:
    annotation = Annotation(LabelStore((1, 40, 50)))
    stroke = scribble_clicks([(5, 5), (5, 9)], annotation.shape, stroke=annotation.next_stroke)
    annotation.add(*stroke)
    annotation.add(Click(0, 8, 8))
    assert annotation.next_stroke == 2
    annotation.undo()
    assert annotation.state.clicks == stroke
    annotation.undo()
    assert annotation.state.clicks == ()
    annotation.redo()
    annotation.remove(2)
    assert annotation.state.clicks == ()
