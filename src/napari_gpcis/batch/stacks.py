"""Segment many stacks, one after the other or on a cluster; a failure does not stop the rest."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_gpcis.batch.run import load_predictor
from napari_gpcis.batch.segment import Outcome, attempt, stop_message
from napari_gpcis.io.errors import StoppedError, UserError
from napari_gpcis.io.files import content_digest, os_errors_as_output_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari_gpcis.batch.job import Job
    from napari_gpcis.batch.run import OnProgress
    from napari_gpcis.batch.segment import Report

__all__ = ["BatchLog", "BatchReport", "segment_stacks"]


@dataclass(frozen=True, slots=True)
class BatchReport:
    """Outcomes of all jobs, in their order.

    Attributes
    ----------
    done, skipped, failed : tuple of Outcome
        Outcomes by kind; an earlier run had done the skipped ones.
    """

    done: tuple[Outcome, ...]
    skipped: tuple[Outcome, ...]
    failed: tuple[Outcome, ...]

    def summary(self) -> str:
        """A line of counts, and one for each failure."""
        counts = (
            f"{len(self.done)} done, {len(self.skipped)} done before, {len(self.failed)} failed"
        )
        remarks = [
            f"{remark} ({outcome.job.image.name})"
            for outcome in self.done
            if outcome.report is not None
            for remark in outcome.report.remarks()
        ]
        return "\n".join(
            [counts, *remarks, *(f"failed: {outcome.error}" for outcome in self.failed)]
        )

    @property
    def is_complete(self) -> bool:
        """True if every output of every job is there."""
        return not self.failed and not any(
            outcome.report and outcome.report.failures for outcome in self.done
        )


def segment_stacks(
    jobs: Sequence[Job],
    *,
    log: Path | None = None,
    resume: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    on_progress: OnProgress | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> BatchReport:
    """Segment many stacks.

    Parameters
    ----------
    jobs : sequence of Job
        See `find_jobs`.
    log : Path, optional
        File that records which stacks are done and which failed.
    resume : bool
        True to skip stacks that the log has as done, if nothing has changed since, and to resume
        the others where an earlier run stopped.
    workers : int
        Number of processes on this machine. One process uses all cores already; more help where
        reading waits for the disk.
    scheduler : str, optional
        Address of a dask.distributed scheduler, such as ``tcp://node7:8786``; its workers see the
        same folders. Takes the place of `workers`.
    on_progress, is_cancelled : callable, optional
        As for `segment_stack`.

    Returns
    -------
    BatchReport

    Raises
    ------
    UserError
        If no stack can be segmented: no such model, device or scheduler.
    StoppedError
        If it was cancelled. Finished outputs stay.
    """
    on_progress = on_progress or (lambda stage, done, total: None)
    notes = BatchLog(log) if log is not None else None
    fingerprints = {job: _fingerprint(job) for job in jobs}
    before = {
        job: Outcome(job)
        for job in jobs
        if resume and notes is not None and notes.has(job, fingerprints[job])
    }
    left = [job for job in jobs if job not in before]
    outcomes: dict[Job, Outcome] = {}
    if left:
        if scheduler is not None or workers > 1:
            from napari_gpcis.batch.cluster import run_on_cluster

            results = run_on_cluster(left, scheduler, workers, resume, on_progress, is_cancelled)
        else:
            results = _run_here(left, resume, on_progress, is_cancelled)
        for outcome in results:
            outcomes[outcome.job] = outcome
            if notes is not None and outcome.report is not None:
                notes.done(outcome.job, fingerprints[outcome.job], outcome.report)
            elif notes is not None:
                notes.failed(outcome.job, outcome.details or outcome.error)
    ended = [outcomes[job] for job in left]
    return BatchReport(
        done=tuple(outcome for outcome in ended if outcome.report is not None),
        skipped=tuple(before.values()),
        failed=tuple(outcome for outcome in ended if outcome.report is None),
    )


def _run_here(
    jobs: Sequence[Job],
    resume: bool,
    on_progress: OnProgress,
    is_cancelled: Callable[[], bool] | None,
) -> Iterator[Outcome]:
    predictor = load_predictor(jobs[0].options)
    options = jobs[0].options
    for number, job in enumerate(jobs, start=1):
        if job.options != options:
            predictor, options = load_predictor(job.options), job.options
        where = f"{number} of {len(jobs)}, {job.image.name}: "

        def report_with_place(stage: str, done: int, total: int, where: str = where) -> None:
            on_progress(where + stage, done, total)

        try:
            yield attempt(
                job,
                resume=resume,
                on_progress=report_with_place,
                is_cancelled=is_cancelled,
                predictor=predictor,
            )
        except StoppedError as stopped:
            message = f"{stop_message(resume=resume)}; {number - 1} of {len(jobs)} stacks are done"
            raise StoppedError(message) from stopped
        finally:
            predictor.cache.clear()


def _fingerprint(job: Job) -> str:
    try:
        return job.fingerprint()
    except UserError:
        return ""  # a missing input is reported when its turn comes


class BatchLog:
    """Log of a batch, a line of JSON for each stack.

    A line of a finished stack holds image, clicks, output, the job's fingerprint and the output's
    SHA-256; one of a failed stack, the error. A line that a kill cut short is passed over.

    Parameters
    ----------
    path : Path
        File, made when the first line is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: dict[str, dict[str, Any]] = {}
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        self._needs_newline = bool(text) and not text.endswith("\n")
        for line in text.splitlines():
            try:
                record = json.loads(line)
                self._last[record["output"]] = record
            except (ValueError, TypeError, KeyError):
                continue

    def has(self, job: Job, fingerprint: str) -> bool:
        """True if a job is done, and neither it nor its output has changed since."""
        record = self._last.get(os.fspath(job.output.resolve()), {})
        if record.get("status") != "done" or record.get("fingerprint") != fingerprint:
            return False
        if not all(path.exists() for path in job.further_outputs):
            return False
        return job.output.exists() and content_digest(job.output) == record.get("sha256")

    def done(self, job: Job, fingerprint: str, report: Report) -> None:
        """Record a finished job."""
        self._append(
            job,
            status="done",
            fingerprint=fingerprint,
            sha256=content_digest(job.output),
            slices=report.slices,
            labels=report.labels,
            seconds=round(report.seconds, 2),
        )

    def failed(self, job: Job, error: str) -> None:
        """Record why a job failed."""
        self._append(job, status="failed", error=error)

    def _append(self, job: Job, **more: object) -> None:
        record: dict[str, Any] = {
            "output": os.fspath(job.output.resolve()),
            "image": os.fspath(job.image.resolve()),
            "clicks": os.fspath(job.clicks.resolve()),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **more,
        }
        line = ("\n" if self._needs_newline else "") + json.dumps(record) + "\n"
        with os_errors_as_output_errors(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(line)
        self._needs_newline = False
        self._last[record["output"]] = record
