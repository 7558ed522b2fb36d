from __future__ import annotations

from pathlib import Path

import pytest
from napari_gpcis_training.benchmark.records import RECORDS, Record, RecordJournal

SETTINGS = {"protocol": "paper", "clicks": 20}


def make_record(number: int) -> Record:
    clicks, seconds = [(1, 2, True), (3, 4, False)], [0.1, 0.2]
    return Record("set", "ünique [3]", number, "ours", 9.5, clicks, [0.25, 1.0], [0, 1], seconds)


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    journal = RecordJournal(tmp_path / "new" / "folder", SETTINGS, resume=False)
    records = [make_record(number) for number in (1, 2)]
    for record in records:
        journal.add(record)
    assert RecordJournal(tmp_path / "new" / "folder", SETTINGS, resume=True).records == records


def test_a_line_that_was_cut_short_is_dropped_and_written_over(tmp_path: Path) -> None:
    journal = RecordJournal(tmp_path, SETTINGS, resume=False)
    for number in (1, 2):
        journal.add(make_record(number))
    path = tmp_path / RECORDS
    path.write_bytes(path.read_bytes()[:-20])
    resumed = RecordJournal(tmp_path, SETTINGS, resume=True)
    assert resumed.records == [make_record(1)]
    resumed.add(make_record(3))
    numbers = [each.number for each in RecordJournal(tmp_path, SETTINGS, resume=True).records]
    assert numbers == [1, 3]


def test_records_are_not_overwritten(tmp_path: Path) -> None:
    RecordJournal(tmp_path, SETTINGS, resume=False).add(make_record(1))
    with pytest.raises(ValueError, match="--resume"):
        RecordJournal(tmp_path, SETTINGS, resume=False)


def test_records_of_other_settings_do_not_mix(tmp_path: Path) -> None:
    RecordJournal(tmp_path, SETTINGS, resume=False).add(make_record(1))
    with pytest.raises(ValueError, match="got protocol 'session' instead of 'paper'"):
        RecordJournal(tmp_path, SETTINGS | {"protocol": "session"}, resume=True)
    # another model may join
    joined = RecordJournal(tmp_path, SETTINGS | {"model conv": "conv"}, resume=True)
    assert len(joined.records) == 1


@pytest.mark.parametrize("content", ['{"data": "set"}\n', "no json\n", "[1, 2]\n"])
def test_other_files_are_refused_in_words(tmp_path: Path, content: str) -> None:
    (tmp_path / RECORDS).write_text(content)
    with pytest.raises(ValueError, match="expected records in"):
        RecordJournal(tmp_path, SETTINGS, resume=True)
