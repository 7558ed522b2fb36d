from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_gpcis.engine.geometry import Box, paste
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.masks import signed_distance
from napari_gpcis.engine.predictor import Predictor
from napari_gpcis.engine.propagation.optical_flow import motion, move
from napari_gpcis.engine.propagation.slice_mask import SliceMask, cut_around, keep_apart
from napari_gpcis.engine.propagation.step import PropagationStep
from napari_gpcis.engine.propagation.sweep import ClickedSlice, Sweep
from napari_gpcis.model import load_model
from tests.engine.conftest import disk
from tests.engine.propagation.test_propagate import DIAMETER, SHAPE, Bench, ellipsoid, image_of

WHOLE = Box(0, 0, *SHAPE)


def seen(centre, diameter, height=1.0, box=WHOLE):
    """An object whose logits fall with the distance from its middle."""
    logits = height * signed_distance(disk(SHAPE, centre, diameter))[box.slices]
    return SliceMask(0, box, logits > 0, logits, 0.9)


def on_slice(found):
    return paste(found.mask, found.box, WHOLE)


def test_a_pixel_that_two_objects_claim_belongs_to_the_likelier_one():
    left, right = seen((48, 50), 30), seen((48, 70), 30, box=Box(20, 40, 90, 120))
    apart = keep_apart([left, right])
    first, second = map(on_slice, apart)
    assert (on_slice(left) & on_slice(right)).any()
    assert not (first & second).any()
    np.testing.assert_array_equal(first | second, on_slice(left) | on_slice(right))
    assert first[48, 50] and first[48, 58] and second[48, 62] and second[48, 70]
    assert (apart[0].logits[on_slice(left) & ~first] < 0).all()


def test_of_equally_likely_objects_the_first_has_the_pixel():
    one = seen((48, 50), 30)
    first, second = keep_apart([one, one])
    np.testing.assert_array_equal(first.mask, one.mask)
    assert not second.mask.any()


def test_three_objects_share_no_pixel_whatever_their_order():
    objects = [seen((40, 50), 30), seen((48, 60), 34, 1.01), seen((56, 52), 28, 0.99)]
    found = [on_slice(part) for part in keep_apart(objects)]
    assert np.sum(found, 0).max() == 1
    for part, again in zip(found[::-1], keep_apart(objects[::-1]), strict=True):
        np.testing.assert_array_equal(part, on_slice(again))


def test_objects_apart_stay_as_they_are():
    objects = [seen((20, 20), 20), seen((70, 100), 20)]
    assert [one is other for one, other in zip(objects, keep_apart(objects), strict=True)]
    assert keep_apart([]) == []


def test_both_parts_of_an_object_that_splits_are_kept_and_a_neighbour_is_not():
    parts = disk(SHAPE, (30, 40), 20) | disk(SHAPE, (60, 40), 14)
    neighbour = disk(SHAPE, (45, 100), 40)
    last = disk(SHAPE, (44, 40), 60)
    last[:, 81:84] = True  # a few pixels of the neighbour
    logits = np.where(parts | neighbour, 2.0, -2.0).astype(np.float32)
    np.testing.assert_array_equal(cut_around(logits, last, 0.5), parts)
    assert not cut_around(logits, last, 0.95).any()


def test_a_map_moves_as_the_image_moves():
    stack = image_of(np.stack([disk(SHAPE, (48, 50 + 6 * t), DIAMETER) for t in range(2)]))
    source = ImageSource(stack)
    ramp = np.broadcast_to(np.arange(SHAPE[1], dtype=np.float32), SHAPE).copy()
    moved = move(ramp, motion(WHOLE, source, 0, 1))
    assert moved[48, 56] == pytest.approx(50, abs=2)
    assert motion(Box(0, 0, 10, 10), source, 0, 1) is None
    assert move(ramp, None) is ramp


@pytest.fixture(scope="module")
def bench():
    predictor = Predictor(load_model("default"), "cpu", device_bytes=1 << 30)
    return Bench(predictor, image_of(ellipsoid(7, (3, 48, 60), DIAMETER, 60)))


@pytest.fixture(scope="module")
def corrected(bench):
    """A clicked slice whose answer the user has made wider than the object looks."""
    there = ClickedSlice.of(bench.click(3, (48, 60, True), (48, 80, False)))
    wider = disk(SHAPE, (48, 60), DIAMETER + 8)
    box = Box(20, 30, 80, 90)
    mask = replace(there.mask, box=box, mask=wider[box.slices])
    return ClickedSlice(replace(mask, logits=np.zeros(box.shape, np.float32)), there.appearance)


def areas(bench, clicked, source):
    steps = Sweep(source, bench.predictor, {1: {3: clicked}}, range(7), up=True).steps()
    return [int(carried[1].mask.sum()) for _, carried in steps if carried]


def test_what_a_correction_taught_is_heard_in_the_next_slices_and_fades(
    bench, corrected, monkeypatch
):
    taught = areas(bench, corrected, bench.source)
    monkeypatch.setattr(PropagationStep, "learn", lambda self, clicked: clicked)
    untaught = areas(bench, corrected, bench.source)
    assert taught[0] > 1.1 * untaught[0]
    assert taught[0] - untaught[0] > taught[2] - untaught[2]


def test_slices_far_apart_hear_less_of_it(bench, corrected):
    stack = bench.source.array
    near, far = (areas(bench, corrected, ImageSource(stack, spacing=s)) for s in (1.0, 8.0))
    assert near[0] > 1.05 * far[0]


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan"), float("inf")])
def test_a_spacing_that_makes_no_sense_is_refused(spacing):
    with pytest.raises(ValueError, match="spacing"):
        ImageSource(np.zeros((2, 8, 8), np.uint8), spacing=spacing)
