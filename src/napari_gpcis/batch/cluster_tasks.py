"""Tasks of a cluster's workers: a stack, or a block of pages of one.

Each runs on one core, or on as many `threads` as the job says. The network is kept for the next
task, and for blocks the stack and the classes learned from its clicks, too.
"""

from __future__ import annotations

import ctypes
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING

from napari_gpcis.batch.class_pages import ClassPages
from napari_gpcis.batch.run import Run, load_predictor, open_stack
from napari_gpcis.batch.segment import Outcome, attempt
from napari_gpcis.batch.threads import WorkerThreads

if TYPE_CHECKING:
    from napari_gpcis.batch.job import Job, SegmentOptions
    from napari_gpcis.engine.predictor import Predictor

__all__ = ["class_block", "do_stack", "installed_version"]

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_OF_PATIENCE = 120.0
# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def installed_version() -> str:
    """Version of napari-gpcis in this process."""
    return version("napari-gpcis")


def do_stack(job: Job, stop: str) -> Outcome:
    """Segment a whole stack; resumes it, as a worker that died may have begun it.

    Parameters
    ----------
    job : Job
        The job.
    stop : str
        Name of the event that ends the run.
    """
    return attempt(
        job,
        resume=True,
        is_cancelled=_Stop(stop),
        predictor=_predictor(job),
        # a worker that was given up may still be working on it
        patience=_SECONDS_OF_PATIENCE,
    )


class _Stop:
    """True when the run is to end; asks over the network now and then."""

    def __init__(self, name: str) -> None:
        from distributed import Event

        self._event = Event(name)
        self._asked = time.monotonic()
        self._is_set = False

    def __call__(self) -> bool:
        if not self._is_set and time.monotonic() - self._asked > _SECONDS_BETWEEN_LOOKS:
            self._asked = time.monotonic()
            self._is_set = bool(self._event.is_set())
        return self._is_set


def class_block(job: Job, slices: tuple[int, ...]) -> list[bytes]:
    """Pages of some slices of a stack in class mode, as bytes."""
    run, pages = _opened(job)
    return [page.to_bytes() for page in pages.make(slices, run.threads)]


_lock = Lock()


def _opened(job: Job) -> tuple[Run, ClassPages]:
    with _lock:
        _, run, pages = _open(job)
    return run, pages


@lru_cache(maxsize=1)
def _open(job: Job) -> tuple[ExitStack, Run, ClassPages]:
    """The stack of the blocks; closed when it is no longer used."""
    stack = ExitStack()
    image, clicks = stack.enter_context(open_stack(job))
    threads = WorkerThreads(job.options.threads or 1)
    run = Run(job, image, clicks, threads, lambda stage, done, total: None, _predictor(job))
    return stack, run, ClassPages(run)


def _predictor(job: Job) -> Predictor:
    return _load(replace(job.options, threads=None))


@lru_cache(maxsize=1)
def _load(options: SegmentOptions) -> Predictor:
    _keep_freed_memory()
    return load_predictor(options)


def _keep_freed_memory() -> None:
    """Let the C library keep freed memory, in spite of dask's MALLOC_TRIM_THRESHOLD_.

    Otherwise each activation takes new memory from the system, and a page twice as long.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        adjust = ctypes.CDLL(None).mallopt
        adjust(_TRIM_THRESHOLD, 1 << 30)
        adjust(_MMAP_THRESHOLD, 32 << 20)
