"""The benchmark's scores as tables: Markdown, CSV, JSON, and on the terminal."""

from __future__ import annotations

import csv
import io
import json
import math
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis_training.benchmark.published import published_rows
from napari_gpcis_training.plotting.names import markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.table import Table

    from napari_gpcis_training.benchmark.published import Published
    from napari_gpcis_training.benchmark.records import Scores

    ScoreMap = Mapping[tuple[str, str], Scores]

__all__ = ["csv_table", "json_table", "markdown_table", "terminal_tables", "write_tables"]

_UNITS = {"iou1": "%", "iou5": "%", "spc": "s"}
_LEGEND = """\
NoC@τ: mean clicks to an IoU of τ %, 20 at most. NoF@90: objects that 20 clicks do not bring \
there (NoC₁₀₀, NoF₁₀₀: 100 clicks). IoU&k: mean IoU after k clicks. NoIC: clicked pixels that the \
final mask contradicts, summed; per round: summed over the masks after every click, of so many \
clicked pixels. SPC: time of a click's answer, without loading and click simulation. Bold: the \
best measured here."""
_PUBLISHED = """\
Published rows: as the papers report them, from networks trained on other data, timed on an \
Nvidia V100 at 384² px; they take no part in what is bold."""


@dataclass(frozen=True, slots=True)
class _Column:
    """How a score is shown, from a row of its values by name."""

    title: str
    key: str
    show: Callable[[Any], str]
    better: int = 0
    """1: the higher, -1: the lower, 0: says nothing."""


def _to_2(value: float) -> str:
    return f"{value:.2f}"


def _in_millions(value: float) -> str:
    return f"{value / 1e6:.2f}"


def _in_milliseconds(value: float) -> str:
    return f"{1000 * value:.1f}" if value < 0.1 else f"{1000 * value:.0f}"


_COLUMNS = (
    _Column("NoC@85", "noc85", _to_2, -1),
    _Column("NoC@90", "noc90", _to_2, -1),
    _Column("NoC@95", "noc95", _to_2, -1),
    _Column("NoF@90", "failures90", str, -1),
    _Column("NoC₁₀₀@90", "noc100_90", _to_2, -1),
    _Column("NoF₁₀₀@90", "nof100_90", str, -1),
    _Column("IoU&1, %", "iou1", _to_2, 1),
    _Column("IoU&5, %", "iou5", _to_2, 1),
    _Column("NoIC", "noic", str, -1),
    _Column("NoIC per round", "noic_rounds", str),
    _Column("parameters, M", "parameters", _in_millions),
    _Column("SPC, ms", "spc", _in_milliseconds, -1),
)


def write_tables(
    folder: str | Path,
    scores: ScoreMap,
    parameters: Mapping[str, int | None],
    facts: Mapping[str, str],
) -> list[Path]:
    """Write table.md, table.csv and table.json: all three or, on an error, none.

    Parameters
    ----------
    folder : path
        Is made when missing; tables in it are replaced.
    scores : mapping
        By data set and model, in the order in which the tables shall have them.
    parameters : mapping
        By model; None, or left out, for one without weights.
    facts : mapping
        What a reader must know: hardware, protocol, threads, date, versions.

    Returns
    -------
    list of Path
        The three files.

    Raises
    ------
    ValueError
        When there are no scores.
    OutputFileError
        When the system refuses to write.
    """
    texts = {
        "table.md": markdown_table(scores, parameters, facts),
        "table.csv": csv_table(scores, parameters),
        "table.json": json_table(scores, parameters, facts),
    }
    paths = [Path(folder) / name for name in texts]
    with os_errors_as_output_errors(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        # Each is in its temporary place before the first takes its own.
        for path, text in zip(paths, texts.values(), strict=True):
            part = stack.enter_context(atomic_write(path))
            with os_errors_as_output_errors(path):
                part.write_text(text, encoding="utf-8", newline="")
    return paths


def markdown_table(
    scores: ScoreMap, parameters: Mapping[str, int | None], facts: Mapping[str, str]
) -> str:
    """GitHub flavoured Markdown: a table per data set, what was measured how, a legend.

    Published rows follow where there are any; see `published.published_rows`.
    """
    sections = []
    any_published = False
    for data, models in _by_data(scores).items():
        published = published_rows(data)
        any_published |= bool(published)
        heading = f"## {markdown(data)}{_objects_of(models)}"
        titles, rows = _measured_cells(models, parameters, "**{}**".format)
        rows += [_published_cells(row, titles) for row in published]
        lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
        sections.append("\n".join([heading, "", *(f"| {' | '.join(row)} |" for row in lines)]))
    if facts:
        told = (f"- {markdown(name)}: {markdown(value)}" for name, value in facts.items())
        sections.append("\n".join(["## Measured with", "", *told]))
    sections.append(_LEGEND)
    if any_published:
        sections.append(_PUBLISHED)
    return "\n\n".join(["# Benchmark", *sections]) + "\n"


def csv_table(scores: ScoreMap, parameters: Mapping[str, int | None]) -> str:
    """Plain numbers, a row per data set and model; IoU in percent, SPC in seconds.

    What was not measured is left empty.
    """
    rows = _plain_rows(scores, parameters)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def json_table(
    scores: ScoreMap, parameters: Mapping[str, int | None], facts: Mapping[str, str]
) -> str:
    """Everything: facts, units, measured and published scores; null what was not measured."""
    published = [
        {"data": data, **asdict(row)} for data in _by_data(scores) for row in published_rows(data)
    ]
    tree = {
        "facts": dict(facts),
        "units": _UNITS,
        "scores": _plain_rows(scores, parameters),
        "published": published,
    }
    return json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def terminal_tables(scores: ScoreMap, parameters: Mapping[str, int | None]) -> list[Table]:
    """A rich table per data set: models across, scores downwards, so that it fits 80 columns."""
    from rich.markup import escape
    from rich.table import Table

    tables = []
    for data, models in _by_data(scores).items():
        titles, rows = _measured_cells(models, parameters, "[bold]{}[/bold]".format, escape)
        table = Table("", title=f"{escape(data)}{_objects_of(models)}")
        for row in rows:
            table.add_column(row[0], justify="right", overflow="fold")
        for place, title in enumerate(titles[1:], 1):
            table.add_row(title, *(row[place] for row in rows))
        tables.append(table)
    return tables


def _by_data(scores: ScoreMap) -> dict[str, dict[str, Scores]]:
    if not scores:
        raise ValueError(
            "expected the scores of at least one model on one data set, got none; "
            "score a model before its table is written"
        )
    by_data: dict[str, dict[str, Scores]] = {}
    for (data, model), value in scores.items():
        by_data.setdefault(data, {})[model] = value
    return by_data


def _objects_of(models: Mapping[str, Scores]) -> str:
    counts = {scores.objects for scores in models.values()}
    if len(counts) > 1:
        return " (not the same objects for all)"
    return f" ({counts.pop()} objects)"


def _measured_cells(
    models: Mapping[str, Scores],
    parameters: Mapping[str, int | None],
    emphasise: Callable[[str], str],
    escape: Callable[[str], str] = markdown,
) -> tuple[list[str], list[list[str]]]:
    """The titles, and the rows beneath them: the model and its scores."""
    rows = [_values(scores, parameters.get(model)) for model, scores in models.items()]
    columns = [c for c in _COLUMNS if any(row[c.key] is not None for row in rows)]
    alike = len({scores.objects for scores in models.values()}) == 1
    if not alike:
        columns.insert(0, _Column("objects", "objects", str))
    best = [_best(column, rows) if alike else None for column in columns]
    cells = []
    for model, row in zip(models, rows, strict=True):
        shown = [_cell(column, row) for column in columns]
        marked = [
            emphasise(text) if row[c.key] is not None and c.show(row[c.key]) == first else text
            for text, c, first in zip(shown, columns, best, strict=True)
        ]
        cells.append([escape(model), *marked])
    return ["model", *(column.title for column in columns)], cells


def _cell(column: _Column, row: Mapping[str, Any]) -> str:
    value = row[column.key]
    if value is None:
        return "–"
    text = column.show(value)
    return f"{text} of {row['clicks_rounds']}" if column.key == "noic_rounds" else text


def _best(column: _Column, rows: list[dict[str, Any]]) -> str | None:
    """The best of a column as it is shown, so that equal looks are equally bold."""
    values = [row[column.key] for row in rows if row[column.key] is not None]
    shown = {column.show(value) for value in values}
    if not column.better or len(shown) < 2:
        return None
    return column.show(max(values) if column.better > 0 else min(values))


def _published_cells(row: Published, titles: list[str]) -> list[str]:
    values = asdict(row)
    by_title = {column.title: column for column in _COLUMNS}
    cells = []
    for title in titles[1:]:
        column = by_title.get(title)
        value = values.get(column.key) if column else None
        cells.append("–" if column is None or value is None else column.show(value))
    return [f"*{markdown(row.model)}, published*", *cells]


def _plain_rows(scores: ScoreMap, parameters: Mapping[str, int | None]) -> list[dict[str, Any]]:
    return [
        {"data": data, "model": model, **_values(value, parameters.get(model))}
        for data, models in _by_data(scores).items()
        for model, value in models.items()
    ]


def _values(scores: Scores, parameters: int | None) -> dict[str, Any]:
    """Scores by name, None for what was not measured."""
    values = asdict(scores)
    if math.isnan(scores.spc):
        values["spc"] = None
    return {**values, "parameters": parameters}
