from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from napari_gpcis_training.benchmark.published import published_rows
from napari_gpcis_training.benchmark.records import Scores
from napari_gpcis_training.benchmark.tables import (
    markdown_table,
    terminal_tables,
    write_tables,
)
from napari_gpcis_training.reports import file_stem, markdown
from rich.console import Console

from napari_gpcis.io.errors import OutputFileError

OURS = Scores(
    objects=50,
    noc85=2.344,
    noc90=2.9,
    noc95=5.1,
    failures90=1,
    noc100_90=None,
    nof100_90=None,
    iou1=78.2,
    iou5=93.1,
    noic=0,
    noic_rounds=12,
    clicks_rounds=5000,
    spc=0.0432,
)
PEER = replace(
    OURS, noc85=9.1, noc90=12.2, noc95=15.9, failures90=22, iou1=80.2, iou5=62.1, spc=float("nan")
)
PARAMETERS = {"ours": 3_123_456, "peer": None}
FACTS = {"hardware": "2 cores", "protocol": "20 clicks"}


def _rows(text: str, data: str) -> dict[str, dict[str, str]]:
    """The cells of a data set's table, by model and title."""
    lines = text.split(f"## {data} ")[1].split("\n\n")[1].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0]: dict(zip(cells[0], row, strict=True)) for row in cells[2:]}


def _scores(*names: str) -> dict[tuple[str, str], Scores]:
    return {(name, model): s for name in names for model, s in (("ours", OURS), ("peer", PEER))}


def test_markdown_shows_the_scores_with_the_best_in_bold() -> None:
    rows = _rows(markdown_table(_scores("cells"), PARAMETERS, FACTS), "cells")
    assert rows["ours"] == {
        "model": "ours",
        "NoC@85": "**2.34**",
        "NoC@90": "**2.90**",
        "NoC@95": "**5.10**",
        "NoF@90": "**1**",
        "IoU&1, %": "78.20",
        "IoU&5, %": "**93.10**",
        "NoIC": "0",
        "NoIC per round": "12 of 5000",
        "parameters, M": "3.12",
        "SPC, ms": "43.2",
    }
    assert rows["peer"]["IoU&1, %"] == "**80.20**"
    assert rows["peer"]["NoF@90"] == "22"
    assert rows["peer"]["parameters, M"] == rows["peer"]["SPC, ms"] == "–"


def test_what_looks_equal_is_equally_bold() -> None:
    scores = {
        ("cells", "a"): OURS,
        ("cells", "b"): replace(OURS, noc85=2.341),
        ("cells", "c"): PEER,
    }
    rows = _rows(markdown_table(scores, {}, {}), "cells")
    assert [rows[name]["NoC@85"] for name in "abc"] == ["**2.34**", "**2.34**", "9.10"]


def test_a_hundred_clicks_have_columns_only_where_someone_made_them() -> None:
    assert "NoC₁₀₀@90 |" not in markdown_table(_scores("cells"), {}, {})
    many = {**_scores("cells"), ("cells", "many"): replace(OURS, noc100_90=4.5, nof100_90=3)}
    rows = _rows(markdown_table(many, {}, {}), "cells")
    assert (rows["many"]["NoC₁₀₀@90"], rows["many"]["NoF₁₀₀@90"]) == ("4.50", "3")
    assert rows["ours"]["NoC₁₀₀@90"] == "–"


def test_models_scored_on_different_objects_are_not_compared() -> None:
    scores = {("cells", "ours"): OURS, ("cells", "peer"): replace(PEER, objects=7)}
    text = markdown_table(scores, {}, {})
    assert "cells (not the same objects for all)" in text
    rows = _rows(text, "cells")
    assert (rows["ours"]["objects"], rows["peer"]["objects"]) == ("50", "7")
    assert "**" not in text.split("## ")[1]


@pytest.mark.parametrize("name", ["GrabCut", "Berkeley", "DAVIS", "SBD", "grabcut"])
def test_the_papers_sets_have_the_published_rows_beneath(name: str) -> None:
    text = markdown_table(_scores(name), PARAMETERS, FACTS)
    assert len([row for row in _rows(text, name) if row.endswith(", published*")]) == 13
    assert "trained on other data" in text


def test_other_sets_have_no_published_rows() -> None:
    assert "ublished" not in markdown_table(_scores("cells"), PARAMETERS, FACTS)


def test_published_figures_are_the_papers() -> None:
    berkeley = {row.model: row for row in published_rows("Berkeley")}
    ours = berkeley["GPCIS, ResNet50"]
    assert (ours.noc85, ours.noc90, ours.noc100_90, ours.nof100_90) == (1.60, 2.60, 3.36, 1)
    assert (ours.iou1, ours.iou5, ours.noic) == (79.43, 95.11, 0)
    assert (ours.parameters, ours.spc) == (39_390_000, pytest.approx(0.03882))
    assert berkeley["CDNet, ResNet50"].noc85 is None
    davis = {row.model: row for row in published_rows("DAVIS")}
    assert (davis["RITM, ResNet50"].noic, davis["RITM, ResNet50"].iou1) == (74, 72.89)
    sbd = {row.model: row for row in published_rows("SBD")}
    assert (sbd["FocusCut, ResNet50"].noc85, sbd["FocusCut, ResNet50"].spc) == (3.62, None)


@pytest.mark.parametrize(
    ("name", "noc85", "noc90", "noc100_90", "noic"),
    [
        ("GrabCut", 23.62, 26.58, 0, 0),
        ("Berkeley", 18.48, 39.96, 22.41, 4),
        ("SBD", 53.06, 81.97, 0, 0),
        ("DAVIS", 61.80, 82.69, 94.48, 124),
    ],
)
def test_published_figures_add_up(
    name: str, noc85: float, noc90: float, noc100_90: float, noic: int
) -> None:
    rows = published_rows(name)
    assert sum(row.noc85 or 0 for row in rows) == pytest.approx(noc85)
    assert sum(row.noc90 or 0 for row in rows) == pytest.approx(noc90)
    assert sum(row.noc100_90 or 0 for row in rows) == pytest.approx(noc100_90)
    assert sum(row.noic or 0 for row in rows) == noic


def test_csv_has_plain_numbers(tmp_path: Path) -> None:
    _, path, _ = write_tables(tmp_path, _scores("cells", "GrabCut"), PARAMETERS, FACTS)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [(row["data"], row["model"]) for row in rows] == [
        ("cells", "ours"),
        ("cells", "peer"),
        ("GrabCut", "ours"),
        ("GrabCut", "peer"),
    ]
    assert {key: float(rows[0][key]) for key in ("noc85", "iou1", "spc", "parameters")} == {
        "noc85": 2.344,
        "iou1": 78.2,
        "spc": 0.0432,
        "parameters": 3_123_456,
    }
    assert rows[1]["spc"] == rows[1]["parameters"] == rows[0]["noc100_90"] == ""


def test_json_has_everything(tmp_path: Path) -> None:
    path = write_tables(tmp_path, _scores("GrabCut"), PARAMETERS, FACTS)[2]
    tree = json.loads(path.read_text(encoding="utf-8"))
    assert tree["facts"] == FACTS
    first, second = tree["scores"]
    assert (first["noc85"], first["noic_rounds"], first["clicks_rounds"]) == (2.344, 12, 5000)
    assert (second["model"], second["spc"], second["parameters"]) == ("peer", None, None)
    assert {"data": "GrabCut", "model": "GPCIS, ResNet50"}.items() <= tree["published"][11].items()


def test_facts_stand_in_the_markdown() -> None:
    text = markdown_table(_scores("cells"), PARAMETERS, {"hardware": "a|b"})
    assert "- hardware: a\\|b\n" in text


def test_odd_names_leave_the_table_whole() -> None:
    scores = {("a|b\nc", "conv|<b>*x*_y_"): OURS}
    text = markdown_table(scores, {}, {})
    assert "## a\\|b c (50 objects)" in text
    row = next(line for line in text.splitlines() if line.startswith("| conv"))
    assert row.startswith("| conv\\|\\<b\\>\\*x\\*\\_y\\_ | ")
    assert row.replace("\\|", "").count("|") == 11


def test_plain_names_are_not_escaped() -> None:
    assert markdown("fibsem_neuropil ResNet50 (a, b)") == "fibsem_neuropil ResNet50 (a, b)"


def test_names_of_files_are_safe_and_distinct() -> None:
    assert file_stem("fibsem_neuropil-2.1") == "fibsem_neuropil-2.1"
    odd = ["a/b", "a:b", "../a b", "..", "", "a|b", "x" * 300, "x" * 301]
    stems = [file_stem(name) for name in odd]
    assert len(set(stems)) == len(odd)
    assert all(set('/\\:|*?<>" \n').isdisjoint(stem) for stem in stems)
    assert all(stem[0] not in ".-" and len(stem) < 100 for stem in stems)


def test_the_terminal_shows_a_table_per_data_set() -> None:
    console = Console(width=100, file=io.StringIO())
    tables = terminal_tables(_scores("cells[/]", "GrabCut"), PARAMETERS)
    for table in tables:
        console.print(table)
    text = console.file.getvalue()
    assert len(tables) == 2
    assert "cells[/] (50 objects)" in text
    assert "NoC@85" in text and "2.34" in text and "12 of 5000" in text


def test_nothing_to_show_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one model on one data set, got none; score"):
        write_tables(tmp_path / "new", {}, {}, {})
    assert not (tmp_path / "new").exists()


def test_tables_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "table.md").write_text("old")
    (tmp_path / "table.json").mkdir()
    with pytest.raises(OutputFileError, match=r"table\.json"):
        write_tables(tmp_path, _scores("cells"), PARAMETERS, FACTS)
    assert (tmp_path / "table.md").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.json", "table.md"]


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(OutputFileError, match=r"cannot write .*taken: File exists"):
        write_tables(tmp_path / "taken", _scores("cells"), PARAMETERS, FACTS)
