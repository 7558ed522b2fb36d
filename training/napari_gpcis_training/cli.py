"""All commands as one program: `python -m napari_gpcis_training`."""

from __future__ import annotations

import typer

from napari_gpcis_training.commands.benchmark import benchmark
from napari_gpcis_training.commands.check import check
from napari_gpcis_training.commands.finetune import finetune
from napari_gpcis_training.commands.train import train, validate

app = typer.Typer(no_args_is_help=True, add_completion=False)
for command in (check, train, finetune, validate, benchmark):
    app.command()(command)
