"""The training loop: steps, and what is logged, saved and planned between them."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from napari_gpcis_training.batches import StepDataset, StepRandomness, batches_from
from napari_gpcis_training.checkpoints import BEFORE_DECAY, rotate_state, save_state
from napari_gpcis_training.logbook import Logbook, row_of
from napari_gpcis_training.processes import SingleProcess
from napari_gpcis_training.progress import LineProgress
from napari_gpcis_training.training_pass import report_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from napari_gpcis_training.batches import Batch
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.data.sets import LabelledSet
    from napari_gpcis_training.options import TrainOptions
    from napari_gpcis_training.processes import Processes
    from napari_gpcis_training.progress import Progress
    from napari_gpcis_training.state import TrainingState
    from napari_gpcis_training.training_pass import StepReport

    Validate = Callable[[TrainingState, Logbook], None]


def fit(
    state: TrainingState,
    sets: Sequence[LabelledSet],
    config: TrainConfig,
    options: TrainOptions,
    processes: Processes | None = None,
    validate: Validate | None = None,
    progress: Progress | None = None,
) -> bool:
    """Train until the schedule ends.

    Parameters
    ----------
    state : TrainingState
        State to begin with; changes with each step.
    sets : sequence of LabelledSet
        Data to train on.
    config : TrainConfig
        The run's settings.
    options : TrainOptions
        Output folder, length in minutes (None counts the configured steps), and how often to save,
        log and validate; none of it changes what a step computes.
    processes : Processes, optional
        The processes that share the crops; this one alone when not given.
    validate : callable, optional
        Called every `options.validate_every` steps.
    progress : Progress, optional
        Shows how far the training is; lines when not given.

    Returns
    -------
    bool
        True at the end of the schedule; False after a signal to stop, with a checkpoint written.
    """
    processes = processes or SingleProcess()
    loop = _Loop(state, config, options, processes, progress or LineProgress())
    batches = batches_from(StepDataset(sets, config, processes.share), state.step, config.workers)
    with _stop_signals() as stop, loop.log, loop.progress:
        while not _finished(state):
            report = training_step(state, next(batches), config, processes=processes)
            stopped = loop.after_step(report, bool(stop))
            if validate is not None and _is_due(state.step, options.validate_every):
                loop.validate(validate)
            if stopped:
                loop.progress.say(f"stopped as asked, with a checkpoint at step {state.step}")
                return False
        loop.save()
    return True


def training_step(
    state: TrainingState,
    batch: Batch,
    config: TrainConfig,
    mixed_precision: bool = False,
    processes: Processes | None = None,
) -> StepReport:
    """Simulate clicks on a batch and take one step of the optimiser on the last answer.

    Parameters
    ----------
    state : TrainingState
        Moves on by a step.
    batch : Batch
        This process's share of the step's crops.
    config : TrainConfig
        The run's settings.
    mixed_precision : bool
        True to run encoder and decoder in bfloat16, where no processes are given.
    processes : Processes, optional
        The processes that share the crops; one alone when not given.
    """
    processes = processes or SingleProcess(mixed_precision)
    # for encoders with dropout: a function of the step, so that a resumed run draws the same
    seed = int(StepRandomness(config.seed, state.step).rounds().integers(2**62))
    torch.manual_seed(seed + processes.share.rank)
    state.set_learning_rate()
    loss, sums = processes.run(state, batch, config)
    processes.descend(state, loss, config.optimiser.gradient_clip)
    state.step += 1
    state.update_average(config.optimiser.ema)
    return report_of(processes.add_up(sums))


class _Loop:
    """Logging, saving and planning between two steps; only the first process writes."""

    def __init__(
        self,
        state: TrainingState,
        config: TrainConfig,
        options: TrainOptions,
        processes: Processes,
        progress: Progress,
    ) -> None:
        self._state, self._config, self._options = state, config, options
        self._processes = processes
        self.progress = progress
        self._is_main = processes.share.rank == 0
        self._before, self._started = state.seconds, time.perf_counter()
        self._saved = self._logged = self._started
        self._logged_step = state.step
        self.log = Logbook(options.output if self._is_main else None, state.step)
        _plan_decay(state, config, options)

    def after_step(self, report: StepReport, stop: bool) -> bool:
        """Log, save and plan as is due; returns True once a process was asked to stop."""
        state, options = self._state, self._options
        state.recent.append(report)
        now = time.perf_counter()
        seconds = self._before + now - self._started
        # the first process's clock is everybody's
        mine = [seconds, float(stop)] if self._is_main else [0.0, float(stop)]
        state.seconds, stops = self._processes.add_up(
            torch.tensor(mine, dtype=torch.float64)
        ).tolist()
        if state.step % options.log_steps == 0:
            self._write_row(now)
        self._show(report, now)
        if self._decay_is_due():
            self._start_decay()
        if stops or now - self._saved > 60 * options.save_minutes:
            self.save()
        return bool(stops)

    def save(self) -> None:
        """Write the checkpoint that a run goes on from."""
        self._saved = time.perf_counter()
        if self._is_main:
            self.log.flush()
            rotate_state(self._options.output, self._state, self._config, self._scaler())

    def validate(self, validate: Validate) -> None:
        """Score the averaged network, in the first process."""
        if self._is_main:
            validate(self._state, self.log)

    def _write_row(self, now: float) -> None:
        state = self._state
        steps = max(1, state.step - self._logged_step)
        row = row_of(state, self._config, (now - self._logged) / steps)
        state.recent.clear()
        self._logged, self._logged_step = now, state.step
        if self._is_main:
            self.log.write(row)
            self.progress.row(row, _minutes_left(state, self._options, row["seconds_per_step"]))

    def _show(self, report: StepReport, now: float) -> None:
        state = self._state
        done = state.step - self._logged_step
        if self._is_main and done:
            seconds = (now - self._logged) / done
            self.progress.show(
                _part_done(state, self._options),
                report,
                seconds,
                _minutes_left(state, self._options, seconds),
            )

    def _decay_is_due(self) -> bool:
        """Say whether only the decay's part of the minutes is left."""
        minutes, state = self._options.minutes, self._state
        if minutes is None or state.schedule.decay_start is not None:
            return False
        left = 60 * minutes - state.seconds
        return left <= 60 * minutes * self._config.optimiser.decay_fraction

    def _start_decay(self) -> None:
        state = self._state
        left = 60 * (self._options.minutes or 0.0) - state.seconds
        steps = max(1, int(left / (state.seconds / state.step)))
        if self._is_main:
            path = self._options.output / BEFORE_DECAY
            save_state(path, state, self._config, self._scaler())
            self.progress.say(
                f"step {state.step}: the learning rate falls from here on, over {steps} steps"
            )
        state.schedule.start_decay(state.step, steps)

    def _scaler(self) -> dict[str, float] | None:
        scaler = self._processes.scaler()
        return None if scaler is None else dict(scaler.state_dict())


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _finished(state: TrainingState) -> bool:
    last = state.schedule.last_step
    return last is not None and state.step >= last


def _plan_decay(state: TrainingState, config: TrainConfig, options: TrainOptions) -> None:
    """Place the decay at the end of the wanted steps, unless it has begun or minutes count."""
    start = state.schedule.decay_start
    if start is not None and state.step >= start:
        return
    state.schedule.decay_start = None
    if options.minutes is None:
        decay = round(config.optimiser.decay_fraction * config.optimiser.steps)
        state.schedule.start_decay(config.optimiser.steps - decay, decay)


def _part_done(state: TrainingState, options: TrainOptions) -> float:
    last = state.schedule.last_step
    if options.minutes is None or last is not None:
        return state.step / max(1, last or 1)
    return state.seconds / (60 * options.minutes)


def _minutes_left(state: TrainingState, options: TrainOptions, seconds_per_step: float) -> float:
    last = state.schedule.last_step
    if last is not None:
        return (last - state.step) * seconds_per_step / 60
    return (options.minutes or 0.0) - state.seconds / 60


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT instead of dying from them."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
