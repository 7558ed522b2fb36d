"""Whether "click here next" helps: it against random clicks and against knowing the errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.engine.guidance import next_click, surroundings
from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis_training.benchmark.protocol import count_contradicted, intersection_over_union
from napari_gpcis_training.benchmark.records import Record, mean_curve
from napari_gpcis_training.benchmark.segmenters import SessionSegmenter
from napari_gpcis_training.clicks import evaluation_click
from napari_gpcis_training.plotting.diagrams import draw_lines
from napari_gpcis_training.plotting.names import markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
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
"""How often random clicks are drawn; their mean counts."""


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
    """Where the benchmark clicks: in the middle of the largest error, which no user is told."""
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
        Answers as a session.
    objects : sequence of BenchmarkObject
        Those of an image one after the other are fastest. Two at least.
    folder : Path
        Is made if need be.
    clicks : int
        On each object, the first one included; two at least.
    device : str
        As `Session` takes it.

    Returns
    -------
    dict
        What stands in `guidance.json`: for each way, mean IoU and its standard error over the
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
    _write(folder, report)
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
        Is started on the object's image first.
    item : BenchmarkObject
        Says of every chosen pixel whether it is of the object.
    way, choose : str, callable
        Name and way. It may say that there is nothing left to click.
    clicks : int
        In all.
    seed : int
        For a way that draws at random.
    """
    record = Record(item.data, item.image_name, item.number, way, item.diameter)
    rng = np.random.default_rng(seed)
    segmenter.start(item.image, item.typical_diameter)
    nothing = np.zeros_like(item.target)
    first = evaluation_click(nothing, item.target, item.valid, nothing)
    place = None if first is None else first[:2]
    while place is not None:
        positive = bool(item.target[place])
        mask = segmenter.click(*place, positive)
        record.clicks.append((*place, positive))
        record.ious.append(intersection_over_union(mask, item.target, item.valid))
        record.contradicted.append(count_contradicted(mask, record.clicks))
        result = segmenter.result
        if result is None or len(record.ious) == clicks:
            break
        place = choose(result, item, rng)
    return record


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
    error = curves.std(0, ddof=1) / np.sqrt(len(curves))
    return {"mean": curves.mean(0).tolist(), "error": error.tolist()}


def _write(folder: Path, report: dict[str, Any]) -> None:
    with os_errors_as_output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "guidance.json": json.dumps(report, indent=2, allow_nan=False) + "\n",
        "guidance.md": "\n".join(_lines(report)) + "\n",
    }
    for name, text in texts.items():
        with atomic_write(folder / name) as part, os_errors_as_output_errors(folder / name):
            part.write_text(text, encoding="utf-8")


def _lines(report: dict[str, Any]) -> Iterator[str]:
    yield "# Click here next"
    yield ""
    yield (
        f"Mean IoU, %, of {report['objects']} objects ({', '.join(map(markdown, report['data']))}) "
        "± standard error. The first click is the benchmark's; the others are placed in the middle "
        "of the largest error, where the plugin would click next, or at random in the "
        f"neighbourhood in which it looks (mean of {REPEATS} draws), and say what the pixel is."
    )
    yield ""
    yield f"| clicks | {' | '.join(report['ways'])} | click here next − random |"
    yield "|---:|" + "---:|" * (len(report["ways"]) + 1)
    gain = report["gain"]["click here next"]
    for index, count in enumerate(report["clicks"]):
        cells = [_cell(each, index) for each in (*report["ways"].values(), gain)]
        yield f"| {count} | {' | '.join(cells)} |"
    yield ""
    told = "; ".join(f"{way} {_cell(each, 0)}" for way, each in report["mean_gain"].items())
    yield f"Mean gain over random clicks, from the second click on: {told}."


def _cell(means: dict[str, list[float]], index: int) -> str:
    return f"{means['mean'][index]:.2f} ± {means['error'][index]:.2f}"
