"""`napari-gpcis benchmark`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from napari_gpcis_training.commands.shared import report_errors, use_threads


class Protocol(StrEnum):
    """How clicks are answered."""

    paper = "paper"
    session = "session"


class Split(StrEnum):
    """Which part of a data set of our own form."""

    validation = "validation"
    everything = "all"


class Peer(StrEnum):
    """Methods without weights."""

    random_walker = "random-walker"
    grabcut = "grabcut"


def benchmark(
    dataset: Annotated[
        list[Path],
        typer.Option(metavar="DIR", help="Data set, or folder of data sets; repeat for more."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of records and report.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME_OR_PATH",
            help="Model, or checkpoint of the reference implementation (.pth); repeat to compare. "
            "The default model, unless there are peers.",
        ),
    ] = None,
    peer: Annotated[
        list[Peer] | None, typer.Option(help="Classical method to compare with; repeatable.")
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            help="How the folders are laid out: auto, folder (images/ and labels/), grabcut, "
            "berkeley, davis, sbd, coco_mval, dsb2018 or sstem."
        ),
    ] = "auto",
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="paper: the network on a crop that follows the object. "
            "session: as the plugin answers."
        ),
    ] = Protocol.paper,
    split: Annotated[
        Split,
        typer.Option(help="Of images/ and labels/ folders: what our models never trained on."),
    ] = Split.validation,
    objects: Annotated[
        int | None, typer.Option(min=1, help="Objects per data set at most; else all there are.")
    ] = None,
    per_image: Annotated[
        int, typer.Option(min=1, help="Objects per image at most, save in the papers' sets.")
    ] = 5,
    clicks: Annotated[
        int, typer.Option(min=20, help="Most clicks on an object; 100 for NoC₁₀₀ and NoF₁₀₀.")
    ] = 20,
    crop_size: Annotated[
        int | None,
        typer.Option(min=32, help="Side of the paper protocol's crop, px; 384, of SBD 256."),
    ] = None,
    diameter: Annotated[
        bool,
        typer.Option(help="Whether a session is told the median diameter of an image's objects."),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample of objects.")] = 0,
    resume: Annotated[bool, typer.Option(help="Go on from the output's records.")] = False,
    class_mode: Annotated[
        bool,
        typer.Option(help="Also compare class mode with a random forest, on images/ and labels/."),
    ] = False,
    calibration: Annotated[
        bool,
        typer.Option(help="Also draw reliability diagrams of the models, on images/ and labels/."),
    ] = False,
    guidance: Annotated[
        bool, typer.Option(help='Also compare "click here next" with random clicks.')
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch.")] = None,
) -> None:
    """Count the clicks that models and classical methods need, by the papers' protocol.

    Writes tables (Markdown, CSV, JSON), curves, contact sheets of the worst cases, and a record
    of every object. A run that was stopped goes on with --resume.
    """

    def command() -> None:
        use_threads(threads)
        from napari_gpcis_training.benchmark.objects import Sampling
        from napari_gpcis_training.benchmark.run import Request, carry_out

        peers = [each.value for each in peer or []]
        carry_out(
            Request(
                datasets=tuple(dataset),
                output=output,
                models=tuple(model or ([] if peers else ["default"])),
                peers=tuple(peers),
                layout=layout,
                protocol=protocol.value,
                sampling=Sampling(objects, per_image, split=split.value, seed=seed),
                clicks=clicks,
                crop_size=crop_size,
                with_diameter=diameter,
                resume=resume,
                class_mode=class_mode,
                calibration=calibration,
                guidance=guidance,
                device=device,
            )
        )

    report_errors(command)
