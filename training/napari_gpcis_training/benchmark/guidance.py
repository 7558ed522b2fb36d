"""The use of "click here next", between random clicks and clicks that know the errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_gpcis.engine.guidance import next_click, surroundings
from napari_gpcis_training.benchmark.records import Record, mean_curve
from napari_gpcis_training.benchmark.segmenters import SessionSegmenter
from napari_gpcis_training.clicks import evaluation_click
from napari_gpcis_training.plotting import draw_lines
from napari_gpcis_training.protocol import SimulatedUser
from napari_gpcis_training.reports import (
    markdown,
    markdown_rows,
    mean_and_error,
    with_error,
    write_texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.random import Generator

    from napari_gpcis.engine import Result
    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.benchmark.objects import BenchmarkObject

    Array = np.ndarray[Any, np.dtype[Any]]
    Chooser = Callable[[Result, BenchmarkObject, Generator], tuple[int, int] | None]

__all__ = ["WAYS", "click_guided", "guidance_report"]

CLICKS = 10
RANDOM = "random"
REPEATS = 3
"""Number of times that random clicks are drawn; their mean counts."""


def click_here_next(
    result: Result, item: BenchmarkObject, rng: Generator
) -> tuple[int, int] | None:
    """Where the plugin would click."""
    return next_click(result)


def click_anywhere(result: Result, item: BenchmarkObject, rng: Generator) -> tuple[int, int] | None:
    """Any unclicked pixel of the neighbourhood in which the plugin looks."""
    near = surroundings(result)
    if near is None:
        return None
    places = np.argwhere(_unclicked(result, item)[near.slices])
    if not len(places):
        return None
    row, col = places[rng.integers(len(places))].tolist()
    return row + near.r0, col + near.c0


def click_largest_error(
    result: Result, item: BenchmarkObject, rng: Generator
) -> tuple[int, int] | None:
    """Where the benchmark clicks: in the middle of the largest error, which no user knows."""
    clicked = ~_unclicked(result, item)
    place = evaluation_click(result.mask, item.target, item.valid, clicked)
    return None if place is None else place[:2]


WAYS: Mapping[str, Chooser] = {
    "largest error": click_largest_error,
    "click here next": click_here_next,
    RANDOM: click_anywhere,
}


def guidance_report(
    network: SegmentationNetwork,
    objects: Sequence[BenchmarkObject],
    folder: Path,
    clicks: int = CLICKS,
    device: str = "cpu",
) -> dict[str, Any]:
    """Compare ways to place further clicks after the same first one.

    Writes `guidance.json`, `guidance.md` and `guidance.png`.

    Parameters
    ----------
    network : SegmentationNetwork
        A network with a GP head, which answers as a session.
    objects : sequence of BenchmarkObject
        At least two objects; fastest with those of an image next to one another.
    folder : Path
        Created if missing.
    clicks : int
        Number of clicks on each object, the first one included; two at least.
    device : str
        Device, as `Session` takes it.

    Returns
    -------
    dict
        Content of `guidance.json`: for each way, mean IoU and its standard error over the
        objects after 1, 2, … clicks, in percent; `gain`, how much more than with random clicks,
        mean and standard error of the objects' differences; and `mean_gain`, the same of the mean
        over all clicks but the first.

    Raises
    ------
    ValueError
        If there are fewer than two objects or clicks.
    OutputFileError
        If the system refuses to write.
    """
    if len(objects) < 2 or clicks < 2:
        raise ValueError(
            f"expected 2 objects and 2 clicks or more, got {len(objects)} and {clicks}; choose more"
        )
    segmenter = SessionSegmenter("guided", network, device)
    curves = {
        way: np.array([_curve(segmenter, item, way, choose, clicks) for item in objects])
        for way, choose in WAYS.items()
    }
    report: dict[str, Any] = {
        "objects": len(objects),
        "data": sorted({item.data for item in objects}),
        "clicks": list(range(1, clicks + 1)),
        "ways": {way: _means(curve) for way, curve in curves.items()},
        "gain": {way: _means(curve - curves[RANDOM]) for way, curve in curves.items()},
        "mean_gain": {
            way: _means((curve - curves[RANDOM])[:, 1:].mean(1, keepdims=True))
            for way, curve in curves.items()
        },
    }
    texts = {
        "guidance.json": json.dumps(report, indent=2, allow_nan=False) + "\n",
        "guidance.md": _as_markdown(report),
    }
    write_texts(folder, texts)
    lines = {
        way: (report["clicks"], 100 - np.array(each["mean"]), np.array(each["error"]))
        for way, each in report["ways"].items()
    }
    title = "Error by where one clicks"
    draw_lines(folder / "guidance.png", lines, "clicks", "100 − mean IoU, %", title)
    return report


def click_guided(
    segmenter: SessionSegmenter,
    item: BenchmarkObject,
    way: str,
    choose: Chooser,
    clicks: int = CLICKS,
    seed: int = 0,
) -> Record:
    """Click once where the benchmark does, and then where a way of choosing says.

    Parameters
    ----------
    segmenter : SessionSegmenter
        The segmenter; is started on the object's image first.
    item : BenchmarkObject
        Says of every chosen pixel whether it is of the object.
    way, choose : str, callable
        Name of the way, and the function that chooses a pixel, or None where nothing is left to
        click.
    clicks : int
        Number of clicks in all.
    seed : int
        Seed of a way that draws at random.
    """
    rng = np.random.default_rng(seed)
    user = SimulatedUser(item.target, item.valid)
    segmenter.start(item.image, item.typical_diameter)
    user.click()
    while len(user.clicks) > len(user.ious):
        user.take(segmenter.click(*user.clicks[-1]))
        result = segmenter.result
        if result is None or len(user.ious) == clicks:
            break
        place = choose(result, item, rng)
        if place is not None:
            user.click_at(*place)
    return Record.of(item, way, user, seconds=[])


def _unclicked(result: Result, item: BenchmarkObject) -> Array:
    left = item.valid.copy()
    for click in result.clicks:
        left[click.row, click.col] = False
    return left


def _curve(
    segmenter: SessionSegmenter, item: BenchmarkObject, way: str, choose: Chooser, clicks: int
) -> Array:
    """IoU after 1, 2, … clicks, in percent; (clicks,)."""
    seeds = range(REPEATS if way == RANDOM else 1)
    records = [click_guided(segmenter, item, way, choose, clicks, seed) for seed in seeds]
    return 100 * mean_curve(records, clicks)


def _means(curves: Array) -> dict[str, list[float]]:
    """Mean over objects, and its standard error: (objects, clicks)."""
    mean, error = mean_and_error(pd.DataFrame(curves))
    return {"mean": mean.tolist(), "error": error.tolist()}


def _as_markdown(report: dict[str, Any]) -> str:
    columns = {**report["ways"], "click here next − random": report["gain"]["click here next"]}
    table = pd.DataFrame({"clicks": report["clicks"]})
    for title, each in columns.items():
        table[title] = _with_errors(each)
    gains = (f"{way} {_with_errors(each)[0]}" for way, each in report["mean_gain"].items())
    sections = (
        "# Click here next",
        f"Mean IoU, %, of {report['objects']} objects ({', '.join(map(markdown, report['data']))}) "
        "± standard error. The first click is the benchmark's; the others are placed in the middle "
        "of the largest error, where the plugin would click next, or at random in the "
        f"neighbourhood in which it looks (mean of {REPEATS} draws), and say what the pixel is.",
        markdown_rows(table),
        f"Mean gain over random clicks, from the second click on: {'; '.join(gains)}.",
    )
    return "\n\n".join(sections) + "\n"


def _with_errors(means: dict[str, list[float]]) -> list[str]:
    pairs = zip(means["mean"], means["error"], strict=True)
    return [with_error(mean, error, 2) for mean, error in pairs]
