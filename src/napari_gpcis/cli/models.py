"""`napari-gpcis models`: list, inspect and import models."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from napari_gpcis.model.checkpoint import ModelCard

__all__ = ["app"]

app = typer.Typer(help="List, inspect and import models.", no_args_is_help=True)


@app.command("list")
def show_list() -> None:
    """List the models that come with napari-gpcis, and your own."""
    from rich.console import Console
    from rich.table import Table

    from napari_gpcis.model.checkpoint import ModelFileError, list_models, model_card

    table = Table("name", "fusion", "encoder", "head", "MB", "licence")
    for name in list_models():
        try:
            card = model_card(name)
        except ModelFileError as error:
            typer.echo(f"{name}: {error}", err=True)
            continue
        size = f"{card.path.stat().st_size / 1e6:.1f}"
        config = card.config
        table.add_row(name, config.fusion, config.encoder, config.head, size, card.licence)
    if table.row_count:
        Console().print(table)
    else:
        typer.echo("no models are installed; give --model the path of one")


@app.command("info")
def show_info(
    model: Annotated[str, typer.Argument(help="Name or path of a model.")] = "default",
) -> None:
    """Show a model's card: configuration, training and scores."""
    from napari_gpcis.model.checkpoint import model_card

    typer.echo("\n".join(_card_lines(model_card(model))))


@app.command("import")
def import_checkpoint(
    official: Annotated[
        Path,
        typer.Argument(metavar="OFFICIAL.pth", help="Checkpoint of the reference implementation."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Model to write, a .safetensors file.")
    ],
) -> None:
    """Convert a checkpoint of the GPCIS reference implementation to a model of napari-gpcis."""
    from napari_gpcis.io.files import check_suffix
    from napari_gpcis.model.checkpoint import import_official, save_checkpoint

    check_suffix(output, (".safetensors",))
    network = import_official(official)
    save_checkpoint(
        output,
        network,
        training={"source": f"imported from {official.name} (GPCIS reference implementation)"},
        scores={},
    )
    typer.echo(f"wrote {output}")


def _card_lines(card: ModelCard) -> list[str]:
    size = f"{card.path.stat().st_size / 1e6:.1f} MB"
    lines = [f"{card.name}  ({card.path}, {size})", f"licence: {card.licence or 'not stated'}"]
    for title, values in (
        ("configuration", dataclasses.asdict(card.config)),
        ("training", card.training),
        ("scores", card.scores),
    ):
        lines += ["", f"{title}:", *_indented(values)]
    return lines


def _indented(values: Any, depth: int = 1) -> list[str]:
    """Nested plain values, one per line."""
    margin = "  " * depth
    if not values:
        return [f"{margin}none"]
    if isinstance(values, dict):
        lines = []
        for key, value in values.items():
            if isinstance(value, dict):
                lines += [f"{margin}{key}:", *_indented(value, depth + 1)]
            elif isinstance(value, list):
                lines.append(f"{margin}{key}: {', '.join(map(str, value))}")
            else:
                lines.append(f"{margin}{key}: {value}")
        return lines
    return [f"{margin}{values}"]
