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
        float | None, typer.Option(min=0.01, help="Length of the training; chosen by the data.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Length, in steps.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of split, crops and clicks.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    axes: Annotated[
        str | None,
        typer.Option(
            metavar="CYX", help="Axes of the images as stored; from the files by default."
        ),
    ] = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="Draw loss and clicks beside the model, as PNG.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print events as JSON, one a line.")
    ] = False,
) -> None:
    """Adapt a model to your own labelled images, three or more.

    A part of them is held out: to choose the best state by, and (of six images or more) others to
    test it on. The model it began with is written if none does better. Takes up to ten minutes on
    two cores; Ctrl-C ends the training early and keeps the best so far.
    """
    from napari_gpcis_training.finetuning.report import reporting

    with reporting(as_json) as tell:
        use_threads(None)
        from napari_gpcis_training.finetuning.curves import Recorder
        from napari_gpcis_training.finetuning.options import Request
        from napari_gpcis_training.finetuning.run import finetune as carry_out

        request = Request(images, labels, output, model, minutes, steps, seed, device, axes)
        recorder = Recorder(tell)
        carry_out(request, recorder)
        if curves:
            recorder.draw(output.with_suffix(".png"))
