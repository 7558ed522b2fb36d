"""Fine-tuning on a lab's own labels: a short run at a low rate that keeps the best model."""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import torch

from napari_gpcis.io.atomic import check_suffix, whole_or_nothing
from napari_gpcis.model.checkpoint import load_model, model_card, save_checkpoint
from napari_gpcis_training.batches import StepDataset
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.own import load_own_data
from napari_gpcis_training.evaluate import evaluate, evaluation_crops
from napari_gpcis_training.run import find_device
from napari_gpcis_training.schedule import Schedule
from napari_gpcis_training.state import TrainingState, parameter_groups
from napari_gpcis_training.trainer import training_step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from napari_gpcis.model import ModelCard, SegmentationNetwork
    from napari_gpcis_training.augment import Crop
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.data.own import OwnData
    from napari_gpcis_training.evaluate import Scores

    Tell = Callable[[dict[str, Any]], None]

_OBJECTS_VALIDATED = 60
_VALIDATIONS = 8
_FEWEST_STEPS, _MOST_STEPS = 150, 1000
_FEW_OBJECTS, _MANY_OBJECTS = 30, 1000
_LOW_RATE, _HIGH_RATE = 1e-4, 3e-4


@dataclass(frozen=True, slots=True)
class Request:
    """What `napari-gpcis finetune` was asked for.

    Attributes
    ----------
    images, labels : Path
        Folders of files that are paired by name.
    output : Path
        Model file to write.
    model : str
        Name or path of the model to start from.
    minutes, steps
        Length of the training, whichever ends first; from the amount of data when both are None.
    seed : int
        Of the split, crops and clicks.
    device : str
        "auto", or a name that torch knows.
    """

    images: Path
    labels: Path
    output: Path
    model: str = "default"
    minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    device: str = "auto"


@dataclass(slots=True)
class _Clock:
    """How much of a run is done, by steps or by time."""

    steps: int | None
    seconds: float | None
    started: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.started

    def done(self, step: int) -> float:
        by_steps = step / self.steps if self.steps else 0.0
        return max(by_steps, self.elapsed / self.seconds if self.seconds else 0.0)


@dataclass(slots=True)
class _Best:
    """The best weights so far, by the clicks that held-out objects need."""

    scores: Scores
    weights: dict[str, Tensor]
    step: int = 0

    def offer(self, network: SegmentationNetwork, scores: Scores, step: int) -> None:
        if _rank(scores) < _rank(self.scores):
            weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            self.scores, self.weights, self.step = scores, weights, step


def finetune(request: Request, tell: Tell) -> bool:
    """Fine-tune a model and write the best of all validated states, the first one included.

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
    KeyboardInterrupt
        If stopped before the first validation: then nothing is written. Later on, a stop ends the
        training, and the best model so far is written.
    """
    check_suffix(request.output, (".safetensors",))
    with whole_or_nothing(request.output) as part:
        device = find_device(request.device)
        card = model_card(request.model)
        network = load_model(request.model, device).to(memory_format=torch.channels_last)
        data = load_own_data(request.images, request.labels, request.seed)
        config = _recipe(card, data, request)
        steps = config.optimiser.steps if request.steps or not request.minutes else None
        tell(_start_event(request, data, steps, device))
        crops = _crops(data)
        before = evaluate(network, crops)
        tell(_validation_event(0, before))
        state = _state(network, config)
        best = _Best(before, copy.deepcopy(state.average.state_dict()))
        clock = _Clock(steps, 60 * request.minutes if request.minutes else None)
        stopped = False
        try:
            _train(state, config, data, crops, clock, best, tell)
        except KeyboardInterrupt:
            stopped = True
        state.average.load_state_dict(best.weights)
        training = _card(request, card, data, config, best, round(clock.elapsed / 60, 2))
        scores = {"held out, before": _figures(before), "held out": _figures(best.scores)}
        save_checkpoint(part, state.average, training=training, scores=scores, licence=card.licence)
    tell(
        {
            "event": "done",
            "output": str(request.output),
            "before": _figures(before),
            "after": _figures(best.scores),
            "improved": best.step > 0,
            "step": best.step,
            "stopped": stopped,
        }
    )
    return best.step > 0


def _train(
    state: TrainingState,
    config: TrainConfig,
    data: OwnData,
    crops: Sequence[Crop],
    clock: _Clock,
    best: _Best,
    tell: Tell,
) -> None:
    """Train until the clock has run down, validating as it goes."""
    batches = StepDataset([data.training], config)
    mixed = state.network.mean.device.type == "cuda"
    done, validated = 0.0, 0
    while done < 1:
        left = 1 - done
        if done and state.schedule.decay_start is None and left <= config.optimiser.decay_fraction:
            state.schedule.start_decay(state.step, math.ceil(state.step * left / done))
        report = training_step(state, batches[state.step], config, mixed)
        done = clock.done(state.step)
        tell(_progress_event(state.step, report.loss, done, clock))
        if int(_VALIDATIONS * done) > validated:
            validated = int(_VALIDATIONS * done)
            scores = evaluate(state.average, crops)
            best.offer(state.average, scores, state.step)
            tell(_validation_event(state.step, scores))


def _recipe(card: ModelCard, data: OwnData, request: Request) -> TrainConfig:
    """Make the shipped recipe a short and gentle one: the more objects, the longer and bolder."""
    objects = data.objects
    steps = min(_MOST_STEPS, max(_FEWEST_STEPS, round(15 * math.sqrt(objects))))
    part = math.log(max(objects, 1) / _FEW_OBJECTS) / math.log(_MANY_OBJECTS / _FEW_OBJECTS)
    rate = _LOW_RATE * (_HIGH_RATE / _LOW_RATE) ** min(1.0, max(0.0, part))
    return load_config(
        "default",
        network=asdict(card.config),
        data=[data.training.source.model_dump()],
        licence=card.licence,
        augment__wide_count=2,
        augment__invert_probability=0.05,
        augment__channel_probability=0.1,
        optimiser__batch_size=6,
        optimiser__learning_rate=rate,
        optimiser__warmup_steps=10,
        optimiser__decay_fraction=0.5,
        optimiser__freeze_batch_norm=True,
        optimiser__steps=request.steps or steps,
        seed=request.seed,
        workers=0,
    )


def _state(network: SegmentationNetwork, config: TrainConfig) -> TrainingState:
    average = copy.deepcopy(network).eval().requires_grad_(False)
    groups = parameter_groups(network, config.optimiser, config.optimiser.encoder_factor)
    schedule = Schedule(config.optimiser.warmup_steps, None, 1)
    return TrainingState(network, average, torch.optim.AdamW(groups, lr=0.0), schedule)


def _crops(data: OwnData) -> list[Crop]:
    per_slice = math.ceil(_OBJECTS_VALIDATED / len(data.held_out.slices))
    return evaluation_crops(data.held_out, _OBJECTS_VALIDATED, per_slice, min_diameter=0.0)


def _rank(scores: Scores) -> tuple[float, float, float]:
    """What counts, in this order; the smaller the better. Less than a percent is chance."""
    return scores.noc85, scores.noc90, -round(scores.iou1)


def _figures(scores: Scores) -> dict[str, float]:
    return {key: round(value, 3) for key, value in asdict(scores).items()}


def _start_event(
    request: Request, data: OwnData, steps: int | None, device: torch.device
) -> dict[str, Any]:
    return {
        "event": "start",
        "data": data.name,
        "images": data.slices,
        "held_out": len(data.held_out.slices),
        "objects": data.objects,
        "object_diameter": round(data.diameter, 1),
        "steps": steps,
        "minutes": request.minutes,
        "model": request.model,
        "device": str(device),
    }


def _progress_event(step: int, loss: float, done: float, clock: _Clock) -> dict[str, Any]:
    return {
        "event": "progress",
        "step": step,
        "steps": max(step, round(step / done)),
        "loss": round(loss, 5),
        "seconds": round(clock.elapsed, 1),
        "left": round(max(0.0, clock.elapsed * (1 - done) / done), 1),
    }


def _validation_event(step: int, scores: Scores) -> dict[str, Any]:
    figures = _figures(scores)
    chosen = {key: figures[key] for key in ("noc85", "noc90", "iou1", "objects")}
    return {"event": "validation", "step": step, **chosen}


def _card(
    request: Request,
    parent: ModelCard,
    data: OwnData,
    config: TrainConfig,
    best: _Best,
    minutes: float,
) -> dict[str, Any]:
    return {
        "data": {data.name: data.training.source.licence},
        "images": data.slices,
        "held_out_images": len(data.held_out.slices),
        "objects": data.objects,
        "object_diameter": round(data.diameter, 1),
        "date": date.today().isoformat(),
        "steps": best.step,
        "minutes": minutes,
        "chosen_by": "fewest clicks on held_out_images, which its scores refer to",
        "recipe": json.loads(config.model_dump_json(exclude={"data", "network", "licence"})),
        "parent": {"model": parent.name, "training": parent.training},
    }
