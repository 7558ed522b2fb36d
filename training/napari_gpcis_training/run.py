"""A whole run: settings and data in, checkpoints on the way, a scored model file at the end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from rich.console import Console
from rich.table import Table

from napari_gpcis.engine.runner import find_device
from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis.model.checkpoint import load_model, model_card, save_checkpoint
from napari_gpcis_training.calibration.temperature import fit_temperature
from napari_gpcis_training.checkpoints import (
    CHECKPOINT,
    has_checkpoint,
    load_state,
    resume_state,
)
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set, load_sets
from napari_gpcis_training.data.splits import write_split
from napari_gpcis_training.evaluate import Scores, evaluate, evaluation_crops
from napari_gpcis_training.launch import launch, launched
from napari_gpcis_training.monitor import Monitor
from napari_gpcis_training.progress import Silence, progress_on
from napari_gpcis_training.state import initial_state
from napari_gpcis_training.team import Accelerated, start_accelerator
from napari_gpcis_training.trainer import FitOptions, fit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.augment import Crop
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.data.sets import LabelledSet
    from napari_gpcis_training.progress import Progress
    from napari_gpcis_training.state import TrainingState
    from napari_gpcis_training.team import Precision

MODEL = "model.safetensors"
CONFIG = "config.yaml"
SPLIT = "split.json"
_CALIBRATION_OBJECTS = 100


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
    precision : {"no", "bf16", "fp16"} or None
        Mixed precision; bf16 on a CUDA device and none elsewhere when None.
    processes : int
        How many to start, which share each step's crops; those of `accelerate launch` and
        `torchrun` are taken as they come.
    threads : int or None
        Threads of torch in each process.
    save_minutes, log_steps, objects
        Time between checkpoints, steps between log lines, objects per set of the validation.
    validate_steps, validate_objects
        Steps between validations on the way (0 for none), and objects per set of these.
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
    precision: Precision | None = None
    processes: int = 1
    threads: int | None = None
    save_minutes: float = 5.0
    log_steps: int = 50
    objects: int = 333
    validate_steps: int = 0
    validate_objects: int = 12


def train_model(run: Run) -> None:
    """Train, validate on the held-out split, and write the averaged weights as a model.

    Raises
    ------
    ValueError
        If settings, data, checkpoint or device do not do.
    """
    config = load_config(run.config, **run.overrides)
    _check(run)
    if run.processes > 1 and not launched():
        find_device(run.device)
        launch(train_model, run, run.processes)
        return
    if run.threads is not None:
        torch.set_num_threads(run.threads)
    precision = run.precision or ("bf16" if find_device(run.device).type == "cuda" else "no")
    accelerator = start_accelerator(run.device, precision)
    is_main = accelerator.is_main_process
    progress = progress_on(Console()) if is_main else Silence()
    sets = _training_sets(run, config, progress)
    state = initial_state(config, run.encoder_weights, accelerator.device, run.start_from)
    minutes, scaler = run.minutes, None
    if run.resume:
        scaler = resume_state(run.output, state, progress.say)
    elif run.decay_from is not None:
        scaler = load_state(run.decay_from, state)
        state.schedule.start_decay(state.step, run.steps or 1)
        minutes = None
    if scaler is not None and accelerator.scaler is not None:
        accelerator.scaler.load_state_dict(scaler)
    team = Accelerated(accelerator, state)
    if is_main:
        _describe(run, config, sets)
    count = sum(parameter.numel() for parameter in state.network.parameters())
    where = f"{accelerator.device}" + (f" × {team.share.size}" if team.share.size > 1 else "")
    progress.say(f"{count:,} parameters on {where}, from step {state.step}")
    options = FitOptions(
        run.output, minutes, run.save_minutes, run.log_steps, run.validate_steps, progress
    )
    monitor = None
    if run.validate_steps:
        monitor = Monitor.of(run.data, config, run.validate_objects)
    ended = fit(state, sets, config, options, team, monitor)
    accelerator.end_training()
    if ended and is_main:
        scores = validate_model(state.average, run.data, config, run.objects)
        _set_temperature(run, state.average, config)
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
    for name, crops in _held_out(data, config, objects, names):
        scores[name] = evaluate(network, crops)
        say(f"{name}: {scores[name]}")
    Console(width=110).print(_table(scores))
    return scores


def _held_out(
    data: Path, config: TrainConfig, objects: int, names: Collection[str] | None = None
) -> Iterator[tuple[str, list[Crop]]]:
    for source in config.data:
        if names is None or source.name in names:
            held_out = load_set(data, source, "validation", config.min_area)
            yield source.name, evaluation_crops(held_out, objects)


def _set_temperature(run: Run, network: SegmentationNetwork, config: TrainConfig) -> None:
    """Calibrate what the network says as probabilities on held-out objects."""
    objects = min(run.objects, _CALIBRATION_OBJECTS)
    crops = [crop for _, some in _held_out(run.data, config, objects) for crop in some]
    network.config = replace(network.config, temperature=fit_temperature(network, crops))
    say(f"temperature {network.config.temperature:.3f}, fitted on {len(crops)} held-out objects")


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


def _check(run: Run) -> None:
    """Find what would end a run badly before anything is loaded."""
    if run.decay_from is not None and run.steps is None:
        raise ValueError("expected --steps with --decay-from, got none; say over how many steps")
    if not run.resume and has_checkpoint(run.output):
        raise ValueError(
            f"expected an output folder without a run, got {run.output / CHECKPOINT}; "
            "choose another folder or give --resume"
        )
    if run.processes < 1:
        raise ValueError(f"expected --processes of 1 or more, got {run.processes}; raise it")


def _training_sets(run: Run, config: TrainConfig, progress: Progress) -> list[LabelledSet]:
    sources = [source for source in config.data if source.weight > 0]
    sets = load_sets(run.data, sources, "train", config.min_area)
    for labelled in sets:
        count = sum(len(item.objects) for item in labelled.slices)
        progress.say(f"{labelled.source.name}: {len(labelled.slices)} slices, {count} objects")
    return sets


def _describe(run: Run, config: TrainConfig, sets: list[LabelledSet]) -> None:
    """Write all settings, and what is held out, beside the checkpoints."""
    with os_errors_as_output_errors(run.output / CONFIG):
        run.output.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    with atomic_write(run.output / CONFIG) as part:
        part.write_text(text, encoding="utf-8")
    splits = {labelled.source.name: labelled.split for labelled in sets}
    write_split(run.output / SPLIT, {name: split for name, split in splits.items() if split})


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
