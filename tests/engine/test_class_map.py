from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_gpcis.engine import Session
from napari_gpcis.engine.class_map import ClassMap
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.options import Options
from napari_gpcis.engine.predictor import Predictor
from napari_gpcis.engine.segmenter import ImageSegmenter


def class_map(network, stack, clicks, diameter=None, tile=None):
    predictor = Predictor(network, "cpu", host_bytes=0)
    if tile is not None:
        predictor.embedder.tile = tile
    source = ImageSource(stack)
    segmenter = ImageSegmenter(source, predictor, Options(mode="class"))
    return ClassMap(predictor.embedder, source, segmenter.scale(diameter), clicks)


def session_classes(network, stack, clicks, diameter=None):
    session = Session(network, device="cpu", mode="class", object_diameter=diameter)
    session.set_image(stack)
    for click in clicks:
        session.add_click(
            click.row, click.col, z=click.z, positive=click.positive, object_id=click.object_id
        )
    return np.stack([session.classify(z) for z in range(len(stack))])


def scattered(count, shape, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    places = itertools.islice(
        dict.fromkeys(tuple(rng.integers(0, shape).tolist()) for _ in range(2 * count)), count
    )
    return [Click(*place, True, number % classes + 1) for number, place in enumerate(places)]


@pytest.mark.parametrize("diameter", [20, 40, 90])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_classes_are_those_of_a_session(network, channels, diameter):
    stack = np.random.default_rng(0).random((3, 96, 120, *channels), np.float32)
    clicks = scattered(9, (2, 96, 120))
    classes = class_map(network, stack, clicks, diameter)
    expected = session_classes(network, stack, clicks, diameter)
    for z in range(3):
        assert (classes.slice(z)[:, :] == expected[z]).mean() > 0.999


def test_clicked_pixels_keep_their_class_and_negative_ones_are_background(network):
    stack = np.random.default_rng(1).random((2, 90, 110), np.float32)
    clicks = scattered(40, (2, 90, 110))
    clicks += [Click(0, 5, 5, False, 2), Click(1, 0, 0, True, 3)]
    classes = class_map(network, stack, clicks, 30)
    assert classes.ids == (0, 1, 2, 3)
    for click in clicks:
        found = classes.slice(click.z)[click.row : click.row + 1, click.col : click.col + 1]
        assert found == (click.object_id if click.positive else 0)


def test_the_last_click_on_a_pixel_counts(network):
    stack = np.random.default_rng(1).random((1, 64, 64), np.float32)
    clicks = [Click(0, 9, 9, True, 1), Click(0, 40, 40, True, 2), Click(0, 9, 9, True, 2)]
    assert class_map(network, stack, clicks).ids == (2,)
    assert (class_map(network, stack, clicks).slice(0)[:, :] == 2).all()


def test_tiles_agree_with_the_whole_and_are_computed_once(seeing, monkeypatch):
    plane = np.tile(np.repeat(np.array([10, 120, 240], np.uint8), 48), (400, 2))
    clicks = [Click(0, 50, col, True, number + 1) for number, col in enumerate((20, 70, 120))]
    whole = class_map(seeing, plane[None], clicks)
    tiled = class_map(seeing, plane[None], clicks, tile=128)
    assert (whole.tiles_per_slice, tiled.tiles_per_slice) == (1, 35)
    asked = []
    tile = tiled.tile
    monkeypatch.setattr(tiled, "tile", lambda z, core: asked.append(core) or tile(z, core))
    labels = tiled.slice(0)
    bands = [labels[start : start + 100, :] for start in range(0, 400, 100)]
    np.testing.assert_array_equal(np.concatenate(bands), whole.slice(0)[:, :])
    assert len(asked) == len(set(asked)) == 35


def test_any_part_of_a_slice_can_be_read(seeing):
    stack = np.random.default_rng(0).integers(0, 255, (1, 300, 200), np.uint8)
    clicks = [Click(0, 50, 20, True, 1), Click(0, 100, 90, True, 2)]
    labels = class_map(seeing, stack, clicks, tile=128).slice(0)
    whole = labels[:, :]
    assert labels.shape == whole.shape == (300, 200)
    for key in [
        np.s_[10:270:7, 5:60:3],
        np.s_[0:0, :],
        np.s_[299:, :1],
        np.s_[::50, ::50],
        np.s_[-20:, -7:],
    ]:
        np.testing.assert_array_equal(labels[key], whole[key])


def test_what_a_check_raises_ends_the_work(seeing):
    stack = np.zeros((1, 300, 300), np.uint8)
    clicks = [Click(0, 50, 20, True, 1), Click(0, 100, 90, True, 2)]
    classes = class_map(seeing, stack, clicks, tile=128)
    asked = []

    def check():
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classes.slice(0, check)[:, :]
    assert len(asked) == 3


def test_a_tile_says_which_pixels_it_holds(network):
    stack = np.zeros((1, 70, 90), np.uint8)
    clicks = [Click(0, 5, 2, True, 1), Click(0, 60, 80, True, 2)]
    classes = class_map(network, stack, clicks, 40, tile=64)
    for core in classes.tile_grid.tiles(Box(0, 0, *classes.tile_grid.canvas)):
        box, found = classes.tile(0, core)
        assert found.shape == box.shape
        assert box == core.times(classes.scale.pixels).clip((70, 90))
