from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from napari_gpcis.io.errors import OutputFileError
from napari_gpcis.io.labels.measurements import write_measurements


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def page() -> np.ndarray:
    labels = np.zeros((20, 30), np.int32)
    labels[2:6, 3:13] = 4
    labels[10:12, 20:22] = 7
    return labels


def test_areas_and_lengths_are_in_the_unit(tmp_path: Path) -> None:
    image = np.full((20, 30), 8.0)
    path = tmp_path / "a.csv"
    count = write_measurements(
        path,
        [(0, page(), image), (1, page() * 0, image), (2, page(), image * 2)],
        spacing=(0.5, 0.5),
        unit="µm",
        certainty={4: 0.75, 7: None},
    )
    rows = read(path)
    assert count == len(rows) == 4
    assert [(row["object"], row["slice"]) for row in rows] == [
        ("4", "0"),
        ("7", "0"),
        ("4", "2"),
        ("7", "2"),
    ]
    first = rows[0]
    assert (first["unit"], first["area"], first["mean_intensity"]) == ("µm", "10", "8")
    assert (first["centroid_row"], first["centroid_col"]) == ("1.75", "3.75")
    assert (first["certainty"], rows[1]["certainty"]) == ("0.7500", "")
    assert rows[2]["mean_intensity"] == "16"


def test_each_channel_has_its_mean(tmp_path: Path) -> None:
    image = np.stack([np.full((20, 30), value) for value in (1.0, 5.0)], -1)
    path = tmp_path / "a.csv"
    write_measurements(path, [(0, page(), image)])
    assert [read(path)[0][f"mean_intensity_{c}"] for c in (0, 1)] == ["1", "5"]


def test_pixels_that_are_not_square_have_no_perimeter(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_measurements(path, [(0, page(), np.zeros((20, 30)))], spacing=(2.0, 1.0))
    assert (read(path)[0]["perimeter"], read(path)[0]["area"]) == ("", "80")


def test_nothing_to_measure_is_an_empty_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert write_measurements(path, []) == 0
    assert read(path) == []


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError, match="there is no folder"):
        write_measurements(tmp_path / "no" / "a.csv", [])
