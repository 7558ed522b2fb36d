"""A propagation that is run again after a further click."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_gpcis import Session
from napari_gpcis.engine.predictor import Predictor
from napari_gpcis.engine.propagation.propagate import Propagation
from napari_gpcis.model import load_model
from tests.engine.propagation.test_propagate import DIAMETER, NEVER, Bench, ellipsoid, image_of

COUNT = 11


@pytest.fixture(scope="module")
def bench(tiny_model):
    predictor = Predictor(load_model(str(tiny_model)), "cpu")
    return Bench(predictor, image_of(ellipsoid(COUNT, (5, 48, 60), DIAMETER, 40)))


@pytest.fixture
def asked(bench, monkeypatch):
    """Slices that the network was asked about."""
    slices = set()
    predict = bench.predictor.predict
    monkeypatch.setattr(
        bench.predictor,
        "predict",
        lambda request, *given: slices.add(request.z) or predict(request, *given),
    )
    return slices


def answers_of(bench, *slices):
    return {z: bench.click(z, (48, 60, True)) for z in slices}


def masks(carried):
    return {item.z: item for item in carried}


def test_a_further_click_changes_the_slices_up_to_the_clicked_ones_around_it(bench, asked):
    answers = answers_of(bench, 1, 5, 9)
    propagation = Propagation(bench.source, bench.predictor, NEVER)
    before = masks(propagation.run(answers))
    answers |= answers_of(bench, 7)
    asked.clear()
    after = masks(propagation.run(answers, newest=7))
    assert asked == {6, 8}
    assert all(after[z] is before[z] for z in (0, 2, 3, 4, 10) if z in before)


def test_what_is_carried_again_is_what_is_carried_at_once(bench):
    answers = answers_of(bench, 2, 8)
    propagation = Propagation(bench.source, bench.predictor, NEVER)
    list(propagation.run(answers))
    answers |= answers_of(bench, 5)
    again = masks(propagation.run(answers, newest=5))
    once = masks(Propagation(bench.source, bench.predictor, NEVER).run(answers))
    assert set(again) == set(once)
    for z, item in again.items():
        np.testing.assert_array_equal(item.mask, once[z].mask)
        np.testing.assert_array_equal(item.logits, once[z].logits)


def test_an_answer_that_was_made_again_is_known(bench, asked):
    propagation = Propagation(bench.source, bench.predictor, NEVER)
    list(propagation.run(answers_of(bench, 5)))
    answers = answers_of(bench, 5)
    asked.clear()
    list(propagation.run(answers))
    assert not asked


def test_a_changed_answer_is_carried_anew(bench, asked):
    propagation = Propagation(bench.source, bench.predictor, NEVER)
    list(propagation.run(answers_of(bench, 5)))
    answers = {5: bench.click(5, (48, 60, True), (20, 20, False))}
    asked.clear()
    list(propagation.run(answers))
    assert asked


def test_what_the_newest_click_ends_comes_first(bench):
    answers = answers_of(bench, 1, 5, 9)
    propagation = Propagation(bench.source, bench.predictor, NEVER)
    order = [item.z for item in propagation.run(answers, newest=9)]
    assert {order[0], order[1]} <= {6, 7, 8, 10}


def test_a_run_that_was_left_is_begun_again(bench):
    propagation = Propagation(bench.source, bench.predictor, NEVER)
    answers = answers_of(bench, 2, 8)
    next(propagation.run(answers))
    again = masks(propagation.run(answers))
    assert set(again) == set(masks(bench.carry(*answers.values(), stop=NEVER)))


def test_a_session_carries_only_what_the_newest_click_ends(tiny_model, monkeypatch):
    stack = image_of(ellipsoid(COUNT, (5, 48, 60), DIAMETER, 40))
    session = Session(load_model(str(tiny_model)), device="cpu", object_diameter=DIAMETER)
    session.set_image(stack)
    for z in (1, 5, 9):
        session.add_click(48, 60, z=z)
    session.propagate()
    passes = []
    carry = Propagation._pass
    monkeypatch.setattr(
        Propagation,
        "_pass",
        lambda self, segment, *, up: passes.append(segment.slices) or carry(self, segment, up=up),
    )
    session.add_click(48, 60, z=7)
    session.propagate()
    assert {(part.start, part.stop - 1) for part in passes} == {(5, 7), (7, 9)}
    session.set_image(stack)
    session.add_click(48, 60, z=5)
    passes.clear()
    session.propagate()
    assert len(passes) == 2


def test_a_direction_is_kept_when_it_is_run_again(bench):
    answers = answers_of(bench, 5)
    propagation = Propagation(bench.source, bench.predictor, replace(NEVER, most_slices=2))
    list(propagation.run(answers))
    assert {item.z for item in propagation.run(answers, "up")} <= {6, 7}
