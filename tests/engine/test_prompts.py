"""Scribbles, boxes and lassos: geometry to labelled pixels, and the answers to them."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from napari_gpcis.engine import Session
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.prompts import (
    box_clicks,
    box_limits,
    lasso_clicks,
    line_pixels,
    rounds,
    scribble_clicks,
    thinned,
)

from .conftest import disk

SHAPE = (1, 120, 160)
BLOBS = [(40, 40), (40, 120), (90, 80)]


@pytest.fixture
def blobs() -> np.ndarray:
    """Three bright disks on dark ground."""
    image = np.full(SHAPE[1:], 40, np.uint8)
    for centre in BLOBS:
        image[disk(SHAPE[1:], centre, 30)] = 200
    return image


@pytest.fixture
def session(seeing, blobs) -> Session:
    made = Session(seeing, device="cpu", object_diameter=30)
    made.set_image(blobs)
    return made


def test_a_line_runs_from_pixel_to_neighbouring_pixel():
    line = line_pixels([(0, 0), (7.4, 3), (7.4, 20)])
    steps = np.abs(np.diff(np.array(line), axis=0)).max(1)
    assert line[0] == (0, 0)
    assert line[-1] == (7, 20)
    assert set(steps.tolist()) == {1}


def test_a_stroke_is_cut_off_at_the_border_of_the_image():
    clicks = scribble_clicks([(10, -30), (10, 200)], SHAPE, stroke=1)
    assert [click.col for click in clicks] == list(range(160))


@pytest.mark.parametrize("path", [[], [(-5, -5)], [(np.nan, 2)]])
def test_a_stroke_without_pixels_is_refused(path):
    with pytest.raises(ValueError, match="expected"):
        scribble_clicks(path, SHAPE, stroke=1)


def test_thinned_pixels_are_spread_by_arc_length():
    clicks = scribble_clicks([(5, 5), (5, 150), (100, 150)], SHAPE, stroke=1)
    chosen = thinned(clicks)
    places = np.array([(click.row, click.col) for click in chosen])
    gaps = np.abs(np.diff(places, axis=0)).sum(1)
    assert len(chosen) == 64
    assert chosen[0] == clicks[0]
    assert chosen[-1] == clicks[-1]
    assert gaps.max() <= gaps.min() + 2


def test_single_clicks_are_all_conditioned_on():
    clicks = tuple(Click(0, row, 3) for row in range(100))
    assert thinned(clicks) == clicks


def test_a_stroke_is_one_round():
    stroke = scribble_clicks([(5, 5), (5, 9)], SHAPE, stroke=1)
    other = scribble_clicks([(7, 5), (7, 9)], SHAPE, stroke=2)
    first, last = Click(0, 1, 1), Click(0, 2, 2)
    assert rounds((first, last, *stroke, *other, last)) == [
        (first,),
        (last,),
        stroke,
        other,
        (last,),
    ]


@pytest.mark.parametrize(
    "corners",
    [
        (20, 30, 60, 90),
        (0, 30, 60, 90),
        (20, 0, 60, 90),
        (20, 30, 119, 90),
        (20, 30, 60, 159),
        (0, 0, 60, 90),
        (20, 30, 119, 159),
        (0, 30, 119, 90),
        (20, 0, 60, 159),
        (0, 0, 119, 90),
        (30, 0, 119, 159),
        (0, 0, 90, 159),
        (40, 40, 40, 40),
    ],
)
def test_the_frame_of_a_box_tells_the_box(corners):
    frame = box_clicks(*corners, SHAPE, stroke=1)
    r0, c0, r1, c1 = corners
    limits = box_limits(frame, SHAPE[1:])
    slack = round(0.02 * max(r1 - r0 + 1, c1 - c0 + 1))
    assert limits == Box(r0, c0, r1 + 1, c1 + 1).grow(slack).clip(SHAPE[1:])
    assert 4 <= len(frame) <= 16
    assert not any(click.positive or limits.holds(click.row, click.col) for click in frame)


def test_corners_of_a_box_may_come_in_any_order():
    one = box_clicks(20, 30, 60, 90, SHAPE, stroke=1)
    assert set(one) == set(box_clicks(60, 90, 20, 30, SHAPE, stroke=1))


@pytest.mark.parametrize(
    ("corners", "complaint"),
    [
        ((130, 5, 140, 9), "expected a box inside 120 rows"),
        ((-20, -20, 300, 300), "smaller than the image"),
    ],
)
def test_boxes_that_say_nothing_are_refused(corners, complaint):
    with pytest.raises(ValueError, match=complaint):
        box_clicks(*corners, SHAPE, stroke=1)


def test_a_positive_click_outside_takes_the_word_of_a_box_back():
    frame = box_clicks(20, 30, 60, 90, SHAPE, stroke=1)
    assert box_limits((*frame, Click(0, 30, 40)), SHAPE[1:]) is not None
    assert box_limits((*frame, Click(0, 100, 40)), SHAPE[1:]) is None


def test_a_lasso_labels_pixels_all_over_its_inside():
    clicks = lasso_clicks([(20, 20), (20, 80), (80, 80), (80, 20)], SHAPE, stroke=3)
    places = np.array([(click.row, click.col) for click in clicks])
    assert len(clicks) == 64
    assert places.min() > 20
    assert places.max() < 80
    for quarter in ((places < 50).all(1), (places >= 50).all(1)):
        assert 8 <= quarter.sum() <= 24


@pytest.mark.parametrize("polygon", [[(1, 1), (2, 2)], [(-9, -9), (-9, -5), (-5, -5)]])
def test_a_lasso_around_nothing_is_refused(polygon):
    with pytest.raises(ValueError, match="expected"):
        lasso_clicks(polygon, SHAPE, stroke=1)


@pytest.mark.parametrize("diameter", [None, 20, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_pixel_that_was_drawn_comes_out_right(network, diameter, seed):
    session = Session(network, device="cpu", object_diameter=diameter)
    session.set_image(data.astronaut()[:200, :260])
    rng = np.random.default_rng(seed)
    for turn in range(3):
        path = [(60 * turn + 10, 10), *rng.integers((60 * turn, 0), (60 * turn + 50, 260), (3, 2))]
        result = session.add_scribble(path, positive=turn != 1)
        assert all(result.mask[click.row, click.col] == click.positive for click in session.clicks)
        assert result.corrected_clicks == 0


def test_strokes_may_cross(network):
    session = Session(network, device="cpu", object_diameter=40)
    session.set_image(data.astronaut()[:200, :260])
    session.add_scribble([(20, 20), (150, 200)])
    result = session.add_scribble([(150, 20), (20, 200)], positive=False)
    assert all(result.mask[click.row, click.col] == click.positive for click in session.clicks)


def test_drawn_pixels_stay_right_after_further_clicks(network):
    session = Session(network, device="cpu", object_diameter=40)
    session.set_image(data.astronaut()[:200, :260])
    session.add_scribble([(20, 20), (150, 200)])
    result = session.add_click(60, 200, positive=False)
    assert all(result.mask[click.row, click.col] == click.positive for click in session.clicks)
    assert result.corrected_clicks == 0


def test_a_scribble_finds_its_object(session):
    mask = session.add_scribble([(40, 32), (42, 48)]).mask
    assert mask[disk(SHAPE[1:], BLOBS[0], 24)].all()
    assert not mask[~disk(SHAPE[1:], BLOBS[0], 40)].any()


def test_a_box_finds_the_object_in_it_and_nothing_outside(session):
    mask = session.add_box(24, 104, 56, 136).mask
    assert mask[disk(SHAPE[1:], BLOBS[1], 24)].all()
    assert not mask[~disk(SHAPE[1:], BLOBS[1], 40)].any()


@pytest.mark.parametrize("diameter", [None, 20, 200])
def test_nothing_outside_a_box_belongs_to_its_object(network, diameter):
    session = Session(network, device="cpu", object_diameter=diameter)
    session.set_image(data.astronaut()[:200, :260])
    result = session.add_box(50, 70, 120, 180)
    rows, cols = np.nonzero(result.mask)
    limits = result.request.limits
    assert len(rows)
    assert limits == Box(48, 68, 123, 183)
    assert all(limits.holds(row, col) for row, col in zip(rows, cols, strict=True))
    assert result.corrected_clicks == 0


def test_the_place_that_a_box_chooses_is_no_click_of_the_user(session):
    result = session.add_box(24, 104, 56, 136)
    [anchor] = result.request.anchors
    assert anchor not in session.clicks
    assert not any(click.positive for click in session.clicks)


def test_a_box_goes_on_with_clicks(session):
    session.add_box(24, 104, 56, 136)
    result = session.add_click(40, 120, positive=False)
    assert not result.mask[40, 120]
    assert result.request.limits is not None


def test_a_lasso_takes_in_its_inside(session):
    polygon = [(28, 28), (28, 52), (52, 52), (52, 28)]
    mask = session.add_lasso(polygon).mask
    assert mask[32:48, 32:48].all()


def test_undo_takes_a_whole_stroke_away_and_redo_puts_it_back(session):
    session.add_click(40, 40)
    before = session.result.mask
    session.add_scribble([(34, 40), (46, 40)])
    drawn = session.clicks
    np.testing.assert_array_equal(session.undo().mask, before)
    assert len(session.clicks) == 1
    session.redo()
    assert session.clicks == drawn


def test_removing_a_pixel_removes_its_stroke(session):
    session.add_scribble([(34, 40), (46, 40)])
    session.add_click(40, 44)
    session.add_scribble([(34, 46), (46, 46)])
    session.remove_click(3)
    assert {click.stroke for click in session.clicks} == {0, 2}


def test_moving_a_pixel_moves_its_stroke(session):
    session.add_scribble([(34, 40), (46, 40)])
    session.move_click(0, 36, 43)
    assert [(click.row, click.col) for click in session.clicks] == [
        (row, 43) for row in range(36, 49)
    ]


def test_a_stroke_is_never_given_a_number_twice(session):
    session.add_scribble([(34, 40), (46, 40)])
    session.commit()
    session.add_scribble([(34, 120), (46, 120)])
    assert {click.stroke for click in session.clicks} == {2}


def test_an_object_without_answers_is_asked_again_stroke_by_stroke(session, blobs):
    session.add_scribble([(34, 40), (46, 40)])
    first = session.add_box(22, 22, 58, 58)
    session.annotation.history.forget_answers()
    session._result = None
    np.testing.assert_array_equal(session.result.mask, first.mask)


def test_class_mode_takes_scribbles_and_lassos(seeing, blobs):
    session = Session(seeing, device="cpu", mode="class", object_diameter=30)
    session.set_image(blobs)
    session.add_scribble([(36, 34), (44, 46)], object_id=1)
    session.add_scribble([(5, 5), (5, 150)], object_id=2)
    result = session.add_lasso([(86, 76), (86, 84), (94, 84), (94, 76)], object_id=1)
    for click in session.clicks:
        assert result.classes[click.row, click.col] == click.object_id
    assert (session.classify()[disk(SHAPE[1:], BLOBS[1], 24)] == 1).all()


def test_class_mode_refuses_a_box(seeing, blobs):
    session = Session(seeing, device="cpu", mode="class")
    session.set_image(blobs)
    with pytest.raises(ValueError, match="got a box, which holds one object"):
        session.add_box(24, 24, 56, 56)
    assert session.clicks == ()
