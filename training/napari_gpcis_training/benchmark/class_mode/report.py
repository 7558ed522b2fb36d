"""Report of class mode's benchmark: tables, curves, and class maps side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from napari_gpcis_training.plotting import draw_lines, figure_to, plain_text
from napari_gpcis_training.reports import (
    file_stem,
    markdown,
    markdown_rows,
    mean_and_error,
    with_error,
    write_texts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_gpcis_training.benchmark.class_mode.clicks import ClassImage, ClassRecord

__all__ = ["summarise", "write_class_report"]

Row: TypeAlias = dict[str, Any]

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
_LABELS = {"dice": "Dice, %", "accuracy": "pixel accuracy, %"}
_COLOURS = ("#000000", "#444444", "#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442")
"""Unknown, background, then the classes from 2 on, in turn."""


def answer_rows(records: Sequence[ClassRecord]) -> pd.DataFrame:
    """A row per image, way, method and click: what was clicked, and the answer's scores."""
    return pd.DataFrame(
        {
            "record": number,
            "data": record.data,
            "image": record.image,
            "way": record.way,
            "model": record.model,
            "clicks": turn + 1,
            "row": click.row,
            "column": click.col,
            "class": click.number,
            "accuracy": record.accuracies[turn],
            "dice": record.dices[turn],
            "seconds": record.seconds[turn],
        }
        for number, record in enumerate(records)
        for turn, click in enumerate(record.clicks)
    )


def summarise(records: Sequence[ClassRecord], clicks: int) -> list[Row]:
    """A row per data set, way, method and number of clicks; scores 0–1, times in seconds.

    Parameters
    ----------
    records : sequence of ClassRecord
        Records of any data sets, ways and methods. Where there are several data sets, a last
        group has all of their images together.
    clicks : int
        Most clicks that were allowed; an image that ended earlier keeps its last score.

    Returns
    -------
    list of dict
        `accuracy`, `dice` and their standard errors (None for one image), and, alike in all rows
        of a method, `seconds` (median), `start_seconds` (mean), `contradicted` and `clicked`.
    """
    answers = answer_rows(records)
    if answers["data"].nunique() > 1:
        answers = pd.concat([answers, answers.assign(data=ALL)])
    rows: list[Row] = []
    for (data, way, model), group in answers.groupby(["data", "way", "model"], sort=False):
        own = [records[number] for number in group["record"].unique()]
        first = int(group.groupby("record")["class"].nunique().max())
        later = group.loc[group["clicks"] > first, "seconds"]
        same = {
            "seconds": None if later.empty else float(later.median()),
            "start_seconds": float(np.mean([record.start_seconds for record in own])),
            "contradicted": sum(record.contradicted for record in own),
            "clicked": len(group),
        }
        scores = {
            measure: mean_and_error(
                group.pivot(index="record", columns="clicks", values=measure)
                .reindex(columns=range(1, clicks + 1))
                .ffill(axis=1)
            )
            for measure in _MEASURES
        }
        for turn in range(first, clicks + 1):
            row = {"data": data, "way": way, "model": model, "images": len(own), "clicks": turn}
            for measure, (means, errors) in scores.items():
                row[measure] = float(means[turn])
                row[f"{measure}_error"] = float(errors[turn]) if len(own) > 1 else None
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
        Created if missing.
    records, images, clicks
        See `benchmark.class_report`.
    shown : int
        Number of clicks after which the kept maps are drawn.
    facts : dict
        Conditions of the measurement.

    Returns
    -------
    dict
        Content of classes.json.

    Raises
    ------
    OutputFileError
        When the system refuses to write.
    """
    answers = answer_rows(records)
    rows = summarise(records, clicks)
    report: Row = {
        "facts": facts,
        "units": {"accuracy": "0–1", "dice": "0–1", "seconds": "s", "start_seconds": "s"},
        "scores": rows,
    }
    texts = {
        "classes.md": markdown_report(rows, facts),
        "classes.csv": csv_report(answers),
        "classes.json": json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    }
    write_texts(folder, texts)
    every = rows[-1]["data"]
    curves = [(data, "dice") for data in dict.fromkeys(row["data"] for row in rows)]
    for data, measure in (*curves, (every, "accuracy")):
        of_data = [row for row in rows if row["data"] == data]
        for way, description in _WAYS.items():
            path = Path(folder) / f"classes_{file_stem(data)}_{way}_{measure}.png"
            draw_measures(
                path, of_data, way, measure, f"{data}: {_MEASURES[measure]}, {description}"
            )
    draw_examples(Path(folder), records, images, shown)
    return report


def markdown_report(rows: Sequence[Row], facts: Row) -> str:
    """GitHub flavoured Markdown: a table per data set and way, a legend, how it was measured."""
    sections = ["# Classes against the number of clicks"]
    for data in dict.fromkeys(row["data"] for row in rows):
        for way, description in _WAYS.items():
            table = [row for row in rows if (row["data"], row["way"]) == (data, way)]
            if table:
                heading = f"## {markdown(data)}, {description} ({table[0]['images']} images)"
                sections.append(f"{heading}\n\n{_table(table)}")
    conditions = ", ".join(f"{name} {value}" for name, value in facts.items())
    return "\n\n".join([*sections, _LEGEND, f"Measured with: {markdown(conditions)}."]) + "\n"


def csv_report(answers: pd.DataFrame) -> str:
    """The answers as CSV."""
    columns = answers.drop(columns="record")
    text: str = columns.to_csv(index=False, float_format="%.5f", lineterminator="\n")
    return text


def _table(rows: Sequence[Row]) -> str:
    counts = [row["clicks"] for row in rows]
    shown = [turn for turn in _SHOWN if turn in counts]
    shown += [] if max(counts) in shown else [max(counts)]
    lines = []
    for model in dict.fromkeys(row["model"] for row in rows):
        own = {row["clicks"]: row for row in rows if row["model"] == model}
        last = own[shown[-1]]
        lines.append(
            {
                "method": markdown(model),
                **{
                    f"{title}, {turn} clicks": _percent(own[turn], measure)
                    for measure, title in _MEASURES.items()
                    for turn in shown
                },
                "s/click": "–" if last["seconds"] is None else f"{last['seconds']:.3f}",
                "start, s": f"{last['start_seconds']:.2f}",
                "contradicted": f"{last['contradicted']} of {last['clicked']}",
            }
        )
    return markdown_rows(pd.DataFrame(lines))


def _percent(row: Row, measure: str) -> str:
    error = row[f"{measure}_error"]
    return with_error(100 * row[measure], None if error is None else 100 * error, 1)


def draw_measures(path: Path, rows: Sequence[Row], way: str, measure: str, title: str) -> None:
    """Draw a measure against clicks, a line per method with its standard error.

    Parameters
    ----------
    path : path
        A .png, .svg or .pdf file.
    rows : sequence of dict
        Rows of one data set, as of `summarise`.
    way : {"shared", "corrected"}
        Clicks whose rows to draw.
    measure : {"dice", "accuracy"}
        The measure to draw.
    title : str
        Title above the picture.
    """
    lines = {}
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if (row["model"], row["way"]) == (model, way)]
        means = [100 * row[measure] for row in own]
        errors = [row[f"{measure}_error"] for row in own]
        shade = None if None in errors else [100 * error for error in errors]
        lines[model] = ([row["clicks"] for row in own], means, shade)
    draw_lines(path, lines, xlabel="clicks", ylabel=_LABELS[measure], title=title)


def draw_examples(
    folder: Path, records: Sequence[ClassRecord], images: Sequence[ClassImage], shown: int
) -> list[Path]:
    """Draw image and clicks, the true classes, and each method's map after `shown` clicks.

    Returns
    -------
    list of Path
        A picture for each image and way of which maps were kept.
    """
    paths = []
    by_name = {name: (image, truth) for name, image, truth in images}
    groups: dict[tuple[str, str], list[ClassRecord]] = {}
    for record in records:
        if shown in record.maps:
            name = f"{record.data}/{record.image}"
            name = name if name in by_name else record.image
            groups.setdefault((name, record.way), []).append(record)
    for (name, way), group in groups.items():
        path = folder / f"classes_example_{file_stem(name)}_{way}.png"
        _draw_example(path, *by_name[name], group, shown)
        paths.append(path)
    return paths


def _draw_example(
    path: Path,
    image: NDArray[np.uint8],
    truth: NDArray[np.integer],
    records: Sequence[ClassRecord],
    shown: int,
) -> None:
    columns = 2 + len(records)
    height = 3.2 * image.shape[0] / image.shape[1] + 0.6
    with figure_to(path, 3.2 * columns, height) as figure:
        panels: list[Axes] = list(figure.subplots(1, columns))
        panels[0].imshow(image, cmap="gray")
        panels[0].set_title(plain_text(f"{records[0].data}/{records[0].image}"[:36]), size=9)
        panels[1].imshow(_coloured(truth))
        panels[1].set_title("truth", size=9)
        for panel, record in zip(panels[2:], records, strict=True):
            panel.imshow(_coloured(record.maps[shown]))
            score = 100 * record.dices[shown - 1]
            panel.set_title(plain_text(f"{record.model}: Dice {score:.1f} %"), size=9)
            _draw_clicks(panel, record, shown)
        if records[0].way == "shared":
            _draw_clicks(panels[0], records[0], shown)
        for panel in panels:
            panel.set_axis_off()


def _draw_clicks(panel: Axes, record: ClassRecord, shown: int) -> None:
    for row, col, number in record.clicks[:shown]:
        panel.plot(col, row, "o", color=_colour(number), markeredgecolor="white", markersize=4)


def _coloured(classes: NDArray[np.integer]) -> NDArray[np.uint8]:
    palette = np.array(
        [
            [int(_colour(number)[at : at + 2], 16) for at in (1, 3, 5)]
            for number in range(int(classes.max()) + 1)
        ],
        np.uint8,
    )
    coloured: NDArray[np.uint8] = palette[classes]
    return coloured


def _colour(number: int) -> str:
    return _COLOURS[number if number < 2 else 2 + (number - 2) % (len(_COLOURS) - 2)]
