"""`napari-gpcis finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_gpcis_training.commands.shared import use_threads


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
        use_threads(None)
        from napari_gpcis_training.finetune import Request
        from napari_gpcis_training.finetune import finetune as carry_out

        request = Request(images, labels, output, model, minutes, steps, seed, device)
        carry_out(request, tell)
