from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box, paste
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.masks import signed_distance
from napari_gpcis.engine.options import Options
from napari_gpcis.engine.predictor import Predictor
from napari_gpcis.engine.propagation.propagate import propagate
from napari_gpcis.engine.propagation.slice_mask import SliceMask, joined
from napari_gpcis.engine.propagation.stop_rule import StopRule
from napari_gpcis.engine.pseudo_clicks import deepest, sample
from napari_gpcis.engine.segmenter import ImageSegmenter
from napari_gpcis.model import load_model
from tests.engine.conftest import disk

SHAPE = (96, 128)
DIAMETER = 30.0
NEVER = StopRule(0, 0, 0, 0, 1e9, 1, largest_growth=1e9)


class Bench:
    """A stack, and what clicks and propagation need."""

    def __init__(self, predictor, stack):
        self.predictor = predictor
        self.source = ImageSource(stack)
        self.segmenter = ImageSegmenter(self.source, predictor, Options())

    def click(self, z, *places):
        """Answer of clicks (row, column, positive) in a slice."""
        result, clicks = None, ()
        for row, col, positive in places:
            newest = Click(z, row, col, positive)
            clicks = (*clicks, newest)
            request = self.segmenter.object_request(1, z, clicks, DIAMETER, result, newest)
            result = self.predictor.predict(request)
        return result

    def carry(self, *answers, **options):
        return propagate(
            {answer.z: answer for answer in answers},
            source=self.source,
            predictor=self.predictor,
            **options,
        )

    def volume(self, answers, **options):
        """Mask of the stack."""
        found = np.zeros(self.source.shape, bool)
        for answer in answers:
            found[answer.z] = answer.mask
        for carried in self.carry(*answers, **options):
            assert carried.z not in {answer.z for answer in answers}
            assert 0 <= carried.confidence <= 1
            assert carried.mask.shape == carried.box.shape
            found[carried.z] = False
            found[carried.z][carried.box.slices] = carried.mask
        return found


@pytest.fixture(scope="module")
def shipped():
    return Predictor(load_model("default"), "cpu", device_bytes=1 << 30)


@pytest.fixture(scope="module")
def random_predictor(tiny_model):
    return Predictor(load_model(str(tiny_model)), "cpu")


def ellipsoid(count, centre, diameter, height):
    """Mask of an ellipsoid; its centre is (slice, row, column)."""
    z, row, col = centre
    masks = np.zeros((count, *SHAPE), bool)
    for index in range(count):
        share = 1 - ((index - z) / (height / 2)) ** 2
        if share > 0:
            masks[index] = disk(SHAPE, (row, col), diameter * np.sqrt(share))
    return masks


def image_of(*masks, seed=0):
    """Bright objects on a dark, noisy ground."""
    noise = np.random.default_rng(seed).normal(0, 6, masks[0].shape)
    stack = 40 + 120 * np.logical_or.reduce(masks) + noise
    return stack.clip(0, 255).astype(np.uint8)


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


def test_one_click_in_its_middle_finds_an_ellipsoid_and_its_ends(shipped):
    target = ellipsoid(15, (7, 48, 60), DIAMETER, 9)
    bench = Bench(shipped, image_of(target))
    found = bench.volume([bench.click(7, (48, 60, True))])
    assert iou(found, target) > 0.95
    np.testing.assert_array_equal(found.any((1, 2)), target.any((1, 2)))


def test_a_neighbour_that_begins_where_the_object_ends_is_left_alone(shipped):
    target = ellipsoid(13, (4, 48, 50), DIAMETER, 8)
    neighbour = ellipsoid(13, (8, 48, 50 + 25), DIAMETER, 8)
    bench = Bench(shipped, image_of(target, neighbour))
    found = bench.volume([bench.click(4, (48, 50, True))])
    assert iou(found, target) > 0.9
    # but for pixels of the outline in the slices where the two touch
    assert (found & neighbour).sum() < 0.005 * neighbour.sum()


def test_a_moving_disk_is_followed_through_time(shipped):
    target = np.stack([disk(SHAPE, (48, 20 + 17 * t), DIAMETER) for t in range(6)])
    bench = Bench(shipped, image_of(target))
    found = bench.volume([bench.click(0, (48, 20, True))])
    assert min(iou(found[t], target[t]) for t in range(6)) > 0.9


def test_between_clicked_slices_both_sides_are_heard(shipped):
    target = ellipsoid(11, (5, 48, 60), DIAMETER, 13)
    bench = Bench(shipped, image_of(target))
    ends = [bench.click(z, (48, 60, True)) for z in (3, 7)]
    carried = list(bench.carry(*ends, direction="up"))
    assert [item.z for item in carried[:6]] == [4, 5, 6, 6, 5, 4]
    assert {item.z for item in carried[6:]} <= {8, 9, 10}
    last = {item.z: item for item in carried}
    for z in (4, 5, 6):
        assert iou(last[z].mask, target[z][last[z].box.slices]) > 0.95


def test_where_two_passes_disagree_the_nearer_clicked_slice_decides(shipped):
    target = ellipsoid(1, (0, 48, 60), DIAMETER, 9)
    sure = SliceMask.of(Bench(shipped, image_of(target)).click(0, (48, 60, True)))
    other = replace(sure, logits=-sure.logits, mask=np.zeros_like(sure.mask))
    assert joined(sure, other, 0.75, 0.5).mask.any()
    assert not joined(sure, other, 0.25, 0.5).mask[48 - sure.box.r0, 60 - sure.box.c0]


def test_a_direction_leaves_the_other_alone(random_predictor):
    bench = Bench(random_predictor, image_of(ellipsoid(9, (4, 64, 70), DIAMETER, 30)))
    answer = bench.click(4, (48, 60, True))
    for direction, allowed in (("up", {5, 6, 7, 8}), ("down", {0, 1, 2, 3})):
        carried = {item.z for item in bench.carry(answer, direction=direction, stop=NEVER)}
        assert carried <= allowed
        assert carried


def test_a_slice_is_asked_for_when_the_last_one_was_taken(random_predictor, monkeypatch):
    bench = Bench(random_predictor, image_of(ellipsoid(9, (4, 64, 70), DIAMETER, 30)))
    answer = bench.click(4, (48, 60, True))
    asked = set()
    predict = random_predictor.predict
    monkeypatch.setattr(
        random_predictor,
        "predict",
        lambda request, *given: asked.add(request.z) or predict(request, *given),
    )
    slices = bench.carry(answer, stop=NEVER)
    assert not asked
    next(slices)
    assert asked == {5}
    slices.close()
    assert asked == {5}


def test_an_object_ends_where_a_clicked_slice_has_no_mask(shipped):
    target = ellipsoid(9, (4, 48, 60), DIAMETER, 30)
    bench = Bench(shipped, image_of(target))
    answers = {z: bench.click(z, (48, 60, True)) for z in (0, 2, 4, 6)}
    for z in (2, 6):
        answers[z].__dict__["box_mask"] = np.zeros_like(answers[z].box_mask)
    assert {item.z for item in bench.carry(*answers.values())} == {1, 3, 5}


def test_no_more_slices_than_wanted(random_predictor):
    bench = Bench(random_predictor, image_of(ellipsoid(9, (4, 64, 70), DIAMETER, 30)))
    answer = bench.click(4, (48, 60, True))
    stop = replace(NEVER, most_slices=2)
    assert {item.z for item in bench.carry(answer, stop=stop)} <= {2, 3, 5, 6}
    assert not list(bench.carry(answer, stop=replace(stop, most_slices=0)))


def test_the_same_clicks_give_the_same_masks(shipped):
    target = ellipsoid(5, (2, 64, 70), DIAMETER, 9)
    bench = Bench(shipped, image_of(target))
    first, second = (bench.volume([bench.click(2, (48, 60, True))]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_an_object_at_the_corner_is_carried(shipped):
    target = np.stack([disk(SHAPE, (4, 124), DIAMETER)] * 4)
    bench = Bench(shipped, image_of(target))
    found = bench.volume([bench.click(0, (6, 120, True))])
    assert min(iou(found[z], target[z]) for z in range(4)) > 0.7


def test_nothing_to_carry_is_refused(random_predictor):
    bench = Bench(random_predictor, image_of(ellipsoid(3, (1, 64, 70), DIAMETER, 9)))
    with pytest.raises(ValueError, match="click the object"):
        bench.carry()
    with pytest.raises(ValueError, match="direction"):
        bench.carry(bench.click(1, (48, 60, True)), direction="sideways")


@pytest.mark.parametrize(
    "wrong",
    [
        {"smallest_share": 1.5},
        {"smallest_area": -1},
        {"most_slices": -1},
        {"largest_growth": 0.5},
    ],
)
def test_a_stop_rule_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StopRule(**wrong)


def seen(centre, diameter, confidence=0.9):
    mask = disk((60, 80), centre, diameter)
    box = Box(10, 20, 70, 100)
    return SliceMask(0, box, mask, np.zeros(mask.shape, np.float32), confidence)


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        (seen((30, 30), 20), False),
        (seen((30, 38), 20), False),
        (seen((30, 52), 20), True),
        (seen((30, 30), 9), True),
        (seen((30, 30), 24), False),
        (seen((30, 30), 27), True),
        (seen((30, 30), 20, confidence=0.5), True),
    ],
    ids=["same", "moved", "jumped", "shrunk", "grown", "burst", "unsure"],
)
def test_the_stop_rule_tells_an_end_from_a_change(now, ends):
    before = seen((30, 30), 20)
    assert StopRule().ends(before, before, now) is ends


def test_pseudo_clicks_lie_deep_inside_and_apart():
    mask = disk((60, 80), (30, 20), 30) | disk((60, 80), (30, 60), 20)
    places = deepest(signed_distance(mask), 1.0)
    assert places[:2] == [(30, 20), (30, 60)]
    assert all(mask[place] for place in places)


def test_examples_say_what_the_mask_says(shipped):
    target = ellipsoid(1, (0, 64, 70), DIAMETER, 9)
    answer = Bench(shipped, image_of(target)).click(0, (48, 60, True), (20, 20, False))
    examples = sample(answer)
    assert set(answer.clicks) <= set(examples)
    assert all(answer.mask[click.row, click.col] == click.positive for click in examples)


def test_pasting_keeps_places():
    values = np.arange(6).reshape(2, 3)
    pasted = paste(values, Box(4, 4, 6, 7), Box(5, 3, 8, 6), beyond=-1)
    np.testing.assert_array_equal(pasted, [[-1, 3, 4], [-1, -1, -1], [-1, -1, -1]])
