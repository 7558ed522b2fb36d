"""One thread for everything that takes longer than a frame.

All of torch runs on it, so the window never waits. What is asked next matters more than what was
asked before: a slot holds one job, and a newer one takes its place.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

SLOTS = ("answer", "classes", "extras", "ahead")
"""In order of urgency; a long job runs before the last one."""

AT_EXIT = 30.0
"""Seconds that the end of the program waits for the job that the thread is at."""


@dataclass(frozen=True, slots=True)
class Job:
    """Work for the thread.

    Attributes
    ----------
    work : callable
        Called on the thread with a function that says whether the job is stale: another has
        taken its place, or the thread is to end.
    then : callable
        Called with what `work` returned, on the thread of the window.
    ahead : bool
        Whether anything else is more urgent.
    """

    work: Callable[[Callable[[], bool]], Any]
    then: Callable[[Any], None]
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class LongJob:
    """Work in steps, between which more urgent jobs are done.

    Attributes
    ----------
    steps : generator
        Each `next` is one step, on the thread.
    on_step : callable
        Called with what a step yielded, on the thread of the window.
    then : callable
        Called with whether all steps were done (False: cancelled), on the thread of the window.
    """

    steps: Generator[Any, None, None]
    on_step: Callable[[Any], None]
    then: Callable[[bool], None]


class Worker(QObject):
    """The thread, seen from the window.

    Parameters
    ----------
    on_error : callable
        Called with an exception that a job raised, on the thread of the window.
    """

    _returned = Signal(object, object)

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        super().__init__()
        self._on_error = on_error
        self._returned.connect(self._call, Qt.ConnectionType.QueuedConnection)
        self._wake = threading.Condition()
        self._queue: deque[Job] = deque()
        self._slots: dict[str, Job] = {}
        self._long: LongJob | None = None
        self._running: Job | None = None
        self._cancelled = False
        self._ends = False
        self._thread = threading.Thread(target=self._loop, name="napari-gpcis", daemon=True)
        self._thread.start()
        self._at_exit = partial(self.stop, AT_EXIT)
        atexit.register(self._at_exit)

    @property
    def busy_long(self) -> bool:
        """True while a long job is under way."""
        return self._long is not None

    @property
    def cancelled(self) -> bool:
        """True once the long job that is under way is to end."""
        return self._cancelled or self._ends

    @property
    def idle(self) -> bool:
        """True if nothing is under way or waiting."""
        with self._wake:
            return not (self._queue or self._slots or self._long or self._running)

    def do(
        self,
        work: Callable[[Callable[[], bool]], Any],
        then: Callable[[Any], None] = lambda _: None,
    ) -> None:
        """Do a job as soon as possible, after those that were given before."""
        with self._wake:
            self._queue.append(Job(work, then))
            self._wake.notify()

    def ask(
        self, slot: str, work: Callable[[Callable[[], bool]], Any], then: Callable[[Any], None]
    ) -> None:
        """Do a job, in place of the one that the slot holds."""
        with self._wake:
            self._slots[slot] = Job(work, then, ahead=slot == SLOTS[-1])
            self._wake.notify()

    def post(self, function: Callable[[Any], None], value: Any) -> None:
        """Call a function on the thread of the window; for code that runs on this one."""
        self._returned.emit(function, value)

    def drop(self, *slots: str) -> None:
        """Forget what slots hold."""
        with self._wake:
            for slot in slots or SLOTS:
                self._slots.pop(slot, None)

    def start_long(self, job: LongJob) -> None:
        """Begin a long job.

        Raises
        ------
        ValueError
            If one is under way.
        """
        with self._wake:
            if self._long is not None:
                raise ValueError("Something else is running: wait until it is done, or cancel it")
            self._long = job
            self._cancelled = False
            self._wake.notify()

    def cancel(self) -> None:
        """End the long job after the step that it is at."""
        with self._wake:
            self._cancelled = True
            self._wake.notify()

    def stop(self, timeout: float = 1.0) -> None:
        """End the thread after the job that it is at; nothing is called back from now on.

        Parameters
        ----------
        timeout : float
            How long to wait for that, in seconds. The program waits longer when it ends: torch
            on a thread that Python takes away may crash.
        """
        with self._wake:
            self._ends = True
            self._queue.clear()
            self._slots.clear()
            self._wake.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        if not self._thread.is_alive():
            atexit.unregister(self._at_exit)

    def _loop(self) -> None:
        while True:
            with self._wake:
                self._running = None
                while not (self._ends or self._queue or self._slots or self._long):
                    self._wake.wait()
                if self._ends:
                    return
                self._running = job = self._next()
            if job is None:
                self._step()
            else:
                self._run(job)

    def _next(self) -> Job | None:
        """The most urgent job; None for a step of the long one."""
        if self._queue:
            return self._queue.popleft()
        for slot in SLOTS[:-1]:
            if slot in self._slots:
                return self._slots.pop(slot)
        return None if self._long else self._slots.pop(SLOTS[-1])

    def _run(self, job: Job) -> None:
        try:
            result = job.work(lambda: self._is_stale(job))
        except Exception as error:
            self._returned.emit(self._on_error, error)
        else:
            self._returned.emit(job.then, result)

    def _is_stale(self, job: Job) -> bool:
        """True if the next click waits or, for a job done ahead of need, anything at all."""
        if job.ahead:
            return self._ends or bool(self._queue or self._slots or self._long)
        return self._ends or "answer" in self._slots

    def _step(self) -> None:
        job = self._long
        if job is None:
            return
        try:
            if self._cancelled:
                job.steps.close()
                self._end_long(job, done=False)
            else:
                self._returned.emit(job.on_step, next(job.steps))
        except StopIteration:
            self._end_long(job, done=True)
        except Exception as error:
            self._end_long(job, done=False)
            self._returned.emit(self._on_error, error)

    def _end_long(self, job: LongJob, *, done: bool) -> None:
        self._long = None
        self._returned.emit(job.then, done)

    @Slot(object, object)  # type: ignore[untyped-decorator]
    def _call(self, function: Callable[[Any], None], value: Any) -> None:
        if not self._ends:
            function(value)
