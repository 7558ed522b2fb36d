"""Objects deleted, merged and split, and the way back from each."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import disk

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.annotation import Annotation
from napari_gpcis.engine.document.history import Committed
from napari_gpcis.engine.document.label_store import LabelStore
from napari_gpcis.engine.geometry import Box

SHAPE = (3, 40, 60)
WHOLE = Box(0, 0, 40, 60)


def annotated(array: np.ndarray, *committed: Committed) -> Annotation:
    return Annotation(LabelStore(SHAPE, array, in_place=True), committed=committed)


@pytest.fixture
def array() -> np.ndarray:
    """Three squares in a row, the second one in two slices."""
    array = np.zeros(SHAPE, np.uint16)
    array[0, 5:15, 5:15] = 1
    array[0:2, 5:15, 15:25] = 2
    array[0, 5:15, 30:40] = 3
    return array


def committed() -> tuple[Committed, ...]:
    one = Committed(1, (Click(0, 9, 9, object_id=1),), ((0, Box(5, 5, 15, 15)),), 0.9)
    two = (0, Box(5, 15, 15, 25)), (1, Box(5, 15, 15, 25))
    return one, Committed(2, (Click(1, 9, 20, object_id=2),), two, 0.7)


def test_deleted_objects_leave_no_pixel_and_undo_brings_them_back(array: np.ndarray) -> None:
    before = array.copy()
    annotation = annotated(array, *committed())
    annotation.delete({2: committed()[1].places, 3: ((0, WHOLE),)})
    assert np.unique(array).tolist() == [0, 1]
    assert [done.label for done in annotation.state.committed] == [1]
    annotation.undo()
    np.testing.assert_array_equal(array, before)
    assert annotation.state.committed == committed()


def test_merged_objects_have_the_first_label_all_clicks_and_the_lowest_certainty(
    array: np.ndarray,
) -> None:
    before = array.copy()
    annotation = annotated(array, *committed())
    annotation.merge({1: committed()[0].places, 2: committed()[1].places})
    assert (array == 1).sum() == 300
    assert not (array == 2).any()
    (done,) = annotation.state.committed
    assert done.certainty == 0.7
    assert [click.place for click in done.clicks] == [(0, 9, 9), (1, 9, 20)]
    assert dict(done.places) == {0: Box(5, 5, 15, 25), 1: Box(5, 15, 15, 25)}
    annotation.undo()
    np.testing.assert_array_equal(array, before)
    annotation.redo()
    assert (array == 1).sum() == 300


def test_one_object_cannot_be_merged(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="select several"):
        annotated(array).merge({1: ((0, WHOLE),)})


def test_pieces_that_lie_apart_are_split_off(array: np.ndarray) -> None:
    array[0, 20:25, 5:10] = 1
    array[0, 30:32, 5:10] = 1
    annotation = annotated(array, *committed())
    annotation.split(1, ((0, WHOLE),))
    assert (array[0, 5:15, 5:15] == 1).all()
    assert np.unique(array[0, 20:25, 5:10]).tolist() == [4]
    assert np.unique(array[0, 30:32, 5:10]).tolist() == [5]
    parts = {done.label: done for done in annotation.state.committed}
    assert parts[4].places == ((0, Box(20, 5, 25, 10)),)
    assert [click.place for click in parts[1].clicks] == [(0, 9, 9)]
    assert parts[4].clicks == ()
    annotation.undo()
    assert (array[0, 20:25, 5:10] == 1).all()


def test_an_object_in_one_piece_is_cut_at_its_waist() -> None:
    array = np.zeros(SHAPE, np.uint16)
    for z in range(2):
        array[z][disk((20, 18), 12)] = 7
        array[z][disk((20, 38), 11)] = 7
    annotation = annotated(array)
    total = int((array == 7).sum())
    annotation.split(7, ((0, WHOLE), (1, WHOLE)))
    assert array[0, 20, 14] == array[1, 20, 14] == 7
    assert array[0, 20, 42] == array[1, 20, 42] == 8
    sizes = [int((array == label).sum()) for label in (7, 8)]
    assert sum(sizes) == total
    assert min(sizes) > 0.4 * total
    # the waist lies near column 28.5
    assert (array[0, 20, :27] != 8).all() and (array[0, 20, 31:] != 7).all()


def test_slices_that_hang_together_are_one_piece(array: np.ndarray) -> None:
    array[2, 5:15, 15:25] = 2
    array[1, 5:15, 15:25] = 0
    annotation = annotated(array, *committed())
    annotation.split(2, ((0, WHOLE), (2, WHOLE)))
    assert [array[0, 9, 20], array[2, 9, 20]] == [2, 4]


def test_a_round_object_is_not_split() -> None:
    array = np.zeros(SHAPE, np.uint16)
    array[0][disk((20, 20), 10)] = 1
    annotation = annotated(array)
    with pytest.raises(ValueError, match="paint a gap"):
        annotation.split(1, ((0, WHOLE),))
    assert not annotation.can_undo


def test_an_object_under_work_is_left_alone(array: np.ndarray) -> None:
    annotation = annotated(array, *committed())
    annotation.take_up(2)
    with pytest.raises(ValueError, match="worked on; commit it first"):
        annotation.delete({2: committed()[1].places})
    assert (array == 2).any()
