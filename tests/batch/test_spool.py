from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_gpcis.batch.spool import Spool
from napari_gpcis.io.errors import OutputFileError

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = {3: b"three", 0: b"", -1: b"before " * 99}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pages.spool"
    with Spool(path, "this run", resume=True) as spool:
        for number, content in RECORDS.items():
            spool.append(number, content)
    return path


def read(spool: Spool) -> dict[int, bytes]:
    return {number: spool[number] for number in spool}


def test_records_are_found_again(path: Path) -> None:
    with Spool(path, "this run", resume=True) as spool:
        assert read(spool) == RECORDS
        spool.append(7, b"seven")
        spool.append(3, b"anew")
        assert spool[7] == b"seven"
    with Spool(path, "this run", resume=True) as spool:
        assert read(spool) == {**RECORDS, 7: b"seven", 3: b"anew"}


@pytest.mark.parametrize(("fingerprint", "resume"), [("another run", True), ("this run", False)])
def test_what_belongs_to_another_run_is_dropped(path: Path, fingerprint: str, resume: bool) -> None:
    with Spool(path, fingerprint, resume=resume) as spool:
        assert not len(spool)
        spool.append(1, b"one")
    with Spool(path, fingerprint, resume=True) as spool:
        assert read(spool) == {1: b"one"}


def test_a_record_cut_short_anywhere_is_dropped_and_the_rest_stays(path: Path) -> None:
    whole = path.read_bytes()
    last_starts = whole.index(b"before ") - 20
    for length in range(last_starts, len(whole)):
        path.write_bytes(whole[:length])
        with Spool(path, "this run", resume=True) as spool:
            assert set(spool) == {3, 0}
            spool.append(-1, RECORDS[-1])
        assert path.read_bytes() == whole


def test_a_record_with_a_wrong_byte_ends_what_is_kept(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"three")] ^= 1
    path.write_bytes(content)
    with Spool(path, "this run", resume=True) as spool:
        assert not len(spool)


def test_no_folder_to_write_to_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError, match="there is no folder"):
        Spool(tmp_path / "none" / "pages.spool", "run", resume=True)
