from __future__ import annotations

import numpy as np
import pytest
from napari_gpcis_training.augment import BACKGROUND, OTHER, OUTSIDE, TARGET
from napari_gpcis_training.prompts import box_clicks, stroke_clicks
from napari_gpcis_training.regions import drawn_object, pasted_object, suggested_region
from skimage import data
from skimage.draw import disk


def disk_codes(radius: int = 20, size: int = 96) -> np.ndarray:
    codes = np.full((size, size), BACKGROUND, np.uint8)
    codes[disk((40, 50), radius)] = TARGET
    codes[disk((80, 20), 10)] = OTHER
    codes[:, 90:] = OUTSIDE
    return codes


@pytest.mark.parametrize("seed", range(20))
def test_a_stroke_lies_on_what_it_says(seed: int) -> None:
    codes = disk_codes()
    clicks = stroke_clicks(codes, np.random.default_rng(seed))
    rows, cols = clicks[:, 0].astype(int), clicks[:, 1].astype(int)
    positive = clicks[:, 2] > 0
    assert 1 <= positive.sum() <= 60
    assert (codes[rows[positive], cols[positive]] == TARGET).all()
    assert np.isin(codes[rows[~positive], cols[~positive]], (BACKGROUND, OTHER)).all()


def test_strokes_are_drawn_on_thin_objects_too() -> None:
    codes = np.zeros((64, 64), np.uint8)
    codes[10:12, 5:60] = TARGET
    for seed in range(10):
        clicks = stroke_clicks(codes, np.random.default_rng(seed))
        positive = clicks[clicks[:, 2] > 0].astype(int)
        assert len(positive)
        assert (codes[positive[:, 0], positive[:, 1]] == TARGET).all()


@pytest.mark.parametrize("seed", range(10))
def test_a_box_is_a_frame_of_negative_pixels(seed: int) -> None:
    codes = disk_codes()
    clicks = box_clicks(codes, np.random.default_rng(seed))
    assert 4 <= len(clicks) <= 16
    assert (clicks[:, 2] == -1).all()
    rows, cols = clicks[:, 0].astype(int), clicks[:, 1].astype(int)
    assert (codes[rows, cols] != TARGET).all()
    outside = (rows < 21) | (rows > 59) | (cols < 31) | (cols > 69)
    assert outside.all()
    assert (np.abs(rows - 40) <= 25).all()


def test_an_object_that_fills_the_crop_has_no_box() -> None:
    codes = np.full((32, 32), TARGET, np.uint8)
    assert box_clicks(codes, np.random.default_rng(0)).shape == (0, 3)


def test_suggested_regions_follow_the_image() -> None:
    image = data.coins()[:192, :192].astype(np.float32)
    rng = np.random.default_rng(0)
    masks = [mask for mask in (suggested_region(image, rng) for _ in range(20)) if mask is not None]
    assert len(masks) > 10
    gradient = np.hypot(*np.gradient(image))
    on_outline = [
        gradient[mask & ~np.roll(mask, 1, 0) | mask & ~np.roll(mask, 1, 1)].mean() for mask in masks
    ]
    assert np.mean(on_outline) > 1.3 * gradient.mean()


def test_a_flat_image_suggests_nothing() -> None:
    flat = np.full((96, 96), 100, np.float32)
    assert suggested_region(flat, np.random.default_rng(0)) is None


@pytest.mark.parametrize("shape", [(96, 96), (96, 96, 3)])
def test_a_drawn_object_shows_where_its_mask_is(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(30):
        image, mask, others = drawn_object(np.full(shape, 120, np.float32), rng)
        assert image.shape == shape
        assert not (mask & others).any()
        changed = np.abs(image - 120).reshape(96, 96, -1).max(-1)
        if mask.sum() > 30:
            seen += changed[mask].mean() > changed[~(mask | others)].mean() + 5
    assert seen > 20


def test_a_pasted_object_brings_its_pixels_and_leaves_the_rest() -> None:
    image = np.full((64, 64), 50, np.float32)
    image[::2] = 60
    other = np.zeros((64, 64, 3), np.float32)
    mask = np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    other[mask] = 200
    pasted = pasted_object(image, other, mask, np.random.default_rng(0))
    assert pasted.shape == (64, 64, 3)
    np.testing.assert_allclose(pasted[:10], np.repeat(image[:10, :, None], 3, 2))
    assert np.abs(pasted[25:35, 25:35].mean() - image.mean()) > 5
