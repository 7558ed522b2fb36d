"""`napari-gpcis segment`: the options, the progress bar and the last line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["segment"]


class Mode(StrEnum):
    """What clicks mean."""

    object = "object"
    class_ = "class"


def segment(
    image: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE", help="TIFF image or stack, or anything that imageio reads."
        ),
    ],
    clicks: Annotated[
        Path,
        typer.Option(
            metavar="CLICKS.csv",
            help="Clicks as napari saves points (axis-0,axis-1[,axis-2]), "
            "with the optional columns object and positive.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="LABELS.tif", help="Label TIFF to write.")
    ],
    mode: Annotated[
        Mode,
        typer.Option(help="object: outline what was clicked. class: give every pixel a class."),
    ] = Mode.object,
    model: Annotated[
        str, typer.Option(metavar="NAME_OR_PATH", help="A shipped model or a .safetensors file.")
    ] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    object_diameter: Annotated[
        float | None,
        typer.Option(metavar="PIXELS", help="Typical object size; found out when not given."),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(metavar="0,2,…", help="Channels to look at, counted from 0; all by default."),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(metavar="OVERLAY.png", help="Also draw outlines and clicks over the image."),
    ] = None,
) -> None:
    """Turn clicks into a label image.

    Slices without clicks stay empty in object mode; in class mode every slice gets its classes
    from all clicks.
    """
    chosen = _channels(channels)
    try:
        from napari_gpcis.io.segment import segment_stack

        with _progress() as progress:
            task = progress.add_task("reading", total=None)
            report = segment_stack(
                image,
                clicks,
                output,
                mode=mode.value,
                model=model,
                device=device,
                object_diameter=object_diameter,
                channels=chosen,
                preview=preview,
                on_progress=lambda stage, done, total: progress.update(
                    task, description=stage, completed=done, total=total
                ),
            )
    except KeyboardInterrupt:
        typer.echo("napari-gpcis: stopped; nothing was written", err=True)
        raise typer.Exit(130) from None
    typer.echo(report.summary())


def _progress() -> Progress:
    """Bars on stderr that leave no trace, and none at all when nobody is looking."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeLeft(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _channels(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a list of channel numbers such as 0,2", param_hint="--channels"
        ) from None
