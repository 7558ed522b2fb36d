from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_gpcis.batch.stacks import segment_stacks
from napari_gpcis.io.errors import StoppedError, UserError
from tests.batch.conftest import write_stack

if TYPE_CHECKING:
    from tests.batch.conftest import Lab

NAMES = ("s0", "s1", "s2")
MODES = [{"propagate": True}, {"mode": "class"}, {}]


def records(lab: Lab) -> list[dict]:
    return [json.loads(line) for line in (lab.out / "segment.log.jsonl").read_text().splitlines()]


def run(lab: Lab, names: tuple[str, ...] = NAMES, *, resume: bool = True, **options):
    watch = {name: options.pop(name) for name in ("on_progress", "is_cancelled") if name in options}
    jobs = [lab.job(name, **options) for name in names]
    return segment_stacks(jobs, log=lab.out / "segment.log.jsonl", resume=resume, **watch)


def test_all_stacks_are_done_and_noted(lab: Lab) -> None:
    report = run(lab)
    assert [len(part) for part in (report.done, report.skipped, report.failed)] == [3, 0, 0]
    assert [record["status"] for record in records(lab)] == ["done"] * 3
    assert {f"{name}{end}" for name in NAMES for end in ("_labels.tif", ".csv", "_slices.csv")} == {
        *lab.results()
    }
    assert report.summary() == "3 done, 0 done before, 0 failed"


def test_what_fails_does_not_stop_the_rest(lab: Lab) -> None:
    (lab.folder / "s0.csv").unlink()
    content = (lab.folder / "s1.tif").read_bytes()
    (lab.folder / "s1.tif").write_bytes(content[:3000])
    report = run(lab)
    assert [outcome.job.image.stem for outcome in report.done] == ["s2"]
    assert [record["status"] for record in records(lab)] == ["failed", "failed", "done"]
    lines = report.summary().splitlines()
    assert lines[0] == "1 done, 0 done before, 2 failed"
    assert "there is no clicks file" in lines[1]
    assert "it may be damaged" in lines[2]
    assert {*lab.results()} == {"s2_labels.tif", "s2.csv", "s2_slices.csv"}
    (lab.folder / "s1.tif").write_bytes(content)
    report = run(lab)
    assert [len(part) for part in (report.done, report.skipped, report.failed)] == [1, 1, 1]


def test_a_defect_of_ours_does_not_stop_the_rest_either(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gpcis.batch import object_pages

    answer = object_pages.answer

    def fail(segmenter, clicks):
        if segmenter.source.array.path.stem == "s1":
            raise ZeroDivisionError("a defect")
        return answer(segmenter, clicks)

    monkeypatch.setattr(object_pages, "answer", fail)
    report = run(lab)
    assert len(report.done) == 2
    assert report.failed[0].error.endswith("s1.tif: ZeroDivisionError: a defect")
    assert "Traceback" in records(lab)[1]["error"]


def test_what_is_done_is_left_out_until_something_changes(lab: Lab) -> None:
    run(lab)
    before = lab.results()
    assert [outcome.job.image.stem for outcome in run(lab).skipped] == [*NAMES]
    assert len(run(lab, object_diameter=30.0).done) == 3
    run(lab)
    (lab.folder / "s0.csv").write_text((lab.folder / "s0.csv").read_text() + "9,2,20,20,5,1\n")
    stack = tifffile.imread(lab.folder / "s1.tif")
    write_stack(lab.folder / "s1.tif", stack[:, ::-1].copy())
    assert [outcome.job.image.stem for outcome in run(lab).done] == ["s0", "s1"]
    (lab.out / "s2_labels.tif").write_bytes(before["s2_labels.tif"] + b"!")
    assert [outcome.job.image.stem for outcome in run(lab).done] == ["s2"]
    (lab.out / "s2.csv").unlink()
    assert [outcome.job.image.stem for outcome in run(lab).done] == ["s2"]
    assert lab.results()["s2_labels.tif"] == before["s2_labels.tif"]
    assert len(run(lab, resume=False).done) == 3


def test_a_log_that_was_cut_short_is_read_and_gone_on_with(lab: Lab) -> None:
    run(lab)
    log = lab.out / "segment.log.jsonl"
    log.write_bytes(log.read_bytes()[:-40])
    assert [outcome.job.image.stem for outcome in run(lab).done] == ["s2"]
    assert len(run(lab).skipped) == 3


def test_a_model_that_is_not_there_ends_it_all(lab: Lab) -> None:
    with pytest.raises(ValueError, match="check the spelling"):
        run(lab, model="defualt")
    assert lab.results() == {}


@pytest.mark.parametrize("options", MODES)
def test_a_cancelled_run_keeps_what_is_done_and_goes_on_from_it(lab: Lab, options: dict) -> None:
    run(lab, **options)
    expected = lab.results()
    for path in lab.out.iterdir():
        path.unlink()
    told: list[tuple[str, int, int]] = []

    def is_cancelled() -> bool:
        # in the middle of the second stack
        return any(
            "2 of 3" in stage and "segmenting" in stage and done == 2 for stage, done, _ in told
        )

    with pytest.raises(
        StoppedError, match=r"run the same command to continue.*1 of 3 stacks are done"
    ):
        run(
            lab,
            on_progress=lambda *progress: told.append(progress),
            is_cancelled=is_cancelled,
            **options,
        )
    assert "s0_labels.tif" in lab.results()
    assert (lab.out / ".s1_labels.tif.work").is_dir()
    report = run(lab, **options)
    assert [len(part) for part in (report.done, report.skipped)] == [2, 1]
    assert lab.results() == expected


KILLED = """
import os, sys
from pathlib import Path
from napari_gpcis.batch.discover import find_jobs
from napari_gpcis.batch.job import SegmentOptions
from napari_gpcis.batch.stacks import segment_stacks
from napari_gpcis.batch.checkpoint import PageStore
folder, out, model, mode, propagate, after = sys.argv[1:]
append, count = PageStore.append, 0
def dying(self, number, content):
    global count
    count += 1
    if count > int(after):
        with self._lock:  # half a record, then nothing more
            self._file.seek(self._end)
            self._file.write(content[: len(content) // 2] or b"x")
            self._file.flush()
        os._exit(9)
    append(self, number, content)
PageStore.append = dying
options = SegmentOptions(
    mode=mode, propagate=bool(propagate), model=model, object_diameter=50.0, threads=1
)
table = None if mode == "class" else Path(out)
wanted = find_jobs([Path(folder)], None, Path(out), table=table, options=options)
segment_stacks(wanted.jobs, log=wanted.log, resume=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("options", MODES)
def test_a_killed_run_is_gone_on_with_to_the_same_files(lab: Lab, options: dict) -> None:
    run(lab, **options)
    expected = lab.results()
    for path in lab.out.iterdir():
        path.unlink()
    mode, propagate = options.get("mode", "object"), "yes" if options.get("propagate") else ""
    words = [str(lab.folder), str(lab.out), str(lab.model), mode, propagate]
    for after in (0, 2, 5, 3):
        done = subprocess.run([sys.executable, "-c", KILLED, *words, str(after)], check=False)
        assert done.returncode == 9
    report = run(lab, **options)
    assert not report.failed
    assert lab.results() == expected


def test_threads_do_not_change_the_result(lab: Lab) -> None:
    for options in MODES:
        run(lab, threads=1, resume=False, **options)
        alone = lab.results()
        run(lab, threads=3, resume=False, **options)
        assert lab.results() == alone


def test_labels_say_which_object_is_where(lab: Lab) -> None:
    run(lab, ("s0",))
    labels = tifffile.imread(lab.out / "s0_labels.tif")
    assert labels.shape == (4, 128, 192)
    assert (labels[1, 73, 52], labels[1, 60, 105], labels[3, 73, 54]) == (1, 2, 1)
    assert not labels[[0, 2]].any()
    assert np.isin(labels, (0, 1, 2)).all()


def test_a_job_that_makes_no_sense_is_refused(lab: Lab) -> None:
    for options, complaint in (
        ({"mode": "class", "propagate": True}, "leave propagate out"),
        ({"mode": "classes"}, "expected mode 'object' or 'class'"),
        ({"threads": 0}, "expected 1 thread or more"),
        ({"object_diameter": -1.0}, "above 0 px"),
    ):
        with pytest.raises(UserError, match=complaint):
            lab.job("s0", **options)
