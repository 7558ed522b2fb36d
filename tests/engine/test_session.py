from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_gpcis.engine import Box, Click, Session
from tests.engine.conftest import disk


def iou(given, wanted):
    return (given & wanted).sum() / (given | wanted).sum()


def with_disks(*disks, shape=(600, 700)):
    image = np.full(shape, 20, np.uint8)
    for number, (centre, diameter) in enumerate(disks):
        image[disk(shape, centre, diameter)] = 230 - 40 * number
    return image


@pytest.fixture
def session(seeing):
    """An image with a bright disk, and a darker one."""
    session = Session(seeing, device="cpu")
    session.set_image(with_disks(((150, 160), 70), ((420, 500), 60)))
    return session


def test_a_click_becomes_a_mask(session):
    result = session.add_click(150, 160)
    assert iou(result.mask, disk((600, 700), (150, 160), 70)) > 0.9
    assert result.probability[150, 160] > 0.8
    assert result.probability[300, 160] < 0.5
    assert result.variance[150, 160] < result.variance[250, 160]


def test_the_arrays_of_the_slice_are_those_of_the_box_and_nothing_elsewhere(session):
    result = session.add_click(150, 160)
    assert result.box == result.window == Box(32, 32, 288, 288)
    outside = np.ones(result.mask.shape, np.bool_)
    outside[result.box.slices] = False
    for name in ("mask", "probability", "variance", "prior", "update"):
        whole, part = getattr(result, name), getattr(result, f"box_{name}")
        np.testing.assert_array_equal(whole[result.box.slices], part)
        assert not whole[outside].any()


def test_prior_and_update_add_up_to_the_logit(session):
    result = session.add_click(150, 160)
    logit = result.box_prior + result.box_update
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), result.box_probability, atol=1e-4)


def test_timings_of_every_stage_are_told(session):
    result = session.add_click(150, 160)
    assert set(result.timings) == {"encode", "decode", "gp", "resample"}
    assert all(seconds >= 0 for seconds in result.timings.values())


def test_a_click_outside_changes_nothing(session):
    session.add_click(150, 160)
    before = session.result
    for place in ((-1, 5), (600, 5), (5, 700), (float("nan"), 5)):
        with pytest.raises(ValueError, match="row before column"):
            session.add_click(*place)
        with pytest.raises(ValueError, match="row before column"):
            session.move_click(0, *place)
    with pytest.raises(ValueError, match="1 slice"):
        session.add_click(5, 5, z=1)
    assert session.clicks == (Click(0, 150, 160),)
    assert session.result is before


def test_a_second_click_on_a_pixel_replaces_the_first(session):
    session.add_click(150, 160)
    session.add_click(150, 160, positive=False)
    assert session.clicks == (Click(0, 150, 160, positive=False),)
    assert not session.result.mask[150, 160]
    session.undo()
    assert session.clicks == (Click(0, 150, 160),)
    assert session.result.mask[150, 160]


def test_a_moved_click_counts_where_it_is_now(session):
    session.add_click(420, 500)
    result = session.move_click(0, 150, 160)
    assert session.clicks == (Click(0, 150, 160),)
    assert iou(result.mask, disk((600, 700), (150, 160), 70)) > 0.9


def test_a_click_moved_onto_another_replaces_it(session):
    session.add_click(150, 160)
    session.add_click(160, 160)
    session.add_click(200, 200, positive=False)
    session.move_click(2, 150, 160)
    assert session.clicks == (Click(0, 160, 160), Click(0, 150, 160, positive=False))


def test_a_removed_click_no_longer_counts(session):
    alone = session.add_click(150, 160).probability
    session.add_click(190, 200)
    result = session.remove_click(1)
    assert session.clicks == (Click(0, 150, 160),)
    np.testing.assert_allclose(result.probability, alone, atol=1e-5)


def test_without_clicks_there_is_no_mask(session):
    session.add_click(150, 160)
    for result in (session.remove_click(0), session.clear(), session.result):
        assert not result.mask.any()
        assert not result.probability.any()
        assert not result.variance.any()
        assert result.mask.shape == (600, 700)
    with pytest.raises(ValueError, match="index of one of 0 clicks"):
        session.remove_click(0)


def test_a_commit_writes_the_object_and_begins_the_next(session):
    first = session.add_click(150, 160).mask
    assert session.commit() == 1
    assert session.clicks == ()
    assert not session.result.mask.any()
    second = session.add_click(420, 500).mask
    assert session.commit() == 2
    np.testing.assert_array_equal(session.labels, first + 2 * second)
    assert session.labels.dtype == np.int32
    assert [done.label for done in session.committed] == [1, 2]
    assert session.committed[1].clicks == (Click(0, 420, 500, object_id=2),)


def test_nothing_is_not_committed(session):
    with pytest.raises(ValueError, match="empty mask; click on the object"):
        session.commit()
    session.add_click(150, 160, positive=False)
    with pytest.raises(ValueError, match="empty mask"):
        session.commit()
    assert len(session.clicks) == 1
    assert not session.labels.any()


def test_labelled_pixels_are_protected_by_default(session):
    first = session.add_click(150, 160).mask
    session.commit()
    session.add_click(150, 160)
    with pytest.raises(ValueError, match="overlap='overwrite'"):
        session.commit()
    second = session.add_click(100, 100).mask
    session.commit()
    np.testing.assert_array_equal(session.labels == 1, first)
    np.testing.assert_array_equal(session.labels == 2, second & ~first)


def test_labelled_pixels_are_overwritten_when_asked_for(session):
    first = session.add_click(150, 160).mask
    session.commit()
    session.add_click(150, 160)
    assert session.commit(overlap="overwrite") == 2
    np.testing.assert_array_equal(session.labels, 2 * first)
    session.undo()
    np.testing.assert_array_equal(session.labels, first)


def test_a_label_may_be_chosen(session):
    session.add_click(150, 160)
    assert session.commit(label=7) == 7
    session.add_click(420, 500)
    assert session.commit() == 8
    with pytest.raises(ValueError, match="1 or more, got 0"):
        session.commit(label=0)


def test_existing_labels_are_gone_on_from(seeing):
    existing = np.zeros((600, 700), np.uint8)
    existing[140:160, 150:170] = 5
    session = Session(seeing, device="cpu")
    session.set_image(with_disks(((150, 160), 70)), labels=existing)
    session.add_click(150, 160)
    assert session.commit() == 6
    np.testing.assert_array_equal(session.labels == 5, existing == 5)
    with pytest.raises(ValueError, match=r"shape \(600, 700\)"):
        session.set_image(np.zeros((600, 700)), labels=existing[:-1])
    assert session.labels.max() == 6


def test_two_objects_can_be_worked_on_in_turn(session):
    session.add_click(150, 160, object_id=1)
    session.add_click(420, 500, object_id=2)
    first = session.add_click(155, 160, object_id=1)
    assert iou(first.mask, disk((600, 700), (150, 160), 70)) > 0.9
    session.commit()
    second = session.add_click(425, 500, object_id=2)
    assert len(second.clicks) == 2
    assert iou(second.mask, disk((600, 700), (420, 500), 60)) > 0.9


def test_the_first_object_tells_the_diameter(session):
    assert session.object_diameter is None
    session.add_click(150, 160)
    session.commit()
    assert session.object_diameter == pytest.approx(70, abs=4)
    session.add_click(420, 500)
    session.commit()
    assert session.object_diameter == pytest.approx(70, abs=4)
    for _ in range(4):
        session.undo()
    assert session.object_diameter is None


def test_an_estimate_near_the_trained_diameter_keeps_the_embeddings(session):
    session.add_click(150, 160)
    session.commit()
    assert session.add_click(420, 500).scale.factor == 1


def test_a_large_first_object_makes_the_next_ones_coarser(seeing):
    session = Session(seeing, device="cpu")
    session.set_image(with_disks(((200, 250), 260), ((450, 550), 260)))
    session.add_click(200, 250)
    session.commit()
    assert session.add_click(450, 550).scale.factor == 0.25


def test_a_fine_tuned_model_begins_at_the_size_of_its_images_objects(seeing):
    seeing.config = replace(seeing.config, image_diameter=128.0)
    session = Session(seeing, device="cpu")
    session.set_image(with_disks(((150, 160), 128)))
    assert session.add_click(150, 160).scale.factor == 0.5
    assert session.object_diameter is None
    session.object_diameter = 64
    assert session.add_click(420, 500, object_id=2).scale.factor == 1


def test_a_given_diameter_is_kept(seeing):
    session = Session(seeing, device="cpu", object_diameter=32)
    session.set_image(with_disks(((150, 160), 70)))
    assert session.add_click(150, 160).scale.factor == 2
    session.commit()
    assert session.object_diameter == 32
    session.object_diameter = 128
    assert session.add_click(300, 300).scale.factor == 0.5


def test_a_growing_object_is_seen_from_farther_away(seeing):
    session = Session(seeing, device="cpu", object_diameter=64)
    shape = (1500, 1500)
    image = np.full(shape, 20, np.uint8)
    image[600:640, 200:1300] = 230
    session.set_image(image)
    first = session.add_click(620, 700)
    assert first.scale.factor == 1
    assert iou(first.box_mask, image[first.box.slices] > 100) > 0.9
    second = session.add_click(620, 701)
    assert second.scale.factor == 0.5
    third = session.add_click(620, 1290)
    assert third.box.c0 < 600
    assert third.box.c1 > 1300
    assert third.mask[620, [300, 1290]].tolist() == [False, True] or third.mask[620, 700]


def test_the_window_follows_the_clicks(session):
    first = session.add_click(150, 160)
    assert session.add_click(160, 165).box == first.box
    far = session.add_click(590, 690)
    assert far.box != first.box
    assert far.box.holds(590, 690)
    assert far.box.holds(150, 160)
    assert far.mask[150, 160]


def test_another_image_begins_anew(session):
    session.add_click(150, 160)
    session.commit()
    session.add_click(150, 160)
    session.set_image(np.zeros((40, 50)))
    assert session.clicks == session.committed == ()
    assert session.labels.shape == (40, 50)
    assert not session.can_undo


def test_a_bad_image_leaves_the_session_as_it_is(session):
    session.add_click(150, 160)
    with pytest.raises(ValueError, match="Y, X"):
        session.set_image(np.zeros(4))
    assert len(session.clicks) == 1


def test_before_an_image_there_is_nothing_to_click(network):
    session = Session(network, device="cpu")
    with pytest.raises(ValueError, match="call set_image first"):
        session.add_click(0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "both"}, "mode"),
        ({"overlap": "ask"}, "overlap"),
        ({"threshold": 1}, "threshold"),
        ({"object_diameter": 0}, "diameter"),
        ({"object_diameter": float("nan")}, "diameter"),
        ({"device": "abacus"}, "use 'auto'"),
    ],
)
def test_impossible_options_are_refused(network, options, message):
    with pytest.raises(ValueError, match=message):
        Session(network, **{"device": "cpu", **options})


def test_a_released_result_can_still_be_asked(session):
    first = session.add_click(150, 160)
    variance = first.box_variance
    session.add_click(300, 300, positive=False)
    again = first.box_variance
    assert again is not variance
    np.testing.assert_allclose(again, variance, atol=1e-5)
