"""The training loop."""

from __future__ import annotations

import csv
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from napari_gpcis.gp import amortisation_loss
from napari_gpcis.model.heads import GPPrediction
from napari_gpcis_training.batches import StepDataset, batches_from, click_generator
from napari_gpcis_training.losses import (
    intersection_over_union,
    normalised_focal_loss,
    overlap_loss,
)
from napari_gpcis_training.simulation import Encoded, Interaction, targets
from napari_gpcis_training.state import save_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import FrameType

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis.model.heads import Prediction
    from napari_gpcis_training.batches import Batch
    from napari_gpcis_training.config import LossConfig, TrainConfig
    from napari_gpcis_training.data.sets import LabelledSet
    from napari_gpcis_training.state import TrainingState

CHECKPOINT = "checkpoint.pt"
BEFORE_DECAY = "before_decay.pt"
LOG = "log.csv"


@dataclass(frozen=True, slots=True)
class StepReport:
    """Figures of one step; the IoU are means over the batch's object-mode crops.

    Attributes
    ----------
    loss, focal, amortisation
        The sum and its parts, unweighted.
    first_iou, last_iou
        After the initial clicks and after the simulated corrections.
    clicks
        Mean number of clicks at the end.
    """

    loss: float
    focal: float
    amortisation: float
    first_iou: float
    last_iou: float
    clicks: float


@dataclass(slots=True)
class FitOptions:
    """How a run is carried out; none of it changes what a step computes.

    Attributes
    ----------
    output
        Folder of checkpoints and log.
    minutes
        Length of the whole run, earlier sessions included; ``None`` counts steps.
    save_minutes
        Time between checkpoints.
    log_steps
        Steps between two lines of the log.
    mixed_precision
        Whether encoder and decoder run in bfloat16.
    say
        Takes progress messages.
    """

    output: Path
    minutes: float | None = None
    save_minutes: float = 5.0
    log_steps: int = 50
    mixed_precision: bool = False
    say: Callable[[str], None] = print


@dataclass(slots=True)
class _Recent:
    """Reports since the last log line."""

    reports: list[StepReport] = field(default_factory=list)
    since: float = field(default_factory=time.perf_counter)


def fit(
    state: TrainingState, sets: Sequence[LabelledSet], config: TrainConfig, options: FitOptions
) -> bool:
    """Train until the schedule ends.

    Returns
    -------
    Whether it came to its end; otherwise it was told to stop, and a checkpoint is there.
    """
    options.output.mkdir(parents=True, exist_ok=True)
    _plan_decay(state, config, options)
    batches = batches_from(StepDataset(sets, config), state.step, config.workers)
    recent = _Recent()
    seconds_before, started = state.seconds, time.perf_counter()
    saved = started
    with _stop_signals() as stop:
        while not _finished(state):
            report = training_step(state, next(batches), config, options.mixed_precision)
            recent.reports.append(report)
            now = time.perf_counter()
            state.seconds = seconds_before + now - started
            if state.step % options.log_steps == 0:
                _log(state, recent, options)
                recent = _Recent()
            _start_decay_in_time(state, config, options)
            if stop or now - saved > 60 * options.save_minutes:
                save_state(options.output / CHECKPOINT, state, config)
                saved = now
            if stop:
                options.say(f"told to stop: checkpoint at step {state.step}")
                return False
    save_state(options.output / CHECKPOINT, state, config)
    return True


def training_step(
    state: TrainingState, batch: Batch, config: TrainConfig, mixed_precision: bool = False
) -> StepReport:
    """Simulate clicks on a batch and take one step of the optimiser on the last answer."""
    rng = click_generator(config.seed, state.step)
    # the GP's training noise: a function of the step, so that a resumed run draws the same
    torch.manual_seed(int(rng.integers(2**62)))
    network, device = state.network, state.network.mean.device
    target, valid = targets(batch, device)
    set_training_mode(network, config.optimiser.freeze_batch_norm)
    state.set_learning_rate()
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed_precision):
        images = batch.images.to(device, memory_format=torch.channels_last)
        encoded = Encoded.of(network, images)
        interaction = Interaction.start(batch, rng, config.clicks)
        rounds = int(rng.integers(config.clicks.rounds + 1))
        first = _simulate(network, encoded, interaction, batch, rounds, rng, config)
        set_training_mode(network, config.optimiser.freeze_batch_norm)
        prediction = interaction.answer(network, encoded, config.optimiser.noise_variance)
    loss, focal, amortisation = _loss(prediction, target, valid, config.loss)
    _descend(state, loss, config.optimiser.gradient_clip)
    state.step += 1
    state.update_average(config.optimiser.ema)
    return StepReport(
        float(loss.detach()),
        float(focal),
        float(amortisation),
        _mean_iou(prediction.logits.detach() if first is None else first, target, valid, batch),
        _mean_iou(prediction.logits.detach(), target, valid, batch),
        float(np.mean([len(clicks) for clicks in interaction.clicks])),
    )


def set_training_mode(network: nn.Module, freeze_batch_norm: bool) -> None:
    """Set training mode, the encoder's batch norms excepted where they are frozen."""
    network.train()
    if freeze_batch_norm:
        for name, module in network.named_modules():
            if "encoder." in name and isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def _simulate(
    network: SegmentationNetwork,
    encoded: Encoded,
    interaction: Interaction,
    batch: Batch,
    rounds: int,
    rng: np.random.Generator,
    config: TrainConfig,
) -> Tensor | None:
    """Let the network answer and click into its errors; returns its first answer."""
    first: Tensor | None = None
    fixed = encoded.detach()
    network.eval()
    with torch.no_grad():
        for _ in range(rounds):
            answer = interaction.answer(network, fixed, config.optimiser.noise_variance)
            first = answer.logits if first is None else first
            interaction.correct(answer.logits, batch, rng, config.clicks)
    return first


def _loss(
    prediction: Prediction, target: Tensor, valid: Tensor, config: LossConfig
) -> tuple[Tensor, Tensor, Tensor]:
    focal = normalised_focal_loss(
        prediction.logits, target, valid, config.focal_alpha, config.focal_gamma
    )
    amortisation = torch.zeros(())
    if isinstance(prediction, GPPrediction):
        amortisation = amortisation_loss(prediction.posterior)
    loss = focal + config.amortisation * amortisation.to(focal.device)
    if config.overlap:
        loss = loss + config.overlap * overlap_loss(prediction.logits, target, valid)
    return loss, focal.detach(), amortisation.detach()


def _descend(state: TrainingState, loss: Tensor, gradient_clip: float) -> None:
    """Take a step, unless the gradient is not finite: then the batch is passed over."""
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(state.network.parameters(), gradient_clip)
    if torch.isfinite(norm):
        state.optimiser.step()


def _mean_iou(logits: Tensor, target: Tensor, valid: Tensor, batch: Batch) -> float:
    objects = ~batch.class_mode.to(logits.device)
    if not objects.any():
        return float("nan")
    iou = intersection_over_union(logits > 0, target > 0.5, valid)
    return float(iou[objects].mean())


def _finished(state: TrainingState) -> bool:
    last = state.schedule.last_step
    return last is not None and state.step >= last


def _plan_decay(state: TrainingState, config: TrainConfig, options: FitOptions) -> None:
    """Place the decay at the end of the wanted steps, unless it has begun or minutes count."""
    start = state.schedule.decay_start
    if start is not None and state.step >= start:
        return
    state.schedule.decay_start = None
    if options.minutes is None:
        decay = round(config.optimiser.decay_fraction * config.optimiser.steps)
        state.schedule.start_decay(config.optimiser.steps - decay, decay)


def _start_decay_in_time(state: TrainingState, config: TrainConfig, options: FitOptions) -> None:
    """Let the decay begin when only its part of the minutes is left."""
    if options.minutes is None or state.schedule.decay_start is not None:
        return
    left = 60 * options.minutes - state.seconds
    if left > 60 * options.minutes * config.optimiser.decay_fraction:
        return
    steps = int(left / (state.seconds / state.step))
    save_state(options.output / BEFORE_DECAY, state, config)
    state.schedule.start_decay(state.step, steps)
    options.say(f"step {state.step}: the learning rate falls from here, for {steps} steps")


def _log(state: TrainingState, recent: _Recent, options: FitOptions) -> None:
    seconds_per_step = (time.perf_counter() - recent.since) / max(1, len(recent.reports))
    row: dict[str, float] = {"step": state.step, "minutes": round(state.seconds / 60, 2)}
    for name in StepReport.__slots__:
        values = [getattr(report, name) for report in recent.reports]
        row[name] = round(float(np.nanmean(values)), 5) if values else float("nan")
    row["learning_rate"] = state.schedule.factor(state.step)
    row["seconds_per_step"] = round(seconds_per_step, 4)
    path = options.output / LOG
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    options.say(
        f"step {state.step}  loss {row['loss']:.4f}  IoU first {row['first_iou']:.3f} "
        f"last {row['last_iou']:.3f}  clicks {row['clicks']:.1f}  {seconds_per_step:.2f} s/step  "
        f"{state.seconds / 60:.0f} min, {_minutes_left(state, options, seconds_per_step):.0f} left"
    )


def _minutes_left(state: TrainingState, options: FitOptions, seconds_per_step: float) -> float:
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
