"""Commands: `train` and `validate`; each prints plain lines that a log file can hold."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.evaluate import Scores
    from napari_gpcis_training.state import TrainingState

app = typer.Typer(no_args_is_help=True, add_completion=False)

MODEL = "model.safetensors"


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder that holds the data sets.")],
    output: Annotated[Path, typer.Option(help="Folder of checkpoints, log and model.")],
    config: Annotated[str, typer.Option(help="YAML file, or name of a shipped one.")] = "default",
    encoder_weights: Annotated[
        Path | None, typer.Option(help="Pretrained encoder, safetensors.")
    ] = None,
    head: Annotated[str | None, typer.Option(help="gp or conv; else the configuration's.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Length of the whole run; else the configured steps.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Length of the run, or of the decay.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Crops in a step.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the output's checkpoint.")] = False,
    decay_from: Annotated[
        Path | None,
        typer.Option(help="Checkpoint from which the learning rate falls, over --steps."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads of torch.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that prepare batches.")] = None,
    bfloat16: Annotated[
        bool | None, typer.Option(help="Mixed precision; on a CUDA device by default.")
    ] = None,
    save_minutes: Annotated[float, typer.Option(help="Time between checkpoints.")] = 5.0,
    log_steps: Annotated[int, typer.Option(help="Steps between lines of the log.")] = 50,
    objects: Annotated[int, typer.Option(help="Objects per set in the last validation.")] = 333,
) -> None:
    """Train a model; write checkpoints, a log, and at the end the averaged weights as a model."""
    _or_exit(
        lambda: _train(
            data,
            output,
            config,
            encoder_weights,
            minutes,
            steps,
            resume,
            decay_from,
            device,
            threads,
            bfloat16,
            save_minutes,
            log_steps,
            objects,
            {
                "network__head": head,
                "optimiser__batch_size": batch_size,
                "optimiser__steps": None if decay_from else steps,
                "seed": seed,
                "workers": workers,
            },
        )
    )


@app.command()
def validate(
    data: Annotated[Path, typer.Option(help="Folder that holds the data sets.")],
    model: Annotated[str, typer.Option(help="Model file, shipped name, or checkpoint (.pt).")],
    config: Annotated[str, typer.Option(help="Names the data sets.")] = "default",
    head: Annotated[str | None, typer.Option(help="Head of a checkpoint (.pt).")] = None,
    only: Annotated[str | None, typer.Option(help="Names of sets, with commas.")] = None,
    objects: Annotated[int, typer.Option(help="Objects per set.")] = 333,
    threads: Annotated[int | None, typer.Option(help="Threads of torch.")] = None,
) -> None:
    """Score a model on the validation split: crops around held-out objects."""

    def command() -> None:
        _use_threads(threads)
        from napari_gpcis_training.config import load_config

        settings = load_config(config, network__head=head)
        network = _load_network(model, settings)
        names = set(only.split(",")) if only else None
        _validate(network, data, settings, objects, names)

    _or_exit(command)


def _train(
    data: Path,
    output: Path,
    config_name: str,
    encoder_weights: Path | None,
    minutes: float | None,
    steps: int | None,
    resume: bool,
    decay_from: Path | None,
    device_name: str,
    threads: int | None,
    bfloat16: bool | None,
    save_minutes: float,
    log_steps: int,
    objects: int,
    overrides: dict[str, Any],
) -> None:
    _use_threads(threads)
    from napari_gpcis_training.config import load_config
    from napari_gpcis_training.datasets import load_set
    from napari_gpcis_training.state import initial_state, load_state
    from napari_gpcis_training.trainer import CHECKPOINT, FitOptions, fit

    config = load_config(config_name, **overrides)
    checkpoint = output / CHECKPOINT
    if decay_from is not None and steps is None:
        raise ValueError("expected --steps with --decay-from, got none; say over how many steps")
    if not resume and checkpoint.exists():
        raise ValueError(
            f"expected an output folder without a run, got {checkpoint}; "
            "choose another folder or give --resume"
        )
    device = _device(device_name)
    sets = [
        load_set(data, source, "train", config.min_area)
        for source in config.data
        if source.weight > 0
    ]
    for labelled in sets:
        count = sum(len(item.objects) for item in labelled.slices)
        _say(f"{labelled.source.name}: {len(labelled.slices)} slices, {count} objects")
    state = initial_state(config, encoder_weights, device)
    if resume:
        load_state(checkpoint, state)
    elif decay_from is not None:
        load_state(decay_from, state)
        state.schedule.start_decay(state.step, steps or 1)
        minutes = None
    mixed = device.type == "cuda" if bfloat16 is None else bfloat16
    options = FitOptions(output, minutes, save_minutes, log_steps, mixed, _say)
    _say(f"{_count(state.network)} parameters on {device}, from step {state.step}")
    if fit(state, sets, config, options):
        scores = _validate(state.average, data, config, objects, None)
        _export(output / MODEL, state, config, scores, encoder_weights)


def _validate(
    network: SegmentationNetwork,
    data: Path,
    config: TrainConfig,
    objects: int,
    names: set[str] | None,
) -> dict[str, Scores]:
    from napari_gpcis_training.datasets import load_set
    from napari_gpcis_training.evaluate import evaluate, evaluation_crops

    scores = {}
    for source in config.data:
        if names is None or source.name in names:
            held_out = load_set(data, source, "validation", config.min_area)
            scores[source.name] = evaluate(network, evaluation_crops(held_out, objects))
            _say(f"{source.name}: {scores[source.name]}")
    Console(width=110).print(_table(scores))
    return scores


def _table(scores: dict[str, Scores]) -> Table:
    from napari_gpcis_training.evaluate import Scores

    table = Table(title="Validation: crops of three object sizes at 192²")
    table.add_column("set")
    names = [field.name for field in fields(Scores)]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for name, score in scores.items():
        values = [getattr(score, field) for field in names]
        cells = [f"{value:.2f}" if isinstance(value, float) else str(value) for value in values]
        table.add_row(name, *cells)
    return table


def _export(
    path: Path,
    state: TrainingState,
    config: TrainConfig,
    scores: dict[str, Scores],
    encoder_weights: Path | None,
) -> None:
    from napari_gpcis.model.checkpoint import save_checkpoint

    training = {
        "data": {source.name: source.licence for source in config.data if source.weight > 0},
        "date": date.today().isoformat(),
        "steps": state.step,
        "hours": round(state.seconds / 3600, 2),
        "encoder_weights": encoder_weights.name if encoder_weights else None,
        "recipe": json.loads(config.model_dump_json(exclude={"data", "network", "licence"})),
    }
    rounded = {
        name: {key: round(value, 3) for key, value in asdict(score).items()}
        for name, score in scores.items()
    }
    save_checkpoint(
        path, state.average, training=training, scores=rounded, licence=config.licence, half=True
    )
    _say(f"wrote {path}")


def _load_network(model: str, config: TrainConfig) -> SegmentationNetwork:
    import torch

    from napari_gpcis.model.checkpoint import load_model
    from napari_gpcis_training.state import initial_state, load_state

    if not model.endswith(".pt"):
        return load_model(model)
    state = initial_state(config, None, torch.device("cpu"))
    load_state(model, state)
    return state.average


def _use_threads(threads: int | None) -> None:
    # spinning threads stall a step tenfold when anything else runs; read when torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def _device(name: str) -> Any:
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"expected a usable device, got {name!r}; give --device cpu") from error
    return torch.device(name)


def _count(network: SegmentationNetwork) -> str:
    return f"{sum(parameter.numel() for parameter in network.parameters()):,}"


def _say(message: str) -> None:
    print(message, flush=True)


def _or_exit(command: Callable[[], None]) -> None:
    """Run a command; a `ValueError` becomes one line and exit code 2."""
    try:
        command()
    except ValueError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
