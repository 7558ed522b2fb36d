"""What is proposed after a few committed objects, on fields of bright disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.proposals.linking import link
from napari_gpcis.engine.proposals.proposal import Proposal
from napari_gpcis.engine.proposals.proposer import placed
from napari_gpcis.engine.session import Session

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_gpcis.model import SegmentationNetwork

SIDE, RADIUS = 384, 24
CENTRES = [(row, col) for row in (60, 190, 320) for col in (60, 190, 320)]


def field(shift: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Nine bright disks on a dark ground, and their labels."""
    rows, cols = np.mgrid[:SIDE, :SIDE]
    image = np.full((SIDE, SIDE), 40, np.uint8)
    labels = np.zeros((SIDE, SIDE), np.int32)
    for label, (row, col) in enumerate(CENTRES, start=1):
        inside = (rows - row) ** 2 + (cols - col - shift) ** 2 < RADIUS**2
        image[inside], labels[inside] = 200, label
    return image, labels


@pytest.fixture
def session(seeing: SegmentationNetwork) -> Session:
    """A session in which the first disk has been committed."""
    session = Session(seeing, device="cpu", object_diameter=2 * RADIUS)
    session.set_image(field()[0])
    session.add_click(*CENTRES[0])
    session.commit()
    return session


def found_labels(proposals: list[Proposal]) -> list[int]:
    """Label of the disk that each proposal shows."""
    labels = field()[1]
    found = []
    for proposal in proposals:
        label = int(np.bincount(labels[proposal.box.slices][proposal.mask]).argmax())
        disk = labels == label
        shared = int((disk[proposal.box.slices] & proposal.mask).sum())
        assert shared / (proposal.area + disk.sum() - shared) > 0.75
        found.append(label)
    return found


def test_all_other_objects_are_proposed_once_and_nothing_else(session: Session) -> None:
    proposals = list(session.propose())
    assert sorted(found_labels(proposals)) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert all(0.5 < proposal.score <= 1 for proposal in proposals)


def test_proposing_changes_nothing_and_gives_the_same_again(session: Session) -> None:
    before = session.labels
    first, second = list(session.propose()), list(session.propose())
    assert [item.score for item in first] == [item.score for item in second]
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(first, second, strict=True))
    assert np.array_equal(session.labels, before)


def test_accepting_is_one_step_and_can_be_undone_and_done_again(session: Session) -> None:
    labels = session.accept(session.propose())
    assert labels == list(range(2, 10))
    accepted = session.labels
    assert np.mean((accepted > 0) == (field()[1] > 0)) > 0.99
    session.undo()
    assert set(np.unique(session.labels)) == {0, 1}
    session.redo()
    assert np.array_equal(session.labels, accepted)


def test_an_accepted_object_is_taken_up_with_the_click_that_found_it(session: Session) -> None:
    [label, *_] = session.accept(session.propose())
    area = int((session.labels == label).sum())
    session.take_up(label)
    [click] = session.clicks
    assert session.labels[click.row, click.col] == label
    assert int(session.result.mask.sum()) == area


def test_labelled_pixels_are_never_proposed(session: Session) -> None:
    labels = field()[1]
    session.annotation.commit_found([({0: (Box(0, 0, SIDE, SIDE), labels == 5)}, ())])
    assert sorted(found_labels(list(session.propose()))) == [2, 3, 4, 6, 7, 8, 9]


def test_what_was_rejected_is_not_proposed_again(session: Session) -> None:
    wrong, *others = session.propose()
    session.reject(wrong)
    again = list(session.propose())
    assert not any(item.iou(wrong) > 0 for item in again)
    assert len(again) <= len(others)


def test_stale_proposals_end_at_once(session: Session) -> None:
    assert list(session.propose(is_stale=lambda: True)) == []


def test_progress_reaches_the_number_of_tiles(session: Session) -> None:
    steps: list[tuple[int, int]] = []
    list(session.propose(on_progress=lambda done, total: steps.append((done, total))))
    assert steps[0][0] == 0
    assert steps[-1][0] == steps[-1][1]


def test_examples_of_one_image_serve_for_another(
    session: Session, seeing: SegmentationNetwork
) -> None:
    other = Session(seeing, device="cpu", object_diameter=2 * RADIUS)
    other.set_image(np.roll(field()[0], 7, 1))
    assert len(list(other.propose(examples=session.examples()))) == 9


def test_without_an_example_the_remedy_is_told(seeing: SegmentationNetwork) -> None:
    session = Session(seeing, device="cpu")
    session.set_image(field()[0])
    with pytest.raises(ValueError, match="commit one first"):
        list(session.propose())


def test_objects_of_a_stack_are_linked_and_accepted_as_one(
    seeing: SegmentationNetwork,
) -> None:
    session = Session(seeing, device="cpu", object_diameter=2 * RADIUS)
    session.set_image(np.stack([field(shift)[0] for shift in (0, 4, 8)]))
    session.add_click(*CENTRES[0], z=1)
    session.commit()
    linked = link(session.propose(range(3)))
    # the committed disk was so in one slice only
    assert sorted(len(item.parts) for item in linked) == [1, 1, *[3] * 8]
    session.accept(linked)
    for z in range(3):
        assert len(np.unique(session.labels_for(z))) == 10
    session.undo()
    assert set(np.unique(session.labels)) == {0, 1}


def square(z: int, row: int, col: int, score: float, side: int = 10) -> Proposal:
    """A square proposal."""
    box = Box(row, col, row + side, col + side)
    return Proposal(z, box, np.ones(box.shape, bool), score, Click(z, row, col))


def test_distant_objects_of_neighbouring_slices_are_not_linked() -> None:
    parts = [square(0, 0, 0, 0.9), square(1, 0, 20, 0.9), square(3, 0, 0, 0.9)]
    assert [len(item.parts) for item in link(parts)] == [1, 1, 1]


def test_of_two_partners_the_one_that_overlaps_more_is_linked() -> None:
    near, far, above = square(0, 0, 1, 0.5), square(0, 0, 4, 0.9), square(1, 0, 0, 0.5)
    [pair] = [item for item in link([near, far, above]) if len(item.parts) == 2]
    assert pair.parts == (near, above)


def test_a_pixel_goes_to_the_better_proposal() -> None:
    owned = np.zeros((20, 40), bool)
    better, worse = square(0, 0, 0, 0.9), square(0, 0, 7, 0.6)
    first, second = placed([worse, better], owned)
    assert first is better
    assert (second.box, second.area) == (Box(0, 10, 10, 17), 70)
    assert second.score == pytest.approx(0.6 * 0.7)
    assert int(owned.sum()) == 170


def test_a_proposal_that_loses_too_much_is_left_out() -> None:
    owned = np.zeros((20, 40), bool)
    assert list(placed([square(0, 0, 0, 0.9), square(0, 0, 3, 0.6)], owned))[1:] == []
