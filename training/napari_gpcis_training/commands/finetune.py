"""`napari-gpcis finetune`."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_gpcis_training.commands.shared import takes, use_threads
from napari_gpcis_training.options import FinetuneOptions


@takes(FinetuneOptions)
def finetune(
    options: FinetuneOptions,
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

    with reporting(as_json) as on_event:
        use_threads(None)
        from napari_gpcis_training.curves import TrainingCurves
        from napari_gpcis_training.finetuning.run import finetune_model

        recorded = TrainingCurves(on_event)
        finetune_model(options, recorded)
        if curves:
            recorded.draw(options.output.with_suffix(".png"))
