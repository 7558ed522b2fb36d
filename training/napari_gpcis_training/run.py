"""A whole run: settings and data in, checkpoints on the way, a scored model file at the end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.table import Table

from napari_gpcis.model.checkpoint import load_model, model_card, save_checkpoint
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.evaluate import Scores, evaluate, evaluation_crops
from napari_gpcis_training.state import initial_state, load_state
from napari_gpcis_training.trainer import CHECKPOINT, FitOptions, fit

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.state import TrainingState

MODEL = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Run:
    """What `napari-gpcis train` was asked for.

    Attributes
    ----------
    data : Path
        Folder that holds the data sets.
    output : Path
        Folder of checkpoints, log and model.
    config : str
        YAML file, or name of a shipped one.
    overrides : dict
        Settings that differ from the file's; see `load_config`.
    encoder_weights : Path or None
        Pretrained encoder.
    start_from : str or None
        Model whose weights the run starts with: name or path.
    minutes, steps
        Length of the run; with `decay_from`, `steps` is that of the decay.
    resume : bool
        Go on from the output's checkpoint.
    decay_from : Path or None
        Checkpoint from which the learning rate falls.
    device : str
        "auto", or a name that torch knows.
    bfloat16 : bool or None
        Mixed precision; on a CUDA device when None.
    save_minutes, log_steps, objects
        Time between checkpoints, steps between log lines, objects per set of the validation.
    """

    data: Path
    output: Path
    config: str = "default"
    overrides: dict[str, Any] = field(default_factory=dict)
    encoder_weights: Path | None = None
    start_from: str | None = None
    minutes: float | None = None
    steps: int | None = None
    resume: bool = False
    decay_from: Path | None = None
    device: str = "auto"
    bfloat16: bool | None = None
    save_minutes: float = 5.0
    log_steps: int = 50
    objects: int = 333


def train_model(run: Run) -> None:
    """Train, validate on the held-out split, and write the averaged weights as a model.

    Raises
    ------
    ValueError
        If settings, data, checkpoint or device do not do.
    """
    config = load_config(run.config, **run.overrides)
    checkpoint = run.output / CHECKPOINT
    if run.decay_from is not None and run.steps is None:
        raise ValueError("expected --steps with --decay-from, got none; say over how many steps")
    if not run.resume and checkpoint.exists():
        raise ValueError(
            f"expected an output folder without a run, got {checkpoint}; "
            "choose another folder or give --resume"
        )
    device = find_device(run.device)
    sets = [
        load_set(run.data, source, "train", config.min_area)
        for source in config.data
        if source.weight > 0
    ]
    for labelled in sets:
        count = sum(len(item.objects) for item in labelled.slices)
        say(f"{labelled.source.name}: {len(labelled.slices)} slices, {count} objects")
    state = initial_state(config, run.encoder_weights, device, run.start_from)
    minutes = run.minutes
    if run.resume:
        load_state(checkpoint, state)
    elif run.decay_from is not None:
        load_state(run.decay_from, state)
        state.schedule.start_decay(state.step, run.steps or 1)
        minutes = None
    mixed = device.type == "cuda" if run.bfloat16 is None else run.bfloat16
    options = FitOptions(run.output, minutes, run.save_minutes, run.log_steps, mixed, say)
    count = sum(parameter.numel() for parameter in state.network.parameters())
    say(f"{count:,} parameters on {device}, from step {state.step}")
    if fit(state, sets, config, options):
        scores = validate_model(state.average, run.data, config, run.objects)
        _export(run, state, config, scores)


def validate_model(
    network: SegmentationNetwork,
    data: Path,
    config: TrainConfig,
    objects: int,
    names: Collection[str] | None = None,
) -> dict[str, Scores]:
    """Score a network on the validation split of each set (of those named), and print the table."""
    scores = {}
    for source in config.data:
        if names is None or source.name in names:
            held_out = load_set(data, source, "validation", config.min_area)
            scores[source.name] = evaluate(network, evaluation_crops(held_out, objects))
            say(f"{source.name}: {scores[source.name]}")
    Console(width=110).print(_table(scores))
    return scores


def load_network(model: str, config: TrainConfig) -> SegmentationNetwork:
    """Network of a model file, a shipped model, or the average of a training checkpoint (.pt)."""
    if not model.endswith(".pt"):
        return load_model(model)
    state = initial_state(config, None, torch.device("cpu"))
    load_state(model, state)
    return state.average


def say(message: str) -> None:
    """Print a line at once, also into a log file."""
    print(message, flush=True)


def _table(scores: dict[str, Scores]) -> Table:
    table = Table(title="Validation: crops of three object sizes at 192²")
    table.add_column("set")
    names = [item.name for item in fields(Scores)]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for name, score in scores.items():
        values = [getattr(score, key) for key in names]
        cells = [f"{value:.2f}" if isinstance(value, float) else str(value) for value in values]
        table.add_row(name, *cells)
    return table


def _export(run: Run, state: TrainingState, config: TrainConfig, scores: dict[str, Scores]) -> None:
    training = {
        "data": {source.name: source.licence for source in config.data if source.weight > 0},
        "date": date.today().isoformat(),
        "steps": state.step,
        "hours": round(state.seconds / 3600, 2),
        "encoder_weights": run.encoder_weights.name if run.encoder_weights else None,
        "started_from": _parent(run.start_from),
        "recipe": json.loads(config.model_dump_json(exclude={"data", "network", "licence"})),
    }
    rounded = {
        name: {key: round(value, 3) for key, value in asdict(score).items()}
        for name, score in scores.items()
    }
    path = run.output / MODEL
    save_checkpoint(
        path, state.average, training=training, scores=rounded, licence=config.licence, half=True
    )
    say(f"wrote {path}")


def _parent(model: str | None) -> dict[str, Any] | None:
    """Name and training of the model that a run started with."""
    if model is None:
        return None
    card = model_card(model)
    return {"model": card.name, "training": card.training}


def find_device(name: str) -> torch.device:
    """Device by name; "auto" is a CUDA one where there is one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"expected a usable device, got {name!r}; give --device cpu") from error
    return torch.device(name)
