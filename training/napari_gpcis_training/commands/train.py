"""`napari-gpcis train`, and the short validation that it ends with as a command of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_gpcis_training.commands.shared import report_errors, takes, use_threads
from napari_gpcis_training.options import TrainOptions


@takes(TrainOptions)
def train(options: TrainOptions) -> None:
    """Train a model; write checkpoints, a log, and at the end the averaged weights as a model."""
    with report_errors():
        use_threads(options.threads)
        from napari_gpcis_training.run import train_model

        train_model(options)


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
    with report_errors():
        use_threads(threads)
        from napari_gpcis_training.config import load_config
        from napari_gpcis_training.run import load_network, validate_model

        settings = load_config(config, network__head=head)
        network = load_network(model, settings)
        names = only.split(",") if only else None
        validate_model(network, data, settings, objects, names)
