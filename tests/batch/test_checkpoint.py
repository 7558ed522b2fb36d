from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from napari_gpcis.batch.checkpoint import JobCheckpoint, PageStore
from napari_gpcis.io.errors import OutputFileError, StoppedError

if TYPE_CHECKING:
    from pathlib import Path


RECORDS = {3: b"three", 0: b"", -1: b"before " * 99}


def begin(output: Path, error: type[BaseException], *, resume: bool) -> None:
    with pytest.raises(error), JobCheckpoint(output, "job", resume=resume) as checkpoint:
        checkpoint.store("pages").append(1, b"one")
        raise error("ended")


def kept(output: Path, fingerprint: str = "job", *, resume: bool = True) -> list[int]:
    with JobCheckpoint(output, fingerprint, resume=resume) as checkpoint:
        return list(checkpoint.store("pages"))


@pytest.mark.parametrize("error", [StoppedError, KeyboardInterrupt, RuntimeError])
def test_what_is_done_is_kept_where_that_is_wished(
    tmp_path: Path, error: type[BaseException]
) -> None:
    output = tmp_path / "labels.tif"
    begin(output, error, resume=True)
    assert kept(output) == [1]
    assert list(tmp_path.iterdir()) == []


def test_otherwise_nothing_is_left(tmp_path: Path) -> None:
    begin(tmp_path / "labels.tif", KeyboardInterrupt, resume=False)
    assert list(tmp_path.iterdir()) == []


def test_the_work_of_another_job_is_not_gone_on_with(tmp_path: Path) -> None:
    output = tmp_path / "labels.tif"
    begin(output, StoppedError, resume=True)
    assert kept(output, "another") == []
    begin(output, StoppedError, resume=True)
    assert kept(output, resume=False) == []


def test_a_killed_run_leaves_its_work_and_its_rubbish_goes(tmp_path: Path) -> None:
    output = tmp_path / "labels.tif"
    code = (
        "import os; from pathlib import Path\n"
        "from napari_gpcis.batch.checkpoint import JobCheckpoint\n"
        f"output = Path({str(output)!r})\n"
        "checkpoint = JobCheckpoint(output, 'job', resume=False)\n"
        "output.with_name('.labels.tif.99.part').touch()\n"
        "output.with_name('.other.tif.99.part').touch()\n"
        "checkpoint.store('pages').append(1, b'one'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert {path.name for path in tmp_path.iterdir()} == {
        ".labels.tif.work",
        ".labels.tif.99.part",
        ".other.tif.99.part",
    }
    assert kept(output) == [1]
    assert [path.name for path in tmp_path.iterdir()] == [".other.tif.99.part"]
    with JobCheckpoint(output, "job", resume=True, others=[tmp_path / "other.tif"]):
        assert [path.name for path in tmp_path.iterdir()] == [".labels.tif.work"]


def test_two_runs_do_not_make_the_same_output(tmp_path: Path) -> None:
    output = tmp_path / "labels.tif"
    with (
        JobCheckpoint(output, "job", resume=True),
        pytest.raises(OutputFileError, match="another run is making it; wait for it"),
    ):
        JobCheckpoint(output, "job", resume=True)


def test_no_folder_to_write_to_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError, match="there is no folder"):
        JobCheckpoint(tmp_path / "none" / "labels.tif", "job", resume=True)
    with pytest.raises(OutputFileError, match="there is no folder"):
        PageStore(tmp_path / "none" / "pages.spool", "run", resume=True)


def test_another_run_is_waited_for_as_long_as_asked(tmp_path: Path) -> None:
    output = tmp_path / "labels.tif"
    first = JobCheckpoint(output, "job", resume=True)
    first.store("pages").append(1, b"one")
    ended = threading.Timer(0.5, first.__exit__, (StoppedError, None, None))
    ended.start()
    with JobCheckpoint(output, "job", resume=True, patience=60.0) as checkpoint:
        assert list(checkpoint.store("pages")) == [1]
    ended.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pages.spool"
    with PageStore(path, "this run", resume=True) as store:
        for number, content in RECORDS.items():
            store.append(number, content)
    return path


def read(store: PageStore) -> dict[int, bytes]:
    return {number: store[number] for number in store}


def test_records_are_found_again(path: Path) -> None:
    with PageStore(path, "this run", resume=True) as store:
        assert read(store) == RECORDS
        store.append(7, b"seven")
        store.append(3, b"anew")
        assert store[7] == b"seven"
    with PageStore(path, "this run", resume=True) as store:
        assert read(store) == {**RECORDS, 7: b"seven", 3: b"anew"}


@pytest.mark.parametrize(("fingerprint", "resume"), [("another run", True), ("this run", False)])
def test_what_belongs_to_another_run_is_dropped(path: Path, fingerprint: str, resume: bool) -> None:
    with PageStore(path, fingerprint, resume=resume) as store:
        assert not len(store)
        store.append(1, b"one")
    with PageStore(path, fingerprint, resume=True) as store:
        assert read(store) == {1: b"one"}


def test_a_record_cut_short_anywhere_is_dropped_and_the_rest_stays(path: Path) -> None:
    whole = path.read_bytes()
    last_starts = whole.index(b"before ") - 20
    for length in range(last_starts, len(whole)):
        path.write_bytes(whole[:length])
        with PageStore(path, "this run", resume=True) as store:
            assert set(store) == {3, 0}
            store.append(-1, RECORDS[-1])
        assert path.read_bytes() == whole


def test_a_record_with_a_wrong_byte_ends_what_is_kept(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"three")] ^= 1
    path.write_bytes(content)
    with PageStore(path, "this run", resume=True) as store:
        assert not len(store)
