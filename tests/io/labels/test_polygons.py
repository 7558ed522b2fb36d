from __future__ import annotations

import numpy as np
import pytest
from skimage import data, measure
from skimage.draw import polygon2mask

from napari_gpcis.io.labels.polygons import Polygon, objects_of, polygons_of


def area(ring: np.ndarray) -> float:
    r, c = ring.T
    return abs(float((r * np.roll(c, -1) - c * np.roll(r, -1)).sum())) / 2


def filled(polygons: list[Polygon], shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose middles lie inside, by another algorithm than OpenCV's."""
    mask = np.zeros(shape, bool)
    for polygon in polygons:
        for ring in polygon.rings:
            mask ^= polygon2mask(shape, ring - 0.5)
    return mask


def blobs(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((24, 31)) > 0.45


@pytest.mark.parametrize("seed", range(20))
def test_polygons_filled_are_the_mask_again(seed: int) -> None:
    mask = blobs(seed)
    np.testing.assert_array_equal(filled(polygons_of(mask), mask.shape), mask)


@pytest.mark.parametrize("seed", range(20))
def test_areas_of_the_rings_add_up_to_the_number_of_pixels(seed: int) -> None:
    mask = blobs(seed)
    total = sum(
        area(polygon.exterior) - sum(map(area, polygon.holes)) for polygon in polygons_of(mask)
    )
    assert total == mask.sum()


@pytest.mark.parametrize("seed", range(20))
def test_no_ring_passes_a_corner_twice(seed: int) -> None:
    for polygon in polygons_of(blobs(seed)):
        for ring in polygon.rings:
            assert len(np.unique(ring, axis=0)) == len(ring)


def test_a_pixel_is_a_square_of_four_corners() -> None:
    (polygon,) = polygons_of(np.ones((1, 1), bool), row=5, column=7)
    assert {tuple(corner) for corner in polygon.exterior.tolist()} == {
        (5, 7),
        (5, 8),
        (6, 8),
        (6, 7),
    }


def test_pixels_that_touch_in_a_corner_are_two_parts() -> None:
    assert len(polygons_of(np.eye(2, dtype=bool))) == 2


def test_a_ring_that_closes_in_a_corner_has_a_hole() -> None:
    mask = np.ones((3, 3), bool)
    mask[1, 1] = mask[0, 0] = False
    (polygon,) = polygons_of(mask)
    assert [area(hole) for hole in polygon.holes] == [1]


def test_objects_come_with_their_labels_and_places() -> None:
    labels = measure.label(data.coins() > 150)[:200, :200].astype(np.int64) * 1_000_003
    drawn = np.zeros_like(labels)
    found = list(objects_of(labels))
    for item in found:
        height, width = item.mask.shape
        drawn[item.row : item.row + height, item.column : item.column + width][item.mask] = (
            item.label
        )
    np.testing.assert_array_equal(drawn, labels)
    assert [item.label for item in found] == sorted({*labels.ravel().tolist()} - {0})


def test_a_page_full_of_one_object_has_no_background_to_lose() -> None:
    (item,) = objects_of(np.full((3, 4), 9))
    assert (item.label, item.mask.sum()) == (9, 12)


def test_an_empty_page_has_no_objects() -> None:
    assert not list(objects_of(np.zeros((3, 4), np.uint16)))
