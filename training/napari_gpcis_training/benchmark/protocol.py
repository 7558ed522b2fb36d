"""The simulated user: clicks in the middle of the largest error until the mask is good."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis_training.benchmark.records import CLICKS, Record
from napari_gpcis_training.clicks import evaluation_click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_gpcis_training.benchmark.objects import BenchmarkObject
    from napari_gpcis_training.benchmark.segmenters import Segmenter

    Array = np.ndarray[Any, np.dtype[Any]]

ALWAYS = 5
ENOUGH = 0.95


def click_through(
    segmenter: Segmenter,
    item: BenchmarkObject,
    most: int = CLICKS,
    always: int = ALWAYS,
    enough: float = ENOUGH,
) -> Record:
    """Segment an object click by click.

    Parameters
    ----------
    segmenter : Segmenter
        Is started on the object's image first.
    item : BenchmarkObject
        The object; pixels that are not `valid` neither attract clicks nor count.
    most : int
        Clicks after which to give up.
    always : int
        Clicks that are made however good the mask is, unless no pixel is left to click.
    enough : float
        IoU that ends the clicking.

    Returns
    -------
    Record
        Its seconds are those between a click and its mask.
    """
    record = Record(item.data, item.image_name, item.number, segmenter.name, item.diameter)
    segmenter.start(item.image, item.typical_diameter)
    mask, clicked = np.zeros_like(item.target), np.zeros_like(item.target)
    while len(record.ious) < most:
        place = evaluation_click(mask, item.target, item.valid, clicked)
        if place is None:
            break
        row, col, positive = place[0], place[1], place[2] > 0
        clicked[row, col] = True
        started = time.perf_counter()
        mask = segmenter.click(row, col, positive)
        record.seconds.append(time.perf_counter() - started)
        record.clicks.append((row, col, positive))
        record.ious.append(intersection_over_union(mask, item.target, item.valid))
        record.contradicted.append(count_contradicted(mask, record.clicks))
        if len(record.ious) >= always and max(record.ious) >= enough:
            break
    return record


def click_again(segmenter: Segmenter, item: BenchmarkObject, record: Record) -> Array:
    """Mask after the last of a record's clicks, made once more: bool, shape (Y, X)."""
    segmenter.start(item.image, item.typical_diameter)
    mask = np.zeros_like(item.target)
    for click in record.clicks:
        mask = segmenter.click(*click)
    return mask


def intersection_over_union(mask: Array, target: Array, valid: Array) -> float:
    """IoU of two masks where pixels count; 1 where both are empty."""
    union = int(((mask | target) & valid).sum())
    return int((mask & target & valid).sum()) / union if union else 1.0


def count_contradicted(mask: Array, clicks: Iterable[tuple[int, int, bool]]) -> int:
    """Clicked pixels whose sign the mask does not have."""
    return sum(bool(mask[row, col]) != positive for row, col, positive in clicks)
