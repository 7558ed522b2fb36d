"""`napari-gpcis train`, and the short validation that it ends with as a command of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from napari_gpcis_training.commands.shared import report_errors, use_threads

if TYPE_CHECKING:
    from napari_gpcis_training.team import Precision


def train(
    data: Annotated[Path, typer.Option(help="Folder that holds the data sets.")],
    output: Annotated[Path, typer.Option(help="Folder of checkpoints, log and model.")],
    config: Annotated[str, typer.Option(help="YAML file, or name of a shipped one.")] = "default",
    encoder_weights: Annotated[
        Path | None, typer.Option(help="Pretrained encoder, safetensors.")
    ] = None,
    start_from: Annotated[
        str | None, typer.Option(metavar="NAME_OR_PATH", help="Model whose weights to start with.")
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
    precision: Annotated[
        str | None, typer.Option(help="no, bf16 or fp16; bf16 on a CUDA device by default.")
    ] = None,
    processes: Annotated[
        int, typer.Option(help="Processes that share each step's crops: one for each GPU.")
    ] = 1,
    save_minutes: Annotated[float, typer.Option(help="Time between checkpoints.")] = 5.0,
    log_steps: Annotated[int, typer.Option(help="Steps between lines of the log.")] = 50,
    validate_every: Annotated[
        int, typer.Option(help="Steps between validations on the way; 0 for none.")
    ] = 0,
    validate_objects: Annotated[int, typer.Option(help="Objects per set of these.")] = 12,
    objects: Annotated[int, typer.Option(help="Objects per set in the last validation.")] = 333,
) -> None:
    """Train a model; write checkpoints, a log, and at the end the averaged weights as a model."""

    def command() -> None:
        use_threads(threads)
        from napari_gpcis_training.run import Run, train_model

        overrides = {
            "network__head": head,
            "optimiser__batch_size": batch_size,
            "optimiser__steps": None if decay_from else steps,
            "seed": seed,
            "workers": workers,
        }
        train_model(
            Run(
                data=data,
                output=output,
                config=config,
                overrides=overrides,
                encoder_weights=encoder_weights,
                start_from=start_from,
                minutes=minutes,
                steps=steps,
                resume=resume,
                decay_from=decay_from,
                device=device,
                precision=_precision(precision),
                processes=processes,
                threads=threads,
                save_minutes=save_minutes,
                log_steps=log_steps,
                objects=objects,
                validate_steps=validate_every,
                validate_objects=validate_objects,
            )
        )

    report_errors(command)


def _precision(name: str | None) -> Precision | None:
    if name in (None, "no", "bf16", "fp16"):
        return cast("Precision | None", name)
    raise ValueError(f"expected --precision as no, bf16 or fp16, got {name!r}; choose one")


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
        use_threads(threads)
        from napari_gpcis_training.config import load_config
        from napari_gpcis_training.run import load_network, validate_model

        settings = load_config(config, network__head=head)
        network = load_network(model, settings)
        names = only.split(",") if only else None
        validate_model(network, data, settings, objects, names)

    report_errors(command)
