"""Commands: `train`, `finetune` and `validate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable


app = typer.Typer(no_args_is_help=True, add_completion=False)


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

    def command() -> None:
        _use_threads(threads)
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
                minutes=minutes,
                steps=steps,
                resume=resume,
                decay_from=decay_from,
                device=device,
                bfloat16=bfloat16,
                save_minutes=save_minutes,
                log_steps=log_steps,
                objects=objects,
            )
        )

    _or_exit(command)


@app.command()
def finetune(
    images: Annotated[Path, typer.Option(metavar="DIR", help="Folder of images or stacks.")],
    labels: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Folder of their labels or masks, named alike (also NAME_labels …)."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL.safetensors", help="Model to write.")
    ],
    model: Annotated[
        str, typer.Option(metavar="NAME_OR_PATH", help="Model to start from.")
    ] = "default",
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Length; chosen by the number of objects.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Length, in steps.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of split, crops and clicks.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print events as JSON, one a line.")
    ] = False,
) -> None:
    """Adapt a model to your own labelled images, three or more.

    A fifth of them is held out. The model that needs the fewest clicks on these is written; the
    one it began with, if none is better. Ctrl-C ends the training early.
    """
    from napari_gpcis_training.finetune_report import reporting

    with reporting(as_json) as tell:
        _use_threads(None)
        from napari_gpcis_training.finetune import Request
        from napari_gpcis_training.finetune import finetune as carry_out

        request = Request(images, labels, output, model, minutes, steps, seed, device)
        carry_out(request, tell)


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
        from napari_gpcis_training.run import load_network, validate_model

        settings = load_config(config, network__head=head)
        network = load_network(model, settings)
        names = only.split(",") if only else None
        validate_model(network, data, settings, objects, names)

    _or_exit(command)


def _use_threads(threads: int | None) -> None:
    # spinning threads stall a step tenfold when anything else runs; read when torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def _or_exit(command: Callable[[], None]) -> None:
    """Run a command; a `ValueError` becomes one line and exit code 2."""
    try:
        command()
    except ValueError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
