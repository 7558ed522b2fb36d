"""All commands as one program: `python -m napari_gpcis_training`."""

from __future__ import annotations

import typer

from napari_gpcis_training.commands.finetune import finetune
from napari_gpcis_training.commands.train import train, validate

app = typer.Typer(no_args_is_help=True, add_completion=False)
for command in (train, finetune, validate):
    app.command()(command)
