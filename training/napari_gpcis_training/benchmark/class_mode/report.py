"""Tables and pictures of class mode's benchmark."""

from __future__ import annotations

import csv
import io
import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis_training.benchmark.class_mode.pictures import draw_examples, draw_measures
from napari_gpcis_training.plotting.names import file_stem, markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_gpcis_training.benchmark.class_mode.records import ClassImage, ClassRecord, Row

__all__ = ["curve", "summarise", "write_class_report"]

ALL = "all"
"""Name under which the images of several data sets are taken together."""
_SHOWN = (2, 3, 5, 10, 20, 30, 50)
_MEASURES = {"dice": "Dice", "accuracy": "pixel accuracy"}
_WAYS = {"shared": "the same clicks for all", "corrected": "each one’s own errors corrected"}
_LEGEND = """\
In percent, mean over the images ± standard error. Accuracy: share of the pixels whose class is
right. Dice: mean over the classes but the background. The same clicks for all: the classes in
turn, at random places, rather inside than at an outline. Own errors corrected: one click in the
middle of each class's largest region, then in the middle of the method's largest error. The random
forest grows on scikit-image's multiscale features (intensity, edges, texture; σ = 1–16 px);
with a brush it learns from all pixels of the click's class around it, which no other method is
told. Seconds: median of an answer, whole image, after each class has its first click; start: mean
time before the first click (features; embedding). Contradicted: clicked pixels of another class
than clicked, in the last map, of all."""


def curve(records: Sequence[ClassRecord], measure: str, clicks: int) -> NDArray[np.float64]:
    """Scores after 1, 2, … clicks, (records, clicks); one that ended early keeps its last."""
    kept: list[list[float]] = [getattr(record, measure) for record in records]
    return np.array([scores + scores[-1:] * (clicks - len(scores)) for scores in kept])


def summarise(records: Sequence[ClassRecord], clicks: int) -> list[Row]:
    """A row per data set, way, method and number of clicks; scores 0–1, times in seconds.

    Parameters
    ----------
    records : sequence of ClassRecord
        Of any data sets, ways and methods.
    clicks : int
        The most that were allowed.

    Returns
    -------
    list of dict
        `accuracy`, `dice` and their standard errors (None for one image), and, alike in all rows
        of a method, `seconds` (median), `start_seconds` (mean), `contradicted` and `clicked`.
    """
    rows: list[Row] = []
    for (data, way, model), group in _groups(records).items():
        first = max(len({click.number for click in record.clicks}) for record in group)
        later = [second for record in group for second in record.seconds[first:]]
        same = {
            "seconds": float(np.median(later)) if later else None,
            "start_seconds": float(np.mean([record.start_seconds for record in group])),
            "contradicted": int(sum(record.contradicted for record in group)),
            "clicked": sum(len(record.clicks) for record in group),
        }
        measured = {"accuracy": "accuracies", "dice": "dices"}
        curves = {key: curve(group, name, clicks) for key, name in measured.items()}
        for turn in range(first, clicks + 1):
            row = {"data": data, "way": way, "model": model, "images": len(group), "clicks": turn}
            for key, values in curves.items():
                row[key], row[f"{key}_error"] = _mean_and_error(values[:, turn - 1])
            rows.append({**row, **same})
    return rows


def write_class_report(
    folder: str | Path,
    records: Sequence[ClassRecord],
    images: Sequence[ClassImage],
    clicks: int,
    shown: int,
    facts: Row,
) -> Row:
    """Write classes.md, classes.csv (a row per image and click), classes.json and pictures.

    Parameters
    ----------
    folder : path
        Made when missing.
    records, images, clicks
        As of `benchmark.class_report`.
    shown : int
        Number of clicks after which the kept maps are drawn.
    facts : dict
        How it was measured.

    Returns
    -------
    dict
        What classes.json holds.

    Raises
    ------
    OutputFileError
        When the system refuses to write.
    """
    rows = summarise(records, clicks)
    report: Row = {
        "facts": facts,
        "units": {"accuracy": "0–1", "dice": "0–1", "seconds": "s", "start_seconds": "s"},
        "scores": rows,
    }
    texts = {
        "classes.md": markdown_report(rows, facts),
        "classes.csv": csv_report(records),
        "classes.json": json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    }
    with os_errors_as_output_errors(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name, text in texts.items():
            path = Path(folder) / name
            part = stack.enter_context(atomic_write(path))
            with os_errors_as_output_errors(path):
                part.write_text(text, encoding="utf-8", newline="")
    every = rows[-1]["data"]
    curves = [(data, "dice") for data in dict.fromkeys(row["data"] for row in rows)]
    for data, measure in (*curves, (every, "accuracy")):
        of_data = [row for row in rows if row["data"] == data]
        for way, told in _WAYS.items():
            path = Path(folder) / f"classes_{file_stem(data)}_{way}_{measure}.png"
            draw_measures(path, of_data, way, measure, f"{data}: {_MEASURES[measure]}, {told}")
    draw_examples(Path(folder), records, images, shown)
    return report


def markdown_report(rows: Sequence[Row], facts: Row) -> str:
    """GitHub flavoured Markdown: a table per data set and way, a legend, how it was measured."""
    sections = ["# Classes against the number of clicks"]
    for data in dict.fromkeys(row["data"] for row in rows):
        for way, told in _WAYS.items():
            table = [row for row in rows if (row["data"], row["way"]) == (data, way)]
            if table:
                heading = f"## {markdown(data)}, {told} ({table[0]['images']} images)"
                sections.append("\n".join([heading, "", *_table(table)]))
    told = ", ".join(f"{name} {value}" for name, value in facts.items())
    return "\n\n".join([*sections, _LEGEND, f"Measured with: {markdown(told)}."]) + "\n"


def csv_report(records: Iterable[ClassRecord]) -> str:
    """A row per image, method, way and click."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = "data,image,way,model,clicks,row,column,class,accuracy,dice,seconds"
    writer.writerow(names.split(","))
    for record in records:
        scores = zip(record.clicks, record.accuracies, record.dices, record.seconds, strict=True)
        for turn, (click, *measured) in enumerate(scores, 1):
            about = (record.data, record.image, record.way, record.model, turn)
            writer.writerow([*about, *click, *(f"{value:.5f}" for value in measured)])
    return text.getvalue()


def _table(rows: Sequence[Row]) -> Iterator[str]:
    counts = [row["clicks"] for row in rows]
    shown = [turn for turn in _SHOWN if turn in counts]
    shown += [] if max(counts) in shown else [max(counts)]
    titles = [f"{title}, {turn} clicks" for title in _MEASURES.values() for turn in shown]
    titles += ["s/click", "start, s", "contradicted"]
    yield f"| method | {' | '.join(titles)} |"
    yield f"| --- |{' ---: |' * len(titles)}"
    for model in dict.fromkeys(row["model"] for row in rows):
        own = {row["clicks"]: row for row in rows if row["model"] == model}
        cells = [_percent(own[turn], measure) for measure in _MEASURES for turn in shown]
        last = own[shown[-1]]
        seconds = "–" if last["seconds"] is None else f"{last['seconds']:.3f}"
        cells += [seconds, f"{last['start_seconds']:.2f}"]
        cells += [f"{last['contradicted']} of {last['clicked']}"]
        yield f"| {markdown(model)} | {' | '.join(cells)} |"


def _percent(row: Row, measure: str) -> str:
    error = row[f"{measure}_error"]
    mean = f"{100 * row[measure]:.1f}"
    return mean if error is None else f"{mean} ± {100 * error:.1f}"


def _groups(records: Iterable[ClassRecord]) -> dict[tuple[str, str, str], list[ClassRecord]]:
    """Records by data set, way and method, and under `ALL` when there are several data sets."""
    groups: dict[tuple[str, str, str], list[ClassRecord]] = {}
    together: dict[tuple[str, str, str], list[ClassRecord]] = {}
    for record in records:
        groups.setdefault((record.data, record.way, record.model), []).append(record)
        together.setdefault((ALL, record.way, record.model), []).append(record)
    several = len({data for data, _, _ in groups}) > 1
    return {**groups, **together} if several else groups


def _mean_and_error(values: NDArray[np.float64]) -> tuple[float, float | None]:
    if len(values) < 2:
        return float(values.mean()), None
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
