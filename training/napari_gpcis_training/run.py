"""A whole run: settings and data in, checkpoints on the way, a scored model file at the end."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import torch
import yaml
from rich.console import Console
from rich.table import Table

from napari_gpcis.engine.device import find_device
from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis.model import NetworkConfig, build_network
from napari_gpcis.model.checkpoint import load_model, model_card, save_checkpoint
from napari_gpcis_training.calibration.temperature import fit_temperature
from napari_gpcis_training.checkpoints import (
    CHECKPOINT,
    has_checkpoint,
    load_average,
    load_state,
    resume_state,
)
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set, load_sets
from napari_gpcis_training.data.splits import write_split
from napari_gpcis_training.evaluate import Monitor, ValidationScores, evaluate, evaluation_crops
from napari_gpcis_training.processes import (
    AcceleratedProcesses,
    Precision,
    launch,
    launched,
    start_accelerator,
)
from napari_gpcis_training.progress import NoProgress, progress_on
from napari_gpcis_training.state import initial_state
from napari_gpcis_training.trainer import fit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.augment import Crop
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.data.sets import LabelledSet
    from napari_gpcis_training.options import TrainOptions
    from napari_gpcis_training.progress import Progress
    from napari_gpcis_training.state import TrainingState

MODEL = "model.safetensors"
CONFIG = "config.yaml"
SPLIT = "split.json"
_CALIBRATION_OBJECTS = 100


def train_model(options: TrainOptions) -> None:
    """Train, validate on the held-out split, and write the averaged weights as a model.

    Raises
    ------
    ValueError
        If settings, data, checkpoint or device are unsuitable.
    """
    config = load_config(options.config, **options.settings)
    _check(options)
    if options.processes > 1 and not launched():
        find_device(options.device)
        launch(train_model, options, options.processes)
        return
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    precision = options.precision or (
        "bf16" if find_device(options.device).type == "cuda" else "no"
    )
    accelerator = start_accelerator(options.device, cast("Precision", precision))
    is_main = accelerator.is_main_process
    progress = progress_on(Console()) if is_main else NoProgress()
    sets = _training_sets(options, config, progress)
    state = initial_state(config, options.encoder_weights, accelerator.device, options.start_from)
    scaler = None
    if options.resume:
        scaler = resume_state(options.output, state, progress.say)
    elif options.decay_from is not None:
        scaler = load_state(options.decay_from, state)
        state.schedule.start_decay(state.step, options.steps or 1)
        options = replace(options, minutes=None)
    if scaler is not None and accelerator.scaler is not None:
        accelerator.scaler.load_state_dict(scaler)
    processes = AcceleratedProcesses(accelerator, state)
    if is_main:
        _describe(options, config, sets)
    count = sum(parameter.numel() for parameter in state.network.parameters())
    where = str(accelerator.device)
    if processes.share.size > 1:
        where += f" × {processes.share.size}"
    progress.say(f"{count:,} parameters on {where}, from step {state.step}")
    monitor = None
    if options.validate_every:
        monitor = Monitor.of(options.data, config, options.validate_objects)
    ended = fit(state, sets, config, options, processes, monitor, progress)
    accelerator.end_training()
    if ended and is_main:
        scores = validate_model(state.average, options.data, config, options.objects)
        _set_temperature(options, state.average, config)
        _export(options, state, config, scores)


def validate_model(
    network: SegmentationNetwork,
    data: Path,
    config: TrainConfig,
    objects: int,
    names: Collection[str] | None = None,
) -> dict[str, ValidationScores]:
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


def _set_temperature(
    options: TrainOptions, network: SegmentationNetwork, config: TrainConfig
) -> None:
    """Calibrate what the network says as probabilities on held-out objects."""
    objects = min(options.objects, _CALIBRATION_OBJECTS)
    crops = [crop for _, some in _held_out(options.data, config, objects) for crop in some]
    network.config = replace(network.config, temperature=fit_temperature(network, crops))
    say(f"temperature {network.config.temperature:.3f}, fitted on {len(crops)} held-out objects")


def load_network(model: str, config: TrainConfig) -> SegmentationNetwork:
    """Network of a model file, a shipped model, or the average of a training checkpoint (.pt)."""
    if not model.endswith(".pt"):
        return load_model(model)
    network = build_network(NetworkConfig(**config.network))
    load_average(model, network)
    return network


def say(message: str) -> None:
    """Print a line at once, also into a log file."""
    print(message, flush=True)


def _check(options: TrainOptions) -> None:
    """Find what would end a run badly before anything is loaded."""
    if options.decay_from is not None and options.steps is None:
        raise ValueError("expected --steps with --decay-from, got none; say over how many steps")
    if not options.resume and has_checkpoint(options.output):
        raise ValueError(
            f"expected an output folder without a run, got {options.output / CHECKPOINT}; "
            "choose another folder or give --resume"
        )
    if options.precision not in (None, *get_args(Precision)):
        raise ValueError(
            f"expected --precision as no, bf16 or fp16, got {options.precision!r}; choose one"
        )
    if options.processes < 1:
        raise ValueError(f"expected --processes of 1 or more, got {options.processes}; raise it")


def _training_sets(
    options: TrainOptions, config: TrainConfig, progress: Progress
) -> list[LabelledSet]:
    sources = [source for source in config.data if source.weight > 0]
    sets = load_sets(options.data, sources, "train", config.min_area)
    for labelled in sets:
        count = sum(len(item.objects) for item in labelled.slices)
        progress.say(f"{labelled.source.name}: {len(labelled.slices)} slices, {count} objects")
    return sets


def _describe(options: TrainOptions, config: TrainConfig, sets: list[LabelledSet]) -> None:
    """Write all settings, and what is held out, beside the checkpoints."""
    with os_errors_as_output_errors(options.output / CONFIG):
        options.output.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    with atomic_write(options.output / CONFIG) as part:
        part.write_text(text, encoding="utf-8")
    splits = {labelled.source.name: labelled.split for labelled in sets}
    write_split(options.output / SPLIT, {name: split for name, split in splits.items() if split})


def _table(scores: dict[str, ValidationScores]) -> Table:
    table = Table(title="Validation: crops of three object sizes at 192²")
    table.add_column("set")
    names = [item.name for item in fields(ValidationScores)]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for name, score in scores.items():
        values = [getattr(score, key) for key in names]
        cells = [f"{value:.2f}" if isinstance(value, float) else str(value) for value in values]
        table.add_row(name, *cells)
    return table


def _export(
    options: TrainOptions,
    state: TrainingState,
    config: TrainConfig,
    scores: dict[str, ValidationScores],
) -> None:
    training = {
        "data": {source.name: source.licence for source in config.data if source.weight > 0},
        "date": date.today().isoformat(),
        "steps": state.step,
        "hours": round(state.seconds / 3600, 2),
        "encoder_weights": options.encoder_weights.name if options.encoder_weights else None,
        "started_from": _parent(options.start_from),
        "recipe": json.loads(config.model_dump_json(exclude={"data", "network", "licence"})),
    }
    rounded = {
        name: {key: round(value, 3) for key, value in asdict(score).items()}
        for name, score in scores.items()
    }
    path = options.output / MODEL
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
