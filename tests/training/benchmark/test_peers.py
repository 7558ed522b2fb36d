from __future__ import annotations

import numpy as np
import pytest
from napari_gpcis_training.benchmark.benchmark import click_object
from napari_gpcis_training.benchmark.objects import BenchmarkObject
from napari_gpcis_training.benchmark.peers import GrabCut, RandomWalker
from napari_gpcis_training.benchmark.segmenters import Segmenter
from napari_gpcis_training.protocol import count_contradicted
from skimage.data import coins
from skimage.measure import label, regionprops
from skimage.morphology import closing, footprint_rectangle

PEERS = [RandomWalker, GrabCut]


@pytest.fixture(scope="module")
def coin() -> BenchmarkObject:
    """The third coin of the second row, which is a bright one, with its surroundings."""
    image = coins()
    regions = regionprops(label(closing(image > 110, footprint_rectangle((3, 3)))))
    large = [region for region in regions if 1200 < region.area < 4000]
    region = min(large, key=lambda each: abs(each.centroid[0] - 130) + abs(each.centroid[1] - 160))
    target = np.zeros(image.shape, bool)
    target[region.slice] = region.image_filled
    rows, cols = (slice(max(0, part.start - 15), part.stop + 15) for part in region.slice)
    target, image = target[rows, cols], image[rows, cols]
    return BenchmarkObject("coins", "coin", 1, image, target, np.ones_like(target), 50.0)


@pytest.mark.parametrize("peer", PEERS)
def test_a_coin_is_found_in_a_few_clicks(peer: type, coin: BenchmarkObject) -> None:
    record = click_object(peer(), coin, most=10)
    assert max(record.ious) > 0.85
    assert record.ious[0] > 0.4
    assert record.contradicted[-1] == 0


@pytest.mark.parametrize("peer", PEERS)
def test_the_same_clicks_give_the_same_mask(peer: type, coin: BenchmarkObject) -> None:
    masks = []
    for _ in range(2):
        segmenter: Segmenter = peer()
        segmenter.start(coin.image, None)
        segmenter.click(30, 30, True)
        masks.append(segmenter.click(3, 3, False))
    np.testing.assert_array_equal(*masks)
    assert masks[0].shape == coin.target.shape


@pytest.mark.parametrize("peer", PEERS)
def test_a_large_colour_image_is_answered_at_its_own_size(peer: type) -> None:
    image = np.full((700, 300, 3), (20, 30, 40), np.uint8)
    image[200:500, 80:220] = (200, 150, 60)
    segmenter = peer(longest_side=128)
    segmenter.start(image, None)
    mask = segmenter.click(350, 150, True)
    assert mask.shape == (700, 300)
    wanted = image[..., 0] > 100
    assert (mask & wanted).sum() / (mask | wanted).sum() > 0.85


@pytest.mark.parametrize("peer", PEERS)
def test_neighbouring_clicks_of_both_signs_keep_theirs(peer: type) -> None:
    image = np.random.default_rng(0).integers(0, 255, (60, 60), np.uint8)
    clicks = [(30, 30, True), (30, 31, False), (0, 0, True), (59, 59, False)]
    segmenter = peer()
    segmenter.start(image, None)
    for click in clicks:
        mask = segmenter.click(*click)
    assert count_contradicted(mask, clicks) == 0


@pytest.mark.parametrize("peer", PEERS)
def test_a_negative_first_click_gives_no_mask_at_it(peer: type) -> None:
    segmenter = peer()
    segmenter.start(np.zeros((20, 20), np.uint8), None)
    assert not segmenter.click(10, 10, False)[10, 10]
