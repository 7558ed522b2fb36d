from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gpcis.engine import Session
from napari_gpcis.engine.click_patches import attach, cut_patch
from napari_gpcis.gp import GPClassifier
from napari_gpcis.model import NetworkConfig, build_network
from tests.engine.conftest import SMALL


@pytest.fixture
def stripes():
    """Three grey values side by side, in three slices."""
    plane = np.repeat(np.array([10, 120, 240], np.uint8), 48)
    return np.broadcast_to(plane, (3, 96, 144))


@pytest.fixture
def session(seeing, stripes):
    session = Session(seeing, device="cpu", mode="class")
    session.set_image(stripes)
    return session


def click_all(session, z=0):
    for number, col in enumerate((20, 70, 120)):
        result = session.add_click(50, col, z=z, object_id=number + 1)
    return result


def wanted(shape):
    return np.broadcast_to(np.repeat([1, 2, 3], 48), shape)


def test_every_pixel_gets_the_class_it_resembles(session):
    result = click_all(session)
    assert (result.classes == wanted((96, 144))).mean() > 0.95
    assert result.class_ids == (1, 2, 3)
    np.testing.assert_array_equal(result.mask, result.classes == 3)
    assert result.probability[50, 120] > 0.5


def test_slices_without_clicks_are_classified_alike(session):
    click_all(session, z=1)
    np.testing.assert_array_equal(session.classify(0), session.classify(1))
    np.testing.assert_array_equal(session.classify(2), session.classify(1))


def test_clicks_of_all_slices_count_together(session):
    for z, col in enumerate((20, 70, 120)):
        session.add_click(50, col, z=z, object_id=z + 1)
    assert (session.classify(0) == wanted((96, 144))).mean() > 0.95


def test_clicked_pixels_keep_their_class(network):
    rng = np.random.default_rng(0)
    session = Session(network, device="cpu", mode="class", object_diameter=40)
    session.set_image(rng.random((2, 90, 110, 3), np.float32))
    clicks = {}
    for _ in range(24):
        place = int(rng.integers(2)), int(rng.integers(90)), int(rng.integers(110))
        clicks[place] = int(rng.integers(1, 4))
        z, row, col = place
        session.add_click(row, col, z=z, object_id=clicks[place])
    for z in range(2):
        classes = session.classify(z)
        for (of, row, col), number in clicks.items():
            assert of != z or classes[row, col] == number


def test_negative_clicks_are_background(session):
    click_all(session)
    result = session.add_click(50, 10, positive=False)
    assert result.class_ids == (0, 1, 2, 3)
    assert result.classes[50, 10] == 0
    assert result.classes[50, 120] == 3


def test_a_click_replaces_one_of_another_class_on_its_pixel(session):
    session.add_click(50, 20, object_id=1)
    session.add_click(50, 20, object_id=2)
    assert [click.object_id for click in session.clicks] == [2]


def test_a_commit_makes_the_slice_its_classes_and_can_be_undone(session):
    click_all(session, z=1)
    assert session.commit() == 3
    np.testing.assert_array_equal(session.labels_for(1), session.classify(1))
    assert not session.labels_for(0).any()
    session.undo()
    assert not session.labels.any()
    assert len(session.clicks) == 3


def test_without_clicks_there_are_no_classes(session):
    assert not session.classify(0).any()
    session.add_click(50, 20)
    result = session.undo()
    assert result.class_ids == ()
    assert not result.mask.any()
    assert not result.classes.any()


def test_undo_and_redo_give_the_same_classes(session):
    session.add_click(50, 20, object_id=1)
    before = session.add_click(50, 70, object_id=2).classes
    after = session.add_click(50, 120, object_id=3).classes
    np.testing.assert_array_equal(session.undo().classes, before)
    np.testing.assert_array_equal(session.redo().classes, after)


def test_features_are_decoded_once_a_slice(session, monkeypatch):
    click_all(session)
    monkeypatch.setattr(
        session._predictor.network, "decode", lambda *args: pytest.fail("decoded again")
    )
    session.add_click(10, 10, object_id=1)


def test_a_large_slice_is_classified_tile_by_tile(seeing, stripes):
    whole, tiled = (Session(seeing, device="cpu", mode="class") for _ in range(2))
    tiled._predictor.embedder.tile = 128
    for session in (whole, tiled):
        session.set_image(np.tile(stripes[0], (3, 2)))
        click_all(session)
    assert not tiled.result.box.shape == (288, 288)
    np.testing.assert_array_equal(tiled.classify(0), whole.classify(0))


def test_object_sessions_and_other_heads_have_no_classes(network, stripes):
    session = Session(network, device="cpu")
    session.set_image(stripes)
    with pytest.raises(ValueError, match="mode='class'"):
        session.classify(0)
    with pytest.raises(ValueError, match="GP head"):
        Session(build_network(NetworkConfig(**SMALL, head="conv")), device="cpu", mode="class")


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("place", [(0.0, 0.0), (5.3, 8.8), (31.0, 31.0), (30.6, 0.4), (16.0, 17.0)])
def test_a_click_carried_elsewhere_counts_as_at_home(stride, place):
    torch.manual_seed(0)
    classifier = GPClassifier(6, fourier_features=8).eval()
    deep = torch.nn.functional.normalize(torch.randn(1, 6, 32 // stride, 32 // stride), dim=1)
    colour = torch.randn(1, 3, 32, 32)
    own = [[12.0, 20.0, -1.0]]
    at_home = classifier.condition(deep, colour, [torch.tensor([*own, [*place, 1.0]])]).mean
    patch = cut_patch(deep, colour, *place)
    longer, long_colour, (moved,) = attach(deep, colour, [patch])
    clicks = torch.tensor([*own, [*moved, 1.0]])
    carried = classifier.condition(longer, long_colour, [clicks]).mean[..., :32, :32]
    torch.testing.assert_close(carried, at_home, atol=1e-4, rtol=1e-4)


def test_many_clicks_are_carried():
    deep, colour = torch.randn(1, 6, 8, 8), torch.randn(1, 3, 32, 32)
    patches = [cut_patch(deep, colour, float(n), float(n)) for n in range(5)]
    longer, long_colour, places = attach(deep, colour, patches)
    assert longer.shape == (1, 6, 8 + 1 + 12, 8)
    assert long_colour.shape == (1, 3, 32 + 4 + 48, 32)
    for number, (row, col) in enumerate(places):
        torch.testing.assert_close(
            long_colour[..., int(row), int(col)], colour[..., number, number]
        )
