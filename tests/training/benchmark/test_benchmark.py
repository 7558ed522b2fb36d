from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from napari_gpcis_training.benchmark.benchmark import Benchmark, ChosenSet
from napari_gpcis_training.benchmark.objects import Sampling, open_sets
from napari_gpcis_training.benchmark.records import RECORDS, Record, RecordJournal


class Threshold:
    """Answers with what is brighter than a level that rises with the clicks."""

    parameters = None

    def __init__(self, name: str, breaks_at: int | None = None) -> None:
        self.name = name
        self.breaks_at = breaks_at
        self.started = 0

    def start(self, image: np.ndarray, diameter: float | None) -> None:
        self.image, self.level = image, 40
        self.started += 1
        if self.started == self.breaks_at:
            raise MemoryError("no room")

    def click(self, row: int, col: int, positive: bool) -> np.ndarray:
        self.level += 30
        return self.image > self.level


def make_benchmark(data_root: Path, output: Path, *segmenters: Threshold, resume: bool = False):
    opened = open_sets([data_root], "auto", lambda line: None)
    chosen = [ChosenSet(each, each.choose(Sampling(per_image=2), print)) for each in opened]
    journal = RecordJournal(output, {"clicks": 6}, resume=resume)
    return Benchmark(chosen, segmenters, journal, most=6)


def without_times(records: list[Record]) -> list[dict[str, object]]:
    return [{k: v for k, v in asdict(record).items() if k != "seconds"} for record in records]


def test_every_segmenter_clicks_at_every_object(data_root: Path, tmp_path: Path) -> None:
    benchmark = make_benchmark(data_root, tmp_path, Threshold("a"), Threshold("b"))
    steps: list[int] = []
    benchmark.run(print, steps.append)
    # two of each of two images and of two slices
    assert {key: len(records) for key, records in benchmark.records().items()} == {
        ("cells", "a"): 4,
        ("cells", "b"): 4,
        ("volume", "a"): 4,
        ("volume", "b"): 4,
    }
    assert sum(steps) == benchmark.size == 16
    scores = benchmark.scores()
    assert scores["cells", "a"] != scores["volume", "a"]
    assert scores["cells", "a"].noc85 == scores["cells", "b"].noc85


def test_a_run_that_was_killed_ends_like_an_undisturbed_one(
    data_root: Path, tmp_path: Path
) -> None:
    whole = make_benchmark(data_root, tmp_path / "whole", Threshold("a"), Threshold("b"))
    whole.run(print)

    class Killed(Threshold):
        def start(self, image: np.ndarray, diameter: float | None) -> None:
            super().start(image, diameter)
            if self.started == 4:
                raise KeyboardInterrupt

    killed = make_benchmark(data_root, tmp_path / "killed", Threshold("a"), Killed("b"))
    with pytest.raises(KeyboardInterrupt):
        killed.run(print)
    path = tmp_path / "killed" / RECORDS
    assert len(path.read_text().splitlines()) == 7
    path.write_bytes(path.read_bytes()[:-5])

    again = Threshold("a"), Threshold("b")
    resumed = make_benchmark(data_root, tmp_path / "killed", *again, resume=True)
    steps: list[int] = []
    resumed.run(print, steps.append)
    assert [segmenter.started for segmenter in again] == [5, 5]
    assert sum(steps) == resumed.size
    for key, records in whole.records().items():
        assert without_times(resumed.records()[key]) == without_times(records)


def test_another_model_can_join_later(data_root: Path, tmp_path: Path) -> None:
    make_benchmark(data_root, tmp_path, Threshold("a")).run(print)
    first, second = Threshold("a"), Threshold("b")
    joined = make_benchmark(data_root, tmp_path, first, second, resume=True)
    joined.run(print)
    assert (first.started, second.started) == (0, 8)
    assert len(joined.scores()) == 4


def test_an_object_that_fails_is_told_and_the_rest_goes_on(data_root: Path, tmp_path: Path) -> None:
    benchmark = make_benchmark(data_root, tmp_path, Threshold("a", breaks_at=3))
    told: list[str] = []
    benchmark.run(told.append)
    assert len(told) == len(benchmark.errors) == 1
    assert "cells, 07, object" in told[0]
    assert "no room" in told[0]
    counts = [len(records) for records in benchmark.records().values()]
    assert counts == [3, 4]


def test_an_image_that_vanishes_is_told_and_the_rest_goes_on(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = make_benchmark(data_root, tmp_path, Threshold("a"))
    read = type(benchmark.sets[0].data).read

    def gone(data, number, places):
        if data.name == "cells" and number == 0:
            raise ValueError("expected a file, got none")
        yield from read(data, number, places)

    monkeypatch.setattr(type(benchmark.sets[0].data), "read", gone)
    benchmark.run(print)
    assert benchmark.errors == ["cells, 00: expected a file, got none"]
    assert [len(records) for records in benchmark.records().values()] == [2, 4]
