"""Events that a fine-tuning reports while it runs, and its entries in the model's card."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from napari_gpcis.model import ModelCard
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.data.own import OwnData
    from napari_gpcis_training.evaluate import ValidationScores
    from napari_gpcis_training.finetuning.parts import Parts
    from napari_gpcis_training.options import FinetuneOptions

    Event = dict[str, Any]

CAVEAT = (
    "the state was chosen on the same objects, of which there were too few to set others aside, "
    "so these figures flatter it"
)


@dataclass(slots=True)
class Clock:
    """Share of a training that is done, by steps or by time, whichever is further."""

    steps: int | None
    seconds: float | None
    started: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    def done(self, step: int) -> float:
        """Return the part that is done after `step` steps; 1 or more at the end."""
        by_steps = step / self.steps if self.steps else 0.0
        return max(by_steps, self.elapsed / self.seconds if self.seconds else 0.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of a fine-tuning.

    Attributes
    ----------
    before, after : ValidationScores
        Scores of the model it began with and of the model that is written.
    step : int
        Step of the state that is written; 0 for the model it began with.
    independent : bool
        True if the scores are of objects that no state was chosen by.
    refused : bool
        True if the chosen state did worse on the test, so that it is not written.
    """

    before: ValidationScores
    after: ValidationScores
    step: int
    independent: bool
    refused: bool = False

    @property
    def improved(self) -> bool:
        """True if the written model is not the one that it began with."""
        return self.step > 0


def start_event(
    options: FinetuneOptions,
    data: OwnData,
    parts: Parts,
    config: TrainConfig,
    clock: Clock,
    device: torch.device,
) -> Event:
    """Say what is trained on, how long, and what is kept for the test."""
    return {
        "event": "start",
        "data": data.name,
        "images": data.slices,
        "training": len(parts.training.slices),
        "selection": len(parts.selection.slices),
        "held_out": len(parts.test.slices),
        "independent": parts.independent,
        "objects": data.objects,
        "object_diameter": round(data.diameter, 1),
        "learning_rate": config.optimiser.learning_rate,
        "steps": clock.steps,
        "minutes": None if clock.seconds is None else clock.seconds / 60,
        "model": options.model,
        "device": str(device),
    }


def progress_event(step: int, loss: float, done: float, clock: Clock) -> Event:
    """Say how far the training is."""
    return {
        "event": "progress",
        "step": step,
        "steps": max(step, round(step / done)),
        "loss": round(loss, 5),
        "seconds": round(clock.elapsed, 1),
        "left": round(max(0.0, clock.elapsed * (1 - done) / done), 1),
    }


def validation_event(step: int, scores: ValidationScores) -> Event:
    """Say how a state does on the selection part."""
    found = figures(scores)
    chosen = {key: found[key] for key in ("noc85", "noc90", "iou1", "objects")}
    return {"event": "validation", "step": step, **chosen}


def done_event(output: str, verdict: Verdict, stopped: bool) -> Event:
    """Say what came out."""
    return {
        "event": "done",
        "output": output,
        "before": figures(verdict.before),
        "after": figures(verdict.after),
        "independent": verdict.independent,
        "refused": verdict.refused,
        "improved": verdict.improved,
        "step": verdict.step,
        "stopped": stopped,
    }


def card_training(
    options: FinetuneOptions,
    parent: ModelCard,
    data: OwnData,
    parts: Parts,
    config: TrainConfig,
    verdict: Verdict,
    minutes: float,
) -> dict[str, Any]:
    """Make the part of the model's card that says how it was trained."""
    return {
        "data": {data.name: data.training.source.licence},
        "images": data.slices,
        "held_out_images": len(parts.test.slices),
        "split": parts.record(options.seed),
        "objects": data.objects,
        "object_diameter": round(data.diameter, 1),
        "date": date.today().isoformat(),
        "steps": verdict.step,
        "minutes": minutes,
        "chosen_by": "fewest clicks (NoC@85 + NoC@90) on split.selection",
        "scores_of": "split.test" if verdict.independent else f"split.selection: {CAVEAT}",
        "recipe": json.loads(config.model_dump_json(exclude={"data", "network", "licence"})),
        "parent": {"model": parent.name, "training": parent.training},
    }


def card_scores(verdict: Verdict) -> dict[str, dict[str, float]]:
    """Make the part of the model's card that says how well it does."""
    return {"held out, before": figures(verdict.before), "held out": figures(verdict.after)}


def figures(scores: ValidationScores) -> dict[str, float]:
    """ValidationScores as JSON holds them."""
    return {key: round(value, 3) for key, value in asdict(scores).items()}
