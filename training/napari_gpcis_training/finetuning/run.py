"""Fine-tuning on a lab's own labels: a short run that never ends worse than it began."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from napari_gpcis.engine.device import find_device
from napari_gpcis.model.checkpoint import load_model, model_card, save_checkpoint
from napari_gpcis_training.batches import StepDataset
from napari_gpcis_training.data.own import load_own_data
from napari_gpcis_training.evaluate import evaluate, evaluation_crops
from napari_gpcis_training.finetuning.parts import divide
from napari_gpcis_training.finetuning.recipe import MINUTES, keep_statistics, recipe
from napari_gpcis_training.finetuning.record import (
    Clock,
    Verdict,
    card_scores,
    card_training,
    done_event,
    progress_event,
    start_event,
    validation_event,
)
from napari_gpcis_training.finetuning.saving import reserved
from napari_gpcis_training.state import Schedule, TrainingState, parameter_groups
from napari_gpcis_training.trainer import training_step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.augment import Crop
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.data.sets import LabelledSet
    from napari_gpcis_training.evaluate import ValidationScores
    from napari_gpcis_training.options import FinetuneOptions

    OnEvent = Callable[[dict[str, Any]], None]

_OBJECTS_CHOSEN_BY, _OBJECTS_TESTED = 40, 60
_VALIDATIONS = 8
_CARD_BYTES = 200_000


@dataclass(slots=True)
class _Best:
    """The best weights so far, by the clicks that the selection part needs."""

    first: ValidationScores
    weights: dict[str, Tensor]
    scores: ValidationScores
    step: int = 0

    def offer(self, network: SegmentationNetwork, scores: ValidationScores, step: int) -> None:
        if _improves(scores, self.first) and _rank(scores) < _rank(self.scores):
            self.scores, self.weights, self.step = scores, _weights(network), step


def finetune_model(options: FinetuneOptions, on_event: OnEvent) -> bool:
    """Fine-tune a model; write the best state, or the first where none does better on the test.

    Parameters
    ----------
    options : FinetuneOptions
        Data, output, and how long.
    on_event : callable
        Takes an event, a dict that JSON can hold: "start", "validation", "progress" and "done",
        under the key "event".

    Returns
    -------
    bool
        True if the written model is better than the one it began with.

    Raises
    ------
    ValueError
        If the data, the model, the device or the output will not do.
    KeptElsewhereError
        If the output cannot be written in the end; says where the model is.
    KeyboardInterrupt
        If stopped before the training: then nothing is written. Later on, a stop ends the
        training, and the best model so far is written.
    """
    card = model_card(options.model)
    with reserved(options.output, card.path.stat().st_size * 2 + _CARD_BYTES) as put:
        device = find_device(options.device)
        network = load_model(options.model, device).to(memory_format=torch.channels_last)
        data = load_own_data(options.images, options.labels, options.seed, options.axes)
        parts = divide(data, options.seed)
        config = recipe(card, parts.training, options.steps, options.seed)
        on_event(start_event(options, data, parts, config, _clock(options, config), device))
        chosen_by = _crops(parts.selection, _OBJECTS_CHOSEN_BY)
        test = _crops(parts.test, _OBJECTS_TESTED) if parts.independent else None
        first = evaluate(network, chosen_by)
        on_event(validation_event(0, first))
        before = evaluate(network, test) if test else None
        state = _state(network, config)
        best = _Best(first, _weights(network), first)
        start = best.weights
        clock = _clock(options, config)
        stopped = _train(state, config, parts.training, chosen_by, clock, best, on_event)
        state.average.load_state_dict(best.weights)
        verdict = _judge(state.average, test, before, best)
        if verdict.improved:
            suggested = round(data.diameter, 1)
            state.average.config = replace(state.average.config, image_diameter=suggested)
        else:
            state.average.load_state_dict(start)
        minutes = round(clock.elapsed / 60, 2)
        training = card_training(options, card, data, parts, config, verdict, minutes)
        put(
            lambda path: save_checkpoint(
                path,
                state.average,
                training=training,
                scores=card_scores(verdict),
                licence=card.licence,
            )
        )
    on_event(done_event(str(options.output), verdict, stopped))
    return verdict.improved


def _train(
    state: TrainingState,
    config: TrainConfig,
    training: LabelledSet,
    chosen_by: Sequence[Crop],
    clock: Clock,
    best: _Best,
    on_event: OnEvent,
) -> bool:
    """Train until the clock has run down, validating as it goes; return whether it was stopped."""
    batches = StepDataset([training], config)
    mixed = state.network.mean.device.type == "cuda"
    done, validated = 0.0, 0
    try:
        while done < 1:
            left = 1 - done
            if (
                done
                and state.schedule.decay_start is None
                and left <= config.optimiser.decay_fraction
            ):
                state.schedule.start_decay(state.step, math.ceil(state.step * left / done))
            report = training_step(state, batches[state.step], config, mixed)
            done = clock.done(state.step)
            on_event(progress_event(state.step, report.loss, done, clock))
            if int(_VALIDATIONS * done) > validated:
                validated = int(_VALIDATIONS * done)
                scores = evaluate(state.average, chosen_by)
                best.offer(state.average, scores, state.step)
                on_event(validation_event(state.step, scores))
    except KeyboardInterrupt:
        return True
    return False


def _judge(
    network: SegmentationNetwork,
    test: Sequence[Crop] | None,
    before: ValidationScores | None,
    best: _Best,
) -> Verdict:
    """Let the test decide between the chosen state and the first; without one, the selection."""
    if test is None or before is None:
        return Verdict(best.first, best.scores, best.step, independent=False)
    if best.step == 0:
        return Verdict(before, before, 0, independent=True)
    try:
        after = evaluate(network, test)
    except KeyboardInterrupt:  # somebody cannot wait
        return Verdict(best.first, best.scores, best.step, independent=False)
    if _improves(after, before):
        return Verdict(before, after, best.step, independent=True)
    return Verdict(before, before, 0, independent=True, refused=True)


def _clock(options: FinetuneOptions, config: TrainConfig) -> Clock:
    """Steps as wanted or else, beside a wanted time, none; the recipe's within its time."""
    if options.minutes:
        return Clock(options.steps, 60 * options.minutes)
    return Clock(config.optimiser.steps, None if options.steps else 60 * MINUTES)


def _state(network: SegmentationNetwork, config: TrainConfig) -> TrainingState:
    keep_statistics(network)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    groups = parameter_groups(network, config.optimiser, config.optimiser.encoder_factor)
    schedule = Schedule(config.optimiser.warmup_steps, None, 1)
    return TrainingState(network, average, torch.optim.AdamW(groups, lr=0.0), schedule)


def _weights(network: SegmentationNetwork) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _crops(labelled: LabelledSet, count: int) -> list[Crop]:
    per_slice = math.ceil(count / len(labelled.slices))
    return evaluation_crops(labelled, count, per_slice, min_diameter=0.0)


def _improves(scores: ValidationScores, start: ValidationScores) -> bool:
    """Say whether something is better than at the start, and neither number of clicks is larger."""
    no_worse = scores.noc85 <= start.noc85 and scores.noc90 <= start.noc90
    return no_worse and _rank(scores) < _rank(start)


def _rank(scores: ValidationScores) -> tuple[float, float]:
    """Rank scores, the smaller the better.

    Over few objects the sum of both numbers of clicks varies less by chance than either, and less
    than a percent of the first click's overlap is chance.
    """
    return scores.noc85 + scores.noc90, -round(scores.iou1)
