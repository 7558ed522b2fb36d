from __future__ import annotations

import numpy as np
import pytest
from napari_gpcis_training.augment import OTHER, OUTSIDE, TARGET
from napari_gpcis_training.clicks import (
    class_clicks,
    corrupted_mask,
    distance_inside,
    error_click,
    evaluation_click,
    initial_clicks,
)
from napari_gpcis_training.config import ClickConfig
from scipy import ndimage
from skimage.draw import disk


@pytest.fixture
def codes() -> np.ndarray:
    codes = np.zeros((64, 64), np.uint8)
    codes[disk((20, 22), 12)] = TARGET
    codes[disk((45, 45), 9)] = OTHER
    codes[:, 60:] = OUTSIDE
    return codes


@pytest.mark.parametrize("draw", [initial_clicks, class_clicks])
def test_clicks_are_right_by_the_target_and_inside_the_image(draw, codes: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(200):
        clicks = draw(codes, rng, ClickConfig(single_probability=0.3))
        assert clicks.dtype == np.float32
        assert clicks[0, 2] == 1
        for row, col, sign in clicks.astype(int):
            assert codes[row, col] != OUTSIDE
            assert (codes[row, col] == TARGET) == (sign > 0)
        counts.append(len(clicks))
    assert min(counts) <= 2
    assert max(counts) > 6


def test_the_first_click_lies_well_inside(codes: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    distance = distance_inside(codes == TARGET)
    for _ in range(50):
        row, col, _ = initial_clicks(codes, rng, ClickConfig(single_probability=1.0))[0].astype(int)
        assert distance[row, col] > distance.max() / 1.7


def test_a_simulated_click_lands_in_the_larger_error(codes: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    missed = np.zeros(codes.shape)
    row, col, sign = error_click(missed, codes, rng, 0.49)
    assert codes[row, col] == TARGET
    assert sign == 1
    too_much = np.where(codes == OTHER, 0.9, 0.0) + (codes == TARGET)
    row, col, sign = error_click(too_much, codes, rng, 0.49)
    assert codes[row, col] == OTHER
    assert sign == -1
    assert error_click((codes == TARGET) * 1.0, codes, rng, 0.49) is None


def test_errors_outside_the_image_draw_no_click(codes: np.ndarray) -> None:
    answer = np.where(codes == OUTSIDE, 1.0, codes == TARGET)
    assert error_click(answer, codes, np.random.default_rng(0), 0.49) is None


def test_the_distance_transform_is_exact_and_sees_the_frame_as_a_border() -> None:
    mask = np.random.default_rng(0).random((50, 70)) > 0.02
    exact = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    np.testing.assert_allclose(distance_inside(mask), exact, atol=1e-5)
    assert distance_inside(np.ones((5, 5), bool)).max() == 3


def no_clicks(shape: tuple[int, int]) -> np.ndarray:
    return np.zeros(shape, bool)


def test_the_benchmark_clicks_the_first_deepest_missed_pixel() -> None:
    target = no_clicks((20, 30))
    target[4:8, 5:15] = True
    everywhere = np.ones_like(target)
    click = evaluation_click(no_clicks(target.shape), target, everywhere, no_clicks(target.shape))
    assert click == (5, 6, 1.0)


def test_the_benchmark_prefers_the_excess_on_a_tie() -> None:
    target, predicted = no_clicks((20, 30)), no_clicks((20, 30))
    target[2:7, 2:7] = True
    predicted[12:17, 20:25] = True
    everywhere = np.ones_like(target)
    assert evaluation_click(predicted, target, everywhere, no_clicks(target.shape)) == (14, 22, -1)
    target[2:9, 2:9] = True
    assert evaluation_click(predicted, target, everywhere, no_clicks(target.shape)) == (5, 5, 1)


def test_the_benchmark_never_clicks_a_pixel_twice_and_ends_without_errors() -> None:
    target = no_clicks((9, 9))
    target[4, 4] = True
    everywhere, clicked = np.ones_like(target), no_clicks((9, 9))
    assert evaluation_click(no_clicks((9, 9)), target, everywhere, clicked) == (4, 4, 1)
    clicked[4, 4] = True
    assert evaluation_click(no_clicks((9, 9)), target, everywhere, clicked) is None
    assert evaluation_click(target, target, everywhere, no_clicks((9, 9))) is None


def test_a_corrupted_mask_resembles_the_target(codes: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    target = codes == TARGET
    overlaps = []
    for _ in range(50):
        mask = corrupted_mask(target, rng)
        assert mask.dtype == np.float32
        assert mask.min() >= 0
        assert mask.max() <= 1 + 1e-6
        union = ((mask > 0.5) | target).sum()
        overlaps.append(((mask > 0.5) & target).sum() / union)
    assert 0.4 < np.mean(overlaps) < 0.95
