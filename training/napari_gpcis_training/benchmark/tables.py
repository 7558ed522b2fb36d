"""The benchmark's scores as tables: Markdown, CSV, JSON, and on the terminal."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from napari_gpcis_training.benchmark.published import published_rows
from napari_gpcis_training.reports import markdown, markdown_rows, write_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rich.table import Table

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
    """A score's title, format and direction."""

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
        Created if missing; tables in it are replaced.
    scores : mapping
        Scores by data set and model, in the order of the tables.
    parameters : mapping
        Number of parameters by model; None, or left out, for one without weights.
    facts : mapping
        Conditions of the measurement: hardware, protocol, threads, date, versions.

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
    return write_texts(folder, texts)


def markdown_table(
    scores: ScoreMap, parameters: Mapping[str, int | None], facts: Mapping[str, str]
) -> str:
    """GitHub flavoured Markdown: a table per data set, the conditions, a legend.

    Published rows follow where there are any; see `published.published_rows`.
    """
    sections = []
    any_published = False
    for data, rows in _score_rows(scores, parameters).groupby("data", sort=False):
        cells = _measured_cells(rows, "**{}**".format, markdown)
        published = _published_cells(data, cells.columns)
        any_published |= bool(published)
        heading = f"## {markdown(data)}{_objects_of(rows)}"
        sections.append(f"{heading}\n\n{markdown_rows(pd.concat([cells, *published]))}")
    if facts:
        lines = (f"- {markdown(name)}: {markdown(value)}" for name, value in facts.items())
        sections.append("\n".join(["## Measured with", "", *lines]))
    sections.append(_LEGEND)
    if any_published:
        sections.append(_PUBLISHED)
    return "\n\n".join(["# Benchmark", *sections]) + "\n"


def csv_table(scores: ScoreMap, parameters: Mapping[str, int | None]) -> str:
    """Plain numbers, a row per data set and model; IoU in percent, SPC in seconds.

    Scores that were not measured are left empty.
    """
    text: str = _score_rows(scores, parameters).to_csv(index=False, lineterminator="\n")
    return text


def json_table(
    scores: ScoreMap, parameters: Mapping[str, int | None], facts: Mapping[str, str]
) -> str:
    """Everything: facts, units, measured and published scores; null for what was not measured."""
    rows = _score_rows(scores, parameters)
    tree = {
        "facts": dict(facts),
        "units": _UNITS,
        "scores": rows.to_dict("records"),
        "published": [
            {"data": data, **asdict(row)}
            for data in rows["data"].unique()
            for row in published_rows(data)
        ],
    }
    return json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def terminal_tables(scores: ScoreMap, parameters: Mapping[str, int | None]) -> list[Table]:
    """A rich table per data set: models across, scores downwards, so that it fits 80 columns."""
    from rich.markup import escape
    from rich.table import Table

    tables = []
    for data, rows in _score_rows(scores, parameters).groupby("data", sort=False):
        cells = _measured_cells(rows, "[bold]{}[/bold]".format, escape).set_index("model")
        table = Table("", title=f"{escape(data)}{_objects_of(rows)}")
        for model in cells.index:
            table.add_column(model, justify="right", overflow="fold")
        for title in cells.columns:
            table.add_row(title, *cells[title])
        tables.append(table)
    return tables


def _score_rows(scores: ScoreMap, parameters: Mapping[str, int | None]) -> pd.DataFrame:
    """A row per data set and model, the data sets' rows together; None for what is missing.

    Columns are of Python's objects, so that counts stay whole numbers beside a missing one.
    """
    if not scores:
        raise ValueError(
            "expected the scores of at least one model on one data set, got none; "
            "score a model before its table is written"
        )
    rows = [
        {"data": data, "model": model, **asdict(each), "parameters": parameters.get(model)}
        for (data, model), each in scores.items()
    ]
    frame = pd.DataFrame(rows, dtype=object)
    frame = frame.where(frame.notna(), None)
    places = {data: place for place, data in enumerate(frame["data"].unique())}
    return frame.sort_values("data", key=lambda data: data.map(places), kind="stable")


def _objects_of(rows: pd.DataFrame) -> str:
    counts = rows["objects"].unique()
    if len(counts) > 1:
        return " (not the same objects for all)"
    return f" ({counts[0]} objects)"


def _measured_cells(
    rows: pd.DataFrame, emphasise: Callable[[str], str], escape: Callable[[str], str]
) -> pd.DataFrame:
    """Scores of a data set as they are shown, a row per model, the best ones emphasised.

    Models that were scored on different objects are not compared.
    """
    comparable = rows["objects"].nunique() == 1
    cells = pd.DataFrame({"model": rows["model"].map(escape)})
    if not comparable:
        cells["objects"] = rows["objects"].map(str)
    for column in _COLUMNS:
        values = rows[column.key].dropna()
        if values.empty:
            continue
        shown = values.map(column.show)
        # the best as it is shown, so that what looks equal is equally bold
        if comparable and column.better and shown.nunique() > 1:
            best = column.show(values.max() if column.better > 0 else values.min())
            shown = shown.where(shown != best, emphasise(best))
        if column.key == "noic_rounds":
            shown = shown + " of " + rows["clicks_rounds"].map(str)
        cells[column.title] = shown.reindex(rows.index, fill_value="–")
    return cells


def _published_cells(data: str, titles: pd.Index[str]) -> list[pd.DataFrame]:
    """Published scores of a data set, in the columns of the measured ones; none if there are none.

    A title that the published rows do not have is a dash.
    """
    rows = []
    for each in published_rows(data):
        found = {"model": f"*{markdown(each.model)}, published*"}
        for column in _COLUMNS:
            value = getattr(each, column.key, None)
            found[column.title] = "–" if value is None else column.show(value)
        rows.append([found.get(title, "–") for title in titles])
    return [pd.DataFrame(rows, columns=titles)] if rows else []
