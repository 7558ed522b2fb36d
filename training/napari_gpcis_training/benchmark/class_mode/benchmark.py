"""Class mode's benchmark: accuracy and Dice against the number of clicks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis_training.benchmark.class_mode.clicks import (
    ClassRecord,
    accuracy,
    correcting_click,
    dice,
    first_clicks,
    shared_clicks,
)
from napari_gpcis_training.data.sets import load_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.benchmark.class_mode.clicks import (
        ClassClick,
        Classes,
        ClassImage,
        Way,
    )
    from napari_gpcis_training.benchmark.class_mode.segmenters import ClassSegmenter
    from napari_gpcis_training.config import DataSource


__all__ = ["class_images", "class_report", "click_classes"]

BACKGROUND, OBJECTS = 1, 2
BRUSH = 3
"""Radius of the brush that the forest is given besides single pixels, px."""
_MIN_AREA = 64
WAYS: tuple[Way, ...] = ("shared", "corrected")


def class_images(
    root: str | Path, sources: Sequence[DataSource], count: int = 6, size: int = 512
) -> list[ClassImage]:
    """Take images of the validation splits whose objects are all of one class.

    Parameters
    ----------
    root : path
        Folder of the data sets.
    sources : sequence of DataSource
        Data sets; those with `class_mode` off are left out.
    count : int
        Images of each set, spread evenly over its split.
    size : int
        Larger images are cut to this side, px, around the object nearest to their middle.

    Returns
    -------
    list of (name, image, class map)
        Name with the data set before a slash, (Y, X) or (Y, X, 3) uint8, and (Y, X) uint8 with 1
        for the background and 2 for objects.

    Raises
    ------
    ValueError
        When no set is left, or one has no labelled objects.
    """
    images: list[ClassImage] = []
    for source in sources:
        if not source.class_mode:
            continue
        loaded = load_set(root, source, "validation", _MIN_AREA).slices
        slices = [each for each in loaded if (each.labels == 0).any()]
        spread = np.linspace(0, len(slices) - 1, min(count, len(slices))).round().astype(int)
        for each in (slices[place] for place in spread):
            part = _around_an_object(each.objects, each.labels.shape, size)
            classes = np.where(each.labels[part] > 0, OBJECTS, BACKGROUND).astype(np.uint8)
            images.append((each.name, each.image[part], classes))
    if not images:
        raise ValueError(
            "expected a data set of objects that are all of one class, got none; "
            "set class_mode: true for one in the configuration"
        )
    return images


def click_classes(
    segmenter: ClassSegmenter,
    item: ClassImage,
    way: Way,
    count: int = 20,
    seed: int = 0,
    keep: Sequence[int] = (),
) -> ClassRecord:
    """Click classes of one image and score every answer.

    Parameters
    ----------
    segmenter : ClassSegmenter
        The method.
    item : (name, image, class map)
        An image as of `class_images`; 0 in the map is where the class is not known.
    way : {"shared", "corrected"}
        Clicks of `shared_clicks`, or those of `first_clicks` followed by `correcting_click`s. The
        latter end early where nothing is wrong any more.
    count : int
        Clicks in all.
    seed : int
        Seed of the shared clicks.
    keep : sequence of int
        Numbers of clicks after which the map is kept.

    Raises
    ------
    ValueError
        When the class map does not fit the image or has fewer than two classes.
    """
    name, image, truth = item
    _check(name, image, truth)
    data, _, image_name = name.rpartition("/")
    record = ClassRecord(data or "images", image_name, segmenter.name, way)
    begun = time.perf_counter()
    segmenter.start(image)
    record.start_seconds = time.perf_counter() - begun
    planned = first_clicks(truth) if way == "corrected" else shared_clicks(truth, count, seed)
    predicted = np.zeros_like(truth)
    for turn in range(count):
        click = planned[turn] if turn < len(planned) else None
        if click is None and way == "corrected":
            click = correcting_click(predicted, truth, record.clicks)
        if click is None:
            break
        pixels = _stroke(truth, click, segmenter.radius)
        begun = time.perf_counter()
        predicted = segmenter.learn(pixels, click.number)
        record.seconds.append(time.perf_counter() - begun)
        record.clicks.append(click)
        record.accuracies.append(accuracy(predicted, truth))
        record.dices.append(dice(predicted, truth))
        if turn + 1 in keep:
            record.maps[turn + 1] = predicted
    wrong = [predicted[row, col] != number for row, col, number in record.clicks]
    record.contradicted = int(np.count_nonzero(wrong))
    return record


def class_report(
    network: SegmentationNetwork,
    images: Sequence[ClassImage],
    folder: str | Path,
    clicks: int = 20,
    seed: int = 0,
    *,
    trees: int = 100,
    threads: int = 1,
    notify: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Compare class mode with a random forest, and write tables and pictures.

    Parameters
    ----------
    network : SegmentationNetwork
        A network with a GP head.
    images : sequence of (name, image, class map)
        Images as of `class_images`; other ones may have more classes.
    folder : path
        Folder of classes.md, .csv and .json, curves, and an image of each data set with the maps
        after half of the clicks; created if missing.
    clicks : int
        Most clicks on an image.
    seed : int
        Seed of the shared clicks (plus the image's place in the sequence) and of the forest.
    trees : int
        Number of trees in the forest.
    threads : int
        Threads of the forest; torch's are left as they are.
    notify : callable
        Called with a line before each image.

    Returns
    -------
    dict
        Content of classes.json: facts, and a row per data set, way, method and number of clicks.

    Raises
    ------
    ValueError
        When there is no image, a class map does not fit its image, or there are fewer clicks than
        classes.
    """
    from napari_gpcis_training.benchmark.class_mode.report import write_class_report
    from napari_gpcis_training.benchmark.class_mode.segmenters import ForestClasses, SessionClasses

    if not images:
        raise ValueError("expected at least one image, got none; give some")
    for name, image, truth in images:
        _check(name, image, truth, clicks)
    segmenters: tuple[ClassSegmenter, ...] = (
        SessionClasses(network),
        ForestClasses(0, trees, seed, threads),
        ForestClasses(BRUSH, trees, seed, threads),
    )
    shown = max(clicks // 2, 1)
    facts = {"clicks": clicks, "seed": seed, "images": len(images), "trees": trees}
    records = list(_run(segmenters, images, clicks, seed, shown, notify))
    return write_class_report(folder, records, images, clicks, shown, facts)


def _run(
    segmenters: Sequence[ClassSegmenter],
    images: Sequence[ClassImage],
    clicks: int,
    seed: int,
    shown: int,
    notify: Callable[[str], None],
) -> Iterator[ClassRecord]:
    seen: set[str] = set()
    for place, item in enumerate(images):
        notify(f"{item[0]} ({place + 1} of {len(images)})")
        data = item[0].rpartition("/")[0]
        keep = () if data in seen else (shown,)
        seen.add(data)
        for way in WAYS:
            for segmenter in segmenters:
                yield click_classes(segmenter, item, way, clicks, seed + place, keep)


def _stroke(truth: Classes, click: ClassClick, radius: int) -> NDArray[np.intp]:
    """Pixels that a brush paints around a click, the clicked one first, all of its class."""
    rows, cols = np.ogrid[: truth.shape[0], : truth.shape[1]]
    near = (rows - click.row) ** 2 + (cols - click.col) ** 2 <= radius**2
    near &= truth == click.number
    near[click.row, click.col] = False
    return np.concatenate([[(click.row, click.col)], np.argwhere(near)])


def _around_an_object(
    objects: NDArray[np.integer], shape: tuple[int, ...], size: int
) -> tuple[slice, slice]:
    """At most `size`² pixels around the object whose box is nearest to the middle."""
    middles = (objects[:, [1, 2]] + objects[:, [3, 4]]) / 2
    nearest = middles[np.abs(middles - np.array(shape) / 2).max(1).argmin()]
    starts = np.clip((nearest - size / 2).astype(int), 0, np.maximum(np.array(shape) - size, 0))
    rows, cols = (slice(int(start), int(start) + size) for start in starts)
    return rows, cols


def _check(name: str, image: NDArray[np.uint8], truth: Classes, clicks: int | None = None) -> None:
    if image.shape[:2] != truth.shape:
        raise ValueError(
            f"expected an image and a class map of {name} of one size, got {image.shape[:2]} and "
            f"{truth.shape}; make the map for this image"
        )
    classes = np.count_nonzero(np.unique(truth))
    if classes < 2:
        raise ValueError(
            f"expected two classes or more in {name}, got {classes}; leave the image out"
        )
    if clicks is not None and clicks < classes:
        raise ValueError(
            f"expected a click for each of the {classes} classes of {name}, got {clicks} in all; "
            "allow more clicks"
        )
