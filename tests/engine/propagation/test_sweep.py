from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from napari_gpcis.engine.geometry import Box, paste
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.predictor import Predictor
from napari_gpcis.engine.propagation.propagate import propagate
from napari_gpcis.engine.propagation.sweep import ClickedSlice, Sweep, between
from napari_gpcis.model import load_model
from tests.engine.conftest import Watched, disk
from tests.engine.propagation.test_propagate import DIAMETER, SHAPE, Bench, ellipsoid, image_of

COUNT = 11
KEPT = Path(__file__).parents[2] / "data" / "carried.npz"
# object: its centre and height, and the slices in which it is clicked
OBJECTS = {
    1: ((5, 30, 30), 13, (5,)),
    4: ((5, 30, 95), 15, (2, 7)),
    7: ((4, 75, 62), 6, (4,)),
    9: ((6, 72, 110), 30, (0, 5, 9)),
}


@pytest.fixture(scope="module")
def bench():
    masks = [ellipsoid(COUNT, centre, DIAMETER, height) for centre, height, _ in OBJECTS.values()]
    return Bench(Predictor(load_model("default"), "cpu", device_bytes=1 << 30), image_of(*masks))


@pytest.fixture(scope="module")
def answers(bench):
    """Object → slice → answer to a click on its middle, under the object's own number."""
    from napari_gpcis.engine.click import Click

    found = {}
    for object_id, ((_, row, col), _, slices) in OBJECTS.items():
        for z in slices:
            click = Click(z, row, col, True, object_id)
            request = bench.segmenter.object_request(object_id, z, (click,), DIAMETER, None, click)
            found.setdefault(object_id, {})[z] = bench.predictor.predict(request)
    return found


@pytest.fixture(scope="module")
def clicked(answers):
    return {
        object_id: {z: ClickedSlice.of(answer) for z, answer in of_object.items()}
        for object_id, of_object in answers.items()
    }


def sweep(bench, clicked, *, up, within=range(COUNT), share=map):
    return Sweep(bench.source, bench.predictor, clicked, within, up=up, share=share)


def both_ways(bench, clicked, **options):
    up, down = (dict(sweep(bench, clicked, up=way, **options).steps()) for way in (True, False))
    found = {}
    for z in up:
        for object_id, of_object in clicked.items():
            if z not in of_object:
                held = between(z, up[z].get(object_id), down[z].get(object_id), of_object)
                if held is not None:
                    found[object_id, z] = held.cropped
    return found


def test_the_masks_are_those_that_were_kept(bench, clicked):
    """`carried.npz`: masks of the propagation of each object alone, before sweeps did it."""
    with np.load(KEPT) as kept:
        masks = np.unpackbits(kept["masks"], axis=-1, count=SHAPE[1]).astype(bool)
    expected = {
        (object_id, z): mask
        for object_id, of_object in zip(OBJECTS, masks, strict=True)
        for z, mask in enumerate(of_object)
        if mask.any()
    }
    together = both_ways(bench, clicked)
    assert set(together) == set(expected)
    assert len(together) < len(OBJECTS) * COUNT - 7  # some have ended before the last slice
    for key, found in together.items():
        mask = paste(found.mask, found.box, Box(0, 0, *SHAPE))
        shared, either = (mask & expected[key]).sum(), (mask | expected[key]).sum()
        assert shared > 0.97 * either  # another processor may round otherwise


def test_an_object_alone_is_carried_as_it_is_among_others(bench, answers, clicked):
    together = both_ways(bench, clicked)
    for object_id in (4, 9):
        alone = propagate(answers[object_id], source=bench.source, predictor=bench.predictor)
        for z, found in {found.z: found for found in alone}.items():
            np.testing.assert_array_equal(found.mask, together[object_id, z].mask)
            assert found.confidence == together[object_id, z].confidence


def test_every_slice_is_encoded_once_in_a_sweep(bench, clicked, monkeypatch):
    predictor = Predictor(load_model("default"), "cpu", device_bytes=1 << 30)
    encoded = []
    encode = predictor.network.encode
    monkeypatch.setattr(
        predictor.network, "encode", lambda image: encoded.append(1) or encode(image)
    )
    dict(Sweep(bench.source, predictor, clicked, range(COUNT), up=True).steps())
    assert len(encoded) == COUNT


def test_the_next_slice_is_encoded_while_objects_are_carried(bench, clicked, monkeypatch):
    ahead = []
    monkeypatch.setattr(
        bench.predictor.embedder, "encode_slice", lambda source, z, scale: ahead.append(z)
    )
    assert [z for z, carried in sweep(bench, clicked, up=True).steps() if carried] == [
        z - 1 for z in (*ahead, COUNT)
    ]


def test_objects_of_a_tile_come_one_after_the_other(bench, clicked):
    predictor = Predictor(load_model("default"), "cpu", tile=64)
    tile_grid = predictor.embedder.tile_grid(bench.source, clicked[1][5].appearance.scale)
    calls = []

    def share(work, tracks):
        calls.append([track for track in tracks if track is not None])
        return map(work, calls[-1])

    def tile_of(track):
        pixels, box = track.step.scale.pixels, track.last.box
        row, col = (box.r0 + box.r1) // 2 // pixels, (box.c0 + box.c1) // 2 // pixels
        return tile_grid.tile_at(row, col)

    tiled = Sweep(bench.source, predictor, clicked, range(COUNT), up=True, share=share)
    for _, carried in tiled.steps():
        assert list(carried) == sorted(carried)
    orders = [[track.object_id for track in tracks] for tracks in calls]
    assert any(order != sorted(order) for order in orders)
    for tracks in calls:
        tiles = [tile_of(track) for track in tracks]
        assert tiles == sorted(tiles)


def test_threads_find_the_same(bench, clicked):
    one = both_ways(bench, clicked)
    with ThreadPoolExecutor(3) as pool:
        many = both_ways(bench, clicked, share=pool.map)
    assert set(one) == set(many)
    for key, held in one.items():
        np.testing.assert_array_equal(held.mask, many[key].mask)
        np.testing.assert_array_equal(held.logits, many[key].logits)


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("done", [1, 3, 5, 6, 10, COUNT])
def test_a_sweep_goes_on_from_any_slice(bench, clicked, up, done):
    whole = list(sweep(bench, clicked, up=up).steps())
    alive = whole[done - 1][1]
    rest = list(sweep(bench, clicked, up=up).steps(done, alive))
    assert [z for z, _ in rest] == [z for z, _ in whole[done:]]
    for (_, again), (_, before) in zip(rest, whole[done:], strict=True):
        assert set(again) == set(before)
        for object_id, held in again.items():
            np.testing.assert_array_equal(held.mask, before[object_id].mask)
            np.testing.assert_array_equal(held.logits, before[object_id].logits)


def test_slices_without_objects_cost_nothing():
    stack = Watched(np.zeros((500, *SHAPE), np.uint8))
    predictor = Predictor(load_model("default"), "cpu")
    assert list(Sweep(ImageSource(stack), predictor, {}, range(500), up=True).steps()) == [
        (z, {}) for z in range(500)
    ]
    assert stack.reads == []


def test_objects_stay_within_their_volume(bench, clicked):
    steps = list(sweep(bench, clicked, up=True, within=range(3, 7)).steps())
    assert [z for z, _ in steps] == [3, 4, 5, 6]
    # clicked before or after the volume, an object does not reach into it
    assert 9 not in steps[0][1] and 4 not in steps[3][1]
    assert set(steps[3][1]) == {1, 7, 9} & set(steps[3][1])


def test_no_object_without_a_mask_is_carried(bench):
    answer = bench.click(5, (30, 30, True))
    assert ClickedSlice.of(answer) is not None
    answer.__dict__["box_mask"] = np.zeros_like(answer.box_mask)
    assert ClickedSlice.of(answer) is None


def test_what_is_between_is_what_one_side_found_where_the_other_found_nothing(bench, clicked):
    up = dict(islice(sweep(bench, clicked, up=True).steps(), 5))
    held = up[4][4]
    assert between(4, held, None, clicked[4]) is held
    assert between(4, None, held, clicked[4]) is held
    assert between(4, None, None, clicked[4]) is None
    # the mask of a gap has its logits all around, for the other side to be heard
    assert held.box.shape > held.tight[0].shape
    assert disk(SHAPE, (30, 95), 20)[held.tight[0].slices].any()
