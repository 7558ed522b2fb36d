"""Commands that other packages contribute: `train`, `finetune`, `benchmark`."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

__all__ = ["add_to"]

GROUP = "napari_gpcis.commands"
_HELP = {
    "check": "Check a folder of labelled images.",
    "train": "Train a model.",
    "finetune": "Adapt a model to your own labelled images.",
    "benchmark": "Measure models on a data set.",
}


def add_to(app: typer.Typer) -> None:
    """Add the entry points of the group `napari_gpcis.commands`, loaded when called.

    An entry point is a `typer.Typer` or a function that typer can turn into a command; it answers
    `--help` itself.
    """
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        app.command(
            entry.name,
            help=_HELP.get(entry.name, f"From {entry.value.partition(':')[0]}."),
            add_help_option=False,
            context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
        )(_forward_to(entry))


def _forward_to(entry: EntryPoint) -> Callable[[typer.Context], None]:
    def run(context: typer.Context) -> None:
        try:
            loaded = entry.load()
        except ModuleNotFoundError as error:
            typer.echo(
                f"napari-gpcis: {entry.name} needs {error.name}; "
                "run `pip install 'napari-gpcis[train]'`",
                err=True,
            )
            raise typer.Exit(2) from error
        if not isinstance(loaded, typer.Typer):
            plugin = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            plugin.command(entry.name)(loaded)
            loaded = plugin
        command = typer.main.get_command(loaded)
        code = command.main(context.args, context.command_path, standalone_mode=False)
        if isinstance(code, int):
            raise typer.Exit(code)

    return run
