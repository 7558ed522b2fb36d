from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data, filters, measure, segmentation

from napari_gpcis import load_model
from napari_gpcis.engine import Session
from napari_gpcis.engine.geometry import Box, Scale
from napari_gpcis.engine.request import Latent
from napari_gpcis.engine.scale_search import Candidate, agreements, levels, overlap, score
from tests.engine.conftest import disk

SHAPE = (600, 700)
WHOLE = Box(0, 0, 2, 2)
SMALL, MIDDLE, LARGE = ((100, 120), 12), ((300, 190), 40), ((300, 450), 250)


def iou(given, wanted):
    return (given & wanted).sum() / (given | wanted).sum()


@pytest.fixture(scope="module")
def model():
    return load_model("default")


@pytest.fixture(scope="module")
def disks():
    """A small, a middling and a large disk, in noise."""
    image = np.full(SHAPE, 40.0)
    for centre, diameter in (SMALL, MIDDLE, LARGE):
        image[disk(SHAPE, centre, diameter)] = 180
    noise = np.random.default_rng(0).normal(0, 8, SHAPE)
    return (image + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture
def session(model, disks):
    session = Session(model, device="cpu")
    session.set_image(disks)
    return session


def candidate(level, mask, window=WHOLE, **traits):
    """An answer at a level, which makes a network pixel 2 ** level image pixels large."""
    scale = Scale(32, round(32 * 2.0**level))
    latent = Latent(torch.zeros(1, 1, *mask.shape), scale, window)
    return Candidate(level, scale, latent, mask, **{"stability": 1.0, "depth": 1.0, **traits})


@pytest.mark.parametrize(("centre", "diameter"), [SMALL, MIDDLE, LARGE])
def test_one_click_finds_objects_of_any_size(session, centre, diameter):
    result = session.add_click(*centre)
    assert iou(result.mask, disk(SHAPE, centre, diameter)) > 0.9
    assert 32 <= diameter * result.scale.factor <= 130


def test_a_given_diameter_is_not_doubted(model, disks):
    session = Session(model, device="cpu", object_diameter=64)
    session.set_image(disks)
    assert session.add_click(*SMALL[0]).scale.factor == 1


def test_not_to_be_told_the_diameter_is_no_worse_on_coins(model):
    image = data.coins()
    markers = np.select([image < 30, image > 150], [1, 2])
    filled = ndimage.binary_fill_holes(segmentation.watershed(filters.sobel(image), markers) == 2)
    coins = [coin for coin in measure.regionprops(measure.label(filled)) if coin.area > 500]
    assert len(coins) == 24
    found = {}
    for diameter in (None, 2 * np.sqrt(np.median([coin.area for coin in coins]) / np.pi)):
        session = Session(model, device="cpu", object_diameter=diameter)
        session.set_image(image)
        found[diameter] = []
        for coin in coins[::4]:
            session.clear()
            mask = session.add_click(*map(round, coin.centroid)).mask
            wanted = np.zeros(image.shape, np.bool_)
            wanted[tuple(coin.coords.T)] = True
            found[diameter].append(iou(mask, wanted))
    unknown, told = (np.mean(ious) for ious in found.values())
    assert unknown > told - 0.02


def test_the_same_clicks_give_the_same_mask_after_undo_and_redo(session):
    first = session.add_click(*MIDDLE[0]).mask.copy()
    second = session.add_click(330, 190, positive=False).mask.copy()
    np.testing.assert_array_equal(session.undo().mask, first)
    session.undo()
    np.testing.assert_array_equal(session.redo().mask, first)
    session.annotation.history.forget_answers()
    np.testing.assert_array_equal(session.redo().mask, second)


def test_a_new_session_makes_the_same_of_the_clicks(model, disks, session):
    session.add_click(*LARGE[0])
    other = Session(model, device="cpu")
    other.set_image(disks)
    other.add_click(*SMALL[0])
    other.clear()
    np.testing.assert_array_equal(
        other.add_click(*LARGE[0]).box_probability, session.result.box_probability
    )


def test_what_was_seen_is_not_encoded_again(session, monkeypatch):
    session.add_click(*SMALL[0])
    session.clear()
    monkeypatch.setattr(
        session._predictor.network, "encode", lambda image: pytest.fail("encoded again")
    )
    session.add_click(*SMALL[0])


def test_the_only_click_may_be_moved_to_an_object_of_another_size(session):
    session.add_click(*LARGE[0])
    result = session.move_click(0, *SMALL[0])
    assert iou(result.mask, disk(SHAPE, *SMALL)) > 0.9


def test_after_a_commit_that_size_is_expected(session):
    assert session.add_click(*MIDDLE[0]).request.alone
    session.commit()
    again = session.add_click(*MIDDLE[0])
    assert (again.request.level, again.request.alone) == (0, False)
    assert iou(session.add_click(*LARGE[0], object_id=7).mask, disk(SHAPE, *LARGE)) > 0.9


def test_an_object_that_is_taken_up_again_is_looked_at_by_its_size(session):
    for centre in (SMALL[0], LARGE[0]):
        session.add_click(*centre)
        label = session.commit()
    session.take_up(label)
    result = session.add_click(320, 470)
    assert result.scale.factor == 0.25
    assert iou(result.mask, disk(SHAPE, *LARGE)) > 0.9


def test_nothing_is_prepared_while_the_scale_is_not_known(session, monkeypatch):
    session.prepare(0)
    assert session._predictor.cache.used_device_bytes == 0
    session.add_click(*MIDDLE[0])
    session.commit()
    session.prepare(0)
    monkeypatch.setattr(
        session._predictor.embedder, "encode", lambda *_: pytest.fail("encoded again")
    )
    session._predictor.embedder.cut(
        session._segmenter.source, 0, session._segmenter.scale(32.0), Box(0, 0, 12, 12)
    )


def test_of_a_huge_slice_only_windows_are_encoded(network, monkeypatch):
    huge = np.broadcast_to(np.arange(30_000) % 251 < 90, (30_000, 30_000))
    session = Session(network, device="cpu")
    session.set_image(huge)
    encode, sizes = session._predictor.network.encode, []

    def watched(image):
        sizes.append(image.shape[-2] * image.shape[-1])
        return encode(image)

    monkeypatch.setattr(session._predictor.network, "encode", watched)
    session.add_click(15_000, 15_000)
    assert len(sizes) <= 7
    assert max(sizes) <= 384**2


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((512, 512), [-2, -1, 0, 1, 2]),
        ((100, 100), [-2, -1, 0]),
        ((30_000, 20), [-2, -1, 0, 1, 2, 3]),
    ],
)
def test_scales_at_which_the_slice_would_be_tiny_are_left_out(shape, wanted):
    assert levels(lambda level: Scale.for_diameter(64, 64, 32, level), shape) == wanted


@pytest.mark.parametrize("diameter", [3.0, 4000.0])
def test_the_scale_of_a_strange_diameter_is_among_those_searched(diameter):
    found = levels(lambda level: Scale.for_diameter(diameter, 64, 32, level), (512, 512))
    assert 0 in found
    assert len(found) <= 9


def test_the_same_object_seen_at_two_scales_overlaps():
    coarse = candidate(0, disk((64, 64), (31.5, 31.5), 30))
    fine = candidate(-1, disk((64, 64), (31.5, 31.5), 60), Box(1, 1, 3, 3))
    assert overlap(coarse, fine) == overlap(fine, coarse) > 0.95


def test_pixels_outside_of_the_finer_window_count_as_disagreement():
    whole = np.ones((64, 64), np.bool_)
    assert overlap(candidate(0, whole), candidate(-1, whole)) == pytest.approx(0.25)


def test_empty_masks_agree_with_nothing():
    nothing = np.zeros((64, 64), np.bool_)
    assert overlap(candidate(0, nothing), candidate(-1, nothing)) == 0


def test_a_lone_candidate_has_nobody_to_agree_with():
    assert agreements([candidate(0, np.ones((64, 64), np.bool_))]) == [0.0]


def test_a_predicted_quality_takes_the_place_of_the_stability():
    mask = disk((64, 64), (32, 32), 40)
    shaky, sure = candidate(0, mask, stability=0.2), candidate(0, mask, stability=0.9)
    assert score(shaky, 0.5, 64) < score(sure, 0.5, 64)
    judged = candidate(0, mask, stability=0.2, quality=0.9)
    assert score(judged, 0.5, 64) == score(sure, 0.5, 64)
