from __future__ import annotations

import numpy as np
import pytest
from napari_gpcis_training.augment import (
    BACKGROUND,
    OTHER,
    OUTSIDE,
    TARGET,
    centred_affine,
    plain_crop,
    training_crop,
    warp,
)
from napari_gpcis_training.config import AugmentConfig
from napari_gpcis_training.data.sets import LabelledSlice, index_objects

from tests.training.conftest import draw_cells


@pytest.fixture
def cells() -> LabelledSlice:
    image, labels = draw_cells(3)
    return index_objects("cells", image, labels, False, 30)


def test_training_crops_are_normal_images_with_a_target(cells: LabelledSlice) -> None:
    config = AugmentConfig(size=64, diameter=(12.0, 60.0))
    rng = np.random.default_rng(0)
    for _ in range(100):
        crop = training_crop(cells, rng, config, config.size)
        assert crop.image.shape == (3, 64, 64)
        assert crop.image.dtype == np.float32
        assert np.isfinite(crop.image).all()
        assert crop.image.min() >= 0
        assert crop.image.max() <= 1
        assert np.any(crop.codes == TARGET)
        assert set(np.unique(crop.codes)) <= {BACKGROUND, TARGET, OTHER, OUTSIDE}


def test_image_and_codes_are_moved_alike(cells: LabelledSlice) -> None:
    config = AugmentConfig(
        size=64, diameter=(20.0, 40.0), invert_probability=0, channel_probability=0, noise=0.0
    )
    rng = np.random.default_rng(1)
    for _ in range(50):
        crop = training_crop(cells, rng, config, config.size)
        grey = crop.image.mean(0)
        bright = grey[np.isin(crop.codes, (TARGET, OTHER))].mean()
        assert bright > grey[crop.codes == BACKGROUND].mean() + 0.1


def test_a_crop_equal_to_the_image_changes_nothing(cells: LabelledSlice) -> None:
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    image, codes = warp(cells, (2,), identity, 96)
    np.testing.assert_array_equal(image, cells.image)
    np.testing.assert_array_equal(codes == TARGET, cells.labels == 2)
    np.testing.assert_array_equal(codes > 0, cells.labels > 0)


def test_pixels_beyond_the_image_are_outside(cells: LabelledSlice) -> None:
    _, codes = warp(cells, (1,), np.array([[1.0, 0, 10], [0, 1, 0]]), 96)
    assert np.all(codes[:, :10] == OUTSIDE)
    assert not np.any(codes[:, 10:] == OUTSIDE)


def test_downscaling_does_not_alias() -> None:
    stripes = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    source = index_objects("stripes", stripes, np.ones((256, 256), np.uint8), False, 1)
    image, _ = warp(source, (1,), centred_affine(source.objects[0], 256, 64), 64)
    assert np.ptp(image[8:-8, 8:-8]) < 20


def test_evaluation_crops_show_three_object_sizes(cells: LabelledSlice) -> None:
    picked = cells.objects[2]
    crop = plain_crop(cells, picked, 3.0, 96)
    rows, cols = np.nonzero(crop.codes == TARGET)
    longer = max(np.ptp(rows), np.ptp(cols)) + 1
    assert abs(longer - 32) <= 2
    assert abs((rows.min() + rows.max()) / 2 - 47.5) <= 1.5
    assert abs((cols.min() + cols.max()) / 2 - 47.5) <= 1.5
