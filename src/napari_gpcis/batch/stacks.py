"""Many stacks, one after the other or on a cluster; what fails does not stop the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_gpcis.batch.log import BatchLog
from napari_gpcis.batch.run import load_predictor
from napari_gpcis.batch.segment import Outcome, attempt, stop_message
from napari_gpcis.io.errors import StoppedError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari_gpcis.batch.job import Job
    from napari_gpcis.batch.run import Tell

__all__ = ["BatchReport", "segment_stacks"]


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of all jobs, in their order.

    Attributes
    ----------
    done, skipped, failed : tuple of Outcome
        Skipped are those that an earlier run had done.
    """

    done: tuple[Outcome, ...]
    skipped: tuple[Outcome, ...]
    failed: tuple[Outcome, ...]

    def summary(self) -> str:
        """A line of counts, and one for each failure."""
        counts = (
            f"{len(self.done)} done, {len(self.skipped)} done before, {len(self.failed)} failed"
        )
        return "\n".join([counts, *(f"failed: {outcome.error}" for outcome in self.failed)])


def segment_stacks(
    jobs: Sequence[Job],
    *,
    log: Path | None = None,
    resume: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    on_progress: Tell | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> BatchReport:
    """Segment many stacks.

    Parameters
    ----------
    jobs : sequence of Job
        See `find_jobs`.
    log : Path, optional
        File in which to note what is done and what failed.
    resume : bool
        Whether to leave out what the log has as done, if nothing has changed since, and to go on
        with what was begun.
    workers : int
        Processes on this machine. One stack at a time is on all cores anyway; more help where
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
        If nothing can be done at all: no such model, device or scheduler.
    StoppedError
        If it was cancelled. What is done stays.
    """
    tell = on_progress or (lambda stage, done, total: None)
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

            results = run_on_cluster(left, scheduler, workers, resume, tell, is_cancelled)
        else:
            results = _run_here(left, resume, tell, is_cancelled)
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
    jobs: Sequence[Job], resume: bool, tell: Tell, is_cancelled: Callable[[], bool] | None
) -> Iterator[Outcome]:
    predictor = load_predictor(jobs[0].options)
    options = jobs[0].options
    for number, job in enumerate(jobs, start=1):
        if job.options != options:
            predictor, options = load_predictor(job.options), job.options
        where = f"{number} of {len(jobs)}, {job.image.name}: "

        def tell_where(stage: str, done: int, total: int, where: str = where) -> None:
            tell(where + stage, done, total)

        try:
            yield attempt(
                job,
                resume=resume,
                on_progress=tell_where,
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
        return ""  # what is missing is said when its turn comes
