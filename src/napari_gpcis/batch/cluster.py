"""Stacks, and blocks of pages, on the workers of a dask.distributed cluster.

Workers see the same folders under the same names. A task that dies with its worker is given to
another one, which resumes from the checkpoint. Each task computes on one core (or `threads`), so
that a cluster gives the same labels as one machine with the same kind of processor.
"""

from __future__ import annotations

import uuid
from collections import deque
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_gpcis.batch.cluster_tasks import class_block, do_stack, installed_version
from napari_gpcis.batch.outputs import Page
from napari_gpcis.batch.segment import Outcome, attempt, stop_message
from napari_gpcis.batch.threads import available_cores
from napari_gpcis.io.errors import OptionError, StoppedError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Client
    from distributed import Future as AnyFuture

    Future = AnyFuture[Any]

    from napari_gpcis.batch.checkpoint import JobCheckpoint
    from napari_gpcis.batch.job import Job
    from napari_gpcis.batch.run import OnProgress, Run

__all__ = ["run_on_cluster"]

PAGES_PER_BLOCK = 16
TRIES_ELSEWHERE = 3
_SECONDS_TO_ANSWER = 15
_SECONDS_BETWEEN_LOOKS = 1.0


def run_on_cluster(
    jobs: Sequence[Job],
    scheduler: str | None,
    workers: int,
    resume: bool,
    on_progress: OnProgress,
    is_cancelled: Callable[[], bool] | None,
) -> Iterator[Outcome]:
    """Run jobs on a cluster, or on several processes of this machine.

    Parameters
    ----------
    jobs : sequence of Job
        All in the same mode.
    scheduler : str, optional
        Address of the scheduler; without one, a local cluster is started.
    workers : int
        Number of processes of a local cluster.
    resume, on_progress, is_cancelled
        As for `segment_stacks`.

    Yields
    ------
    Outcome
        In the order in which jobs end.

    Raises
    ------
    OptionError
        If the scheduler does not answer, has no workers, or they have another version.
    StoppedError
    """
    threads = 1 if scheduler is not None else max(1, available_cores() // workers)
    asked = {
        replace(job, options=replace(job.options, threads=job.options.threads or threads)): job
        for job in jobs
    }
    with _client(scheduler, workers) as client:
        cluster = ClusterClient(client, resume, on_progress, is_cancelled or (lambda: False))
        capacity = sum(client.nthreads().values())
        if jobs[0].options.mode == "class" and len(jobs) < 2 * capacity:
            outcomes = cluster.by_blocks(list(asked), capacity)
        else:
            outcomes = cluster.by_stacks(list(asked))
        for outcome in outcomes:
            yield replace(outcome, job=asked[outcome.job])


class ClusterClient:
    """Client that hands jobs to workers and follows them.

    Parameters
    ----------
    client : Client
    resume, on_progress, is_cancelled
        As for `segment_stacks`.
    """

    def __init__(
        self,
        client: Client,
        resume: bool,
        on_progress: OnProgress,
        is_cancelled: Callable[[], bool],
    ) -> None:
        from distributed import Event

        self._client = client
        self._resume = resume
        self._on_progress = on_progress
        self._is_cancelled = is_cancelled
        self._stop = Event(f"napari-gpcis-stop-{uuid.uuid4()}", client=client)

    def by_stacks(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Hand out whole stacks."""
        waiting = {self._submit(do_stack, job, self._stop.name): job for job in jobs}
        count = 0
        self._on_progress("segmenting stacks", 0, len(jobs))
        for future in self._completed(waiting):
            count += 1
            yield self._outcome(future, waiting[future])
            self._on_progress("segmenting stacks", count, len(jobs))

    def by_blocks(self, jobs: Sequence[Job], capacity: int) -> Iterator[Outcome]:
        """Hand out blocks of pages, one stack after the other; for class mode."""
        for job in jobs:

            def produce(run: Run, slices: Sequence[int], _: JobCheckpoint) -> Iterator[Page]:
                return self._blocks(run.job, slices, capacity)

            yield attempt(
                job,
                resume=self._resume,
                on_progress=self._on_progress,
                is_cancelled=self._is_cancelled,
                producer=produce,
            )

    def _blocks(self, job: Job, slices: Sequence[int], capacity: int) -> Iterator[Page]:
        """Pages in their order; only as many blocks as keep the workers busy are submitted."""
        waiting: deque[tuple[tuple[int, ...], Future]] = deque()
        left = deque(
            tuple(slices[start : start + PAGES_PER_BLOCK])
            for start in range(0, len(slices), PAGES_PER_BLOCK)
        )
        while left or waiting:
            while left and len(waiting) < 3 * capacity:
                block = left.popleft()
                waiting.append((block, self._submit(class_block, job, block)))
            block, future = waiting.popleft()
            for _ in self._completed({future: job}):
                pages = self._result(future)
                yield from (
                    Page.from_bytes(z, content) for z, content in zip(block, pages, strict=True)
                )

    def _submit(self, work: Callable[..., Any], *arguments: object) -> Future:
        return self._client.submit(work, *arguments, pure=False, retries=TRIES_ELSEWHERE)

    def _completed(self, waiting: dict[Future, Job]) -> Iterator[Future]:
        from distributed import wait

        left = set(waiting)
        while left:
            try:
                done = wait(
                    left, timeout=_SECONDS_BETWEEN_LOOKS, return_when="FIRST_COMPLETED"
                ).done
            except TimeoutError:
                done = set()
            if self._is_cancelled():
                self._stop.set()
                self._client.cancel(list(left))
                raise StoppedError(stop_message(resume=self._resume))
            yield from done
            left -= done

    def _outcome(self, future: Future, job: Job) -> Outcome:
        try:
            outcome: Outcome = self._result(future)
        except UserError as error:
            return Outcome(job, error=str(error))
        return outcome

    def _result(self, future: Future) -> Any:
        from distributed import KilledWorker

        try:
            return future.result()
        except KilledWorker as error:
            raise UserError(
                f"{future.key}: its workers died {TRIES_ELSEWHERE + 1} times; look at their logs, "
                "they may need more memory"
            ) from error
        except StoppedError:
            raise
        except Exception as error:
            raise UserError(
                f"a worker failed: {type(error).__name__}: {' '.join(str(error).split())}"
            ) from error


@contextmanager
def _client(scheduler: str | None, workers: int) -> Iterator[Client]:
    """Connect to a scheduler, or start one with processes of this machine."""
    try:
        import distributed
    except ImportError as error:
        raise OptionError(
            "more than one process needs dask.distributed; run `pip install distributed`"
        ) from error
    with ExitStack() as stack:
        if scheduler is None:
            cluster = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    memory_limit=None,
                    silence_logs="ERROR",
                )
            )
            yield stack.enter_context(distributed.Client(cluster))
            return
        try:
            client = distributed.Client(scheduler, timeout=_SECONDS_TO_ANSWER)
        except (OSError, TimeoutError, ValueError) as error:
            raise OptionError(
                f"no scheduler answers at {scheduler}; start one with `dask scheduler` and give "
                "the address that it prints"
            ) from error
        stack.enter_context(client)
        _check_workers(client, scheduler)
        yield client


def _check_workers(client: Client, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_SECONDS_TO_ANSWER)
    except TimeoutError as error:
        raise OptionError(
            f"the scheduler {scheduler} has no workers; start them with `dask worker {scheduler}`"
        ) from error
    remedy = "install the same napari-gpcis in the environment of each worker"
    ours = installed_version()
    for worker, theirs in client.run(installed_version, on_error="return").items():
        if isinstance(theirs, ImportError):
            raise OptionError(f"the worker {worker} lacks napari-gpcis ({theirs}); {remedy}")
        # other errors come from workers that have just died, and do not count
        if isinstance(theirs, str) and theirs != ours:
            raise OptionError(
                f"the worker {worker} has napari-gpcis {theirs}, this is {ours}; {remedy}"
            )
