from __future__ import annotations

import numpy as np
import pytest
from napari_gpcis_training.benchmark.benchmark import click_again, click_object
from napari_gpcis_training.benchmark.objects import BenchmarkObject
from napari_gpcis_training.clicks import evaluation_click
from napari_gpcis_training.protocol import count_contradicted, intersection_over_union


class Scripted:
    """Answers with one mask after another; the last one for good."""

    parameters = None

    def __init__(self, *masks: np.ndarray, name: str = "scripted") -> None:
        self.name = name
        self.masks = masks
        self.diameters: list[float | None] = []

    def start(self, image: np.ndarray, diameter: float | None) -> None:
        self.diameters.append(diameter)
        self.clicks: list[tuple[int, int, bool]] = []

    def click(self, row: int, col: int, positive: bool) -> np.ndarray:
        self.clicks.append((row, col, positive))
        return self.masks[min(len(self.clicks), len(self.masks)) - 1]


def box_mask(rows: slice, cols: slice, size: int = 24) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[rows, cols] = True
    return mask


def make_object(target: np.ndarray, valid: np.ndarray | None = None) -> BenchmarkObject:
    valid = np.ones_like(target) if valid is None else valid
    image = np.zeros(target.shape, np.uint8)
    return BenchmarkObject("set", "image", 3, image, target, valid, 10.0, 12.0)


def first_click(
    mask: np.ndarray, target: np.ndarray, valid: np.ndarray | None = None
) -> tuple[int, int, float] | None:
    valid = np.ones_like(target) if valid is None else valid
    return evaluation_click(mask, target, valid, np.zeros_like(target))


def test_an_object_that_fills_the_image_is_clicked_in_its_middle() -> None:
    # without zero-padding, every pixel would be equally far from a border that is not there
    everything = np.ones((9, 13), bool)
    assert first_click(np.zeros_like(everything), everything) == (4, 4, 1.0)


def test_equally_deep_errors_are_clicked_as_excess() -> None:
    target, excess = box_mask(slice(2, 7), slice(2, 7)), box_mask(slice(12, 17), slice(12, 17))
    assert first_click(excess, target) == (14, 14, -1.0)


def test_a_missed_part_that_is_deeper_is_clicked_first() -> None:
    target, excess = box_mask(slice(2, 9), slice(2, 9)), box_mask(slice(12, 17), slice(12, 17))
    assert first_click(excess, target) == (5, 5, 1.0)


def test_of_equally_deep_pixels_the_first_row_and_column_wins() -> None:
    target = box_mask(slice(4, 8), slice(10, 20)) | box_mask(slice(12, 16), slice(1, 11))
    assert first_click(np.zeros_like(target), target) == (5, 11, 1.0)


def test_ignored_pixels_attract_no_click_and_do_not_count() -> None:
    target, valid = box_mask(slice(4, 12), slice(4, 12)), ~box_mask(slice(4, 12), slice(4, 8))
    assert first_click(np.zeros_like(target), target, valid) == (5, 9, 1.0)
    half = box_mask(slice(4, 12), slice(8, 12))
    assert intersection_over_union(half, target, valid) == 1.0
    assert intersection_over_union(half, target, np.ones_like(valid)) == 0.5


def test_an_oracle_needs_one_click_and_is_left_alone_when_nothing_is_wrong() -> None:
    target = box_mask(slice(5, 14), slice(5, 14))
    record = click_object(Scripted(target), make_object(target))
    assert record.clicks == [(9, 9, True)]
    assert record.clicks_to(0.95) == 1
    assert record.ious == [1.0]


def test_a_mask_that_is_good_but_not_perfect_is_clicked_five_times() -> None:
    target = box_mask(slice(2, 22), slice(2, 22))
    nearly = target.copy()
    nearly[2, 2:8] = False
    record = click_object(Scripted(nearly), make_object(target))
    assert len(record.clicks) == 5
    assert record.clicks_to(0.95) == 1


def test_an_obstinate_segmenter_gets_twenty_different_clicks() -> None:
    target = box_mask(slice(5, 14), slice(5, 14))
    record = click_object(Scripted(np.zeros_like(target)), make_object(target))
    assert len(set(record.clicks)) == 20
    assert record.clicks_to(0.85) == 20
    assert record.fails(0.85)
    assert len(record.seconds) == 20


def test_clicking_stops_at_the_wanted_iou() -> None:
    target = box_mask(slice(2, 22), slice(2, 22))
    masks = [box_mask(slice(2, 22), slice(2, 22 - missing)) for missing in (18, 15, 12, 9, 6, 3, 1)]
    record = click_object(Scripted(*masks), make_object(target))
    assert len(record.ious) == 7
    assert record.ious == sorted(record.ious)
    assert click_object(Scripted(*masks), make_object(target), enough=0.8).after(20) == 0.85


def test_contradicted_clicks_are_counted_in_every_round() -> None:
    target = box_mask(slice(5, 14), slice(5, 14))
    none, all_of_it = np.zeros_like(target), np.ones_like(target)
    record = click_object(Scripted(none, none, all_of_it), make_object(target), most=4)
    # positive, positive, positive, then a negative one: the last mask has the wrong sign there
    assert [positive for *_, positive in record.clicks] == [True, True, True, False]
    assert record.contradicted == [1, 2, 0, 1]
    assert count_contradicted(none, record.clicks) == 3


def test_a_segmenter_is_told_the_typical_diameter_and_the_record_keeps_the_true_one() -> None:
    target = box_mask(slice(5, 14), slice(5, 14))
    oracle = Scripted(target)
    record = click_object(oracle, make_object(target))
    assert oracle.diameters == [12.0]
    assert (record.data, record.image, record.number, record.diameter) == ("set", "image", 3, 10.0)


def test_clicking_again_gives_the_last_mask() -> None:
    target = box_mask(slice(2, 22), slice(2, 22))
    masks = [box_mask(slice(2, 22), slice(2, stop)) for stop in (9, 12, 15)]
    item, segmenter = make_object(target), Scripted(*masks)
    record = click_object(segmenter, item, most=3)
    np.testing.assert_array_equal(click_again(segmenter, item, record), masks[-1])
    assert segmenter.clicks == record.clicks


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_thin_images_can_be_clicked(shape: tuple[int, int]) -> None:
    target = np.ones(shape, bool)
    assert click_object(Scripted(target), make_object(target)).ious == [1.0]
