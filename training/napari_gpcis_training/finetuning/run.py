"""Fine-tuning on a lab's own labels: a short run that never ends worse than it began."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from napari_gpcis.engine.runner import find_device
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
from napari_gpcis_training.schedule import Schedule
from napari_gpcis_training.state import TrainingState, parameter_groups
from napari_gpcis_training.trainer import training_step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.augment import Crop
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.data.sets import LabelledSet
    from napari_gpcis_training.evaluate import Scores
    from napari_gpcis_training.finetuning.options import Request

    Tell = Callable[[dict[str, Any]], None]

_OBJECTS_CHOSEN_BY, _OBJECTS_TESTED = 40, 60
_VALIDATIONS = 8
_CARD_BYTES = 200_000


@dataclass(slots=True)
class _Best:
    """The best weights so far, by the clicks that the selection part needs."""

    first: Scores
    weights: dict[str, Tensor]
    scores: Scores
    step: int = 0

    def offer(self, network: SegmentationNetwork, scores: Scores, step: int) -> None:
        if _improves(scores, self.first) and _rank(scores) < _rank(self.scores):
            self.scores, self.weights, self.step = scores, _weights(network), step


def finetune(request: Request, tell: Tell) -> bool:
    """Fine-tune a model; write the best state, or the first where none does better on the test.

    Parameters
    ----------
    request : Request
        Data, output, and how long.
    tell : callable
        Takes an event, a dict that JSON can hold: "start", "validation", "progress" and "done",
        under the key "event".

    Returns
    -------
    bool
        Whether the written model is better than the one it began with.

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
    card = model_card(request.model)
    with reserved(request.output, card.path.stat().st_size * 2 + _CARD_BYTES) as put:
        device = find_device(request.device)
        network = load_model(request.model, device).to(memory_format=torch.channels_last)
        data = load_own_data(request.images, request.labels, request.seed, request.axes)
        parts = divide(data, request.seed)
        config = recipe(card, parts.training, request.steps, request.seed)
        tell(start_event(request, data, parts, config, _clock(request, config), device))
        chosen_by = _crops(parts.selection, _OBJECTS_CHOSEN_BY)
        test = _crops(parts.test, _OBJECTS_TESTED) if parts.independent else None
        first = evaluate(network, chosen_by)
        tell(validation_event(0, first))
        before = evaluate(network, test) if test else None
        state = _state(network, config)
        best = _Best(first, _weights(network), first)
        start = best.weights
        clock = _clock(request, config)
        stopped = _train(state, config, parts.training, chosen_by, clock, best, tell)
        state.average.load_state_dict(best.weights)
        verdict = _judge(state.average, test, before, best)
        if verdict.improved:
            suggested = round(data.diameter, 1)
            state.average.config = replace(state.average.config, image_diameter=suggested)
        else:
            state.average.load_state_dict(start)
        minutes = round(clock.elapsed / 60, 2)
        training = card_training(request, card, data, parts, config, verdict, minutes)
        put(
            lambda path: save_checkpoint(
                path,
                state.average,
                training=training,
                scores=card_scores(verdict),
                licence=card.licence,
            )
        )
    tell(done_event(str(request.output), verdict, stopped))
    return verdict.improved


def _train(
    state: TrainingState,
    config: TrainConfig,
    training: LabelledSet,
    chosen_by: Sequence[Crop],
    clock: Clock,
    best: _Best,
    tell: Tell,
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
            tell(progress_event(state.step, report.loss, done, clock))
            if int(_VALIDATIONS * done) > validated:
                validated = int(_VALIDATIONS * done)
                scores = evaluate(state.average, chosen_by)
                best.offer(state.average, scores, state.step)
                tell(validation_event(state.step, scores))
    except KeyboardInterrupt:
        return True
    return False


def _judge(
    network: SegmentationNetwork,
    test: Sequence[Crop] | None,
    before: Scores | None,
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


def _clock(request: Request, config: TrainConfig) -> Clock:
    """Steps as wanted or else, beside a wanted time, none; the recipe's within its time."""
    if request.minutes:
        return Clock(request.steps, 60 * request.minutes)
    return Clock(config.optimiser.steps, None if request.steps else 60 * MINUTES)


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


def _improves(scores: Scores, start: Scores) -> bool:
    """Whether neither number of clicks is larger than at the start, and something is better."""
    no_worse = scores.noc85 <= start.noc85 and scores.noc90 <= start.noc90
    return no_worse and _rank(scores) < _rank(start)


def _rank(scores: Scores) -> tuple[float, float]:
    """What counts, the smaller the better: of few objects the sum varies less by chance than one.

    Of the first click's overlap, less than a percent is chance.
    """
    return scores.noc85 + scores.noc90, -round(scores.iou1)
