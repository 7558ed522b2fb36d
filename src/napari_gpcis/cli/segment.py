"""`napari-gpcis segment`: the options, the progress bar and the last lines."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_gpcis.cli.progress import progress_bar

if TYPE_CHECKING:
    from napari_gpcis.batch.discover import DiscoveredJobs
    from napari_gpcis.batch.job import Job
    from napari_gpcis.batch.run import OnProgress
    from napari_gpcis.io.labels.shapes import ShapeFormat

__all__ = ["segment"]


class Mode(StrEnum):
    """Meaning of clicks."""

    object = "object"
    class_ = "class"


class Format(StrEnum):
    """Format of the label files of many stacks."""

    tiff = "tiff"
    zarr = "zarr"


_SUFFIXES = {Format.tiff: ".tif", Format.zarr: ".ome.zarr"}


def segment(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE…",
            help="TIFF, zarr, OME-Zarr, a folder of pages, or anything that imageio reads. Or "
            "many: several of them, a pattern, a folder of them, or a manifest (CSV with the "
            "columns image,clicks,output).",
        ),
    ],
    clicks: Annotated[
        Path | None,
        typer.Option(
            metavar="CLICKS.csv",
            help="Clicks as napari saves points (axis-0,axis-1[,axis-2]), with the optional "
            "columns object, positive, prompt and stroke. For many: the folder with NAME.csv for "
            "each NAME.tif; by default their own.",
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            metavar="BOXES.csv",
            help="Boxes around objects, in place of clicks, or in addition to them: columns "
            "r0,c0,r1,c1 (or top,left,bottom,right, or y0,x0,y1,x1), for stacks z, and optionally "
            "label. For many: the folder with NAME.csv for each NAME.tif.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="LABELS.tif",
            help="Label TIFF or OME-Zarr (.zarr) to write. For many: the folder.",
        ),
    ] = None,
    mode: Annotated[
        Mode,
        typer.Option(help="object: outline what was clicked. class: give every pixel a class."),
    ] = Mode.object,
    propagate: Annotated[
        bool, typer.Option("--propagate", help="Follow clicked objects into the other slices.")
    ] = False,
    find_all: Annotated[
        bool,
        typer.Option(
            "--find-all", help="Also find all objects like the clicked ones, in every slice."
        ),
    ] = False,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="EXAMPLE.gpcis",
            help="Find all objects like those of this saved annotation, in images without clicks. "
            "Its own image lies beside it.",
        ),
    ] = None,
    min_score: Annotated[
        float,
        typer.Option(
            metavar="0–1", min=0.0, max=1.0, help="Score that an object needs to be found."
        ),
    ] = 0.5,
    model: Annotated[
        str, typer.Option(metavar="NAME_OR_PATH", help="A shipped model or a .safetensors file.")
    ] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    object_diameter: Annotated[
        float | None,
        typer.Option(metavar="PIXELS", help="Typical object size; estimated by default."),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(metavar="0,2,…", help="Channels to look at, counted from 0; all by default."),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(metavar="TZYX", help="Axes as stored; from the file when not given."),
    ] = None,
    series: Annotated[
        int, typer.Option(metavar="N", help="Index of the image in a file of several.")
    ] = 0,
    preview: Annotated[
        Path | None,
        typer.Option(
            metavar="OVERLAY.png",
            help="Also draw outlines and clicks over the image. For many: a folder.",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="OBJECTS.csv",
            help="Also list the objects, and beside it (OBJECTS_slices.csv) their slices. "
            "For many: a folder.",
        ),
    ] = None,
    also: Annotated[
        str | None,
        typer.Option(
            metavar="roi,geojson,coco",
            help="Also write the objects as shapes beside the labels: for ImageJ, for QuPath, in "
            "COCO's form.",
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option(help="Format of the label files of many images.")
    ] = Format.tiff,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue an earlier run; skip stacks that are done."),
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", help="Pages at a time in a process; all cores by default."),
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", min=1, help="Processes on this machine.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Scheduler of a dask.distributed cluster, tcp://host:8786."
        ),
    ] = None,
) -> None:
    """Turn clicks into label images.

    Slices without clicks stay empty in object mode, unless objects are propagated; in class mode
    every slice gets its classes from all clicks. With --find-all or --like, objects are found that
    nobody clicked.
    """
    from napari_gpcis.batch.discover import find_jobs
    from napari_gpcis.batch.job import SegmentOptions

    options = SegmentOptions(
        mode=mode.value,
        propagate=propagate,
        find_all=find_all or like is not None,
        min_score=min_score,
        model=model,
        device=device,
        object_diameter=object_diameter,
        channels=_channels(channels),
        axes=axes,
        series=series,
        threads=threads,
        also=_also(also),
    )
    discovered = find_jobs(
        images,
        clicks,
        output,
        preview=preview,
        table=table,
        suffix=_SUFFIXES[format],
        options=options,
        boxes=boxes,
        like=like,
    )
    if discovered.skipped:
        typer.echo(f"napari-gpcis: {discovered.skipped}", err=True)
    with progress_bar("reading") as on_progress:
        if discovered.is_single and not resume and workers == 1 and scheduler is None:
            said, code = _one(discovered.jobs[0], on_progress)
        else:
            said, code = _many(discovered, resume, workers, scheduler, on_progress)
    typer.echo(said, err=code > 1)
    if code:
        raise typer.Exit(code)


def _one(job: Job, on_progress: OnProgress) -> tuple[str, int]:
    """Last lines for the user, and the exit code."""
    from napari_gpcis.batch.segment import run_job, stop_message

    try:
        report = run_job(job, on_progress=on_progress)
    except KeyboardInterrupt:
        typer.echo(f"napari-gpcis: {stop_message(resume=False)}", err=True)
        raise typer.Exit(130) from None
    return report.summary(), int(bool(report.failures))


def _many(
    discovered: DiscoveredJobs,
    resume: bool,
    workers: int,
    scheduler: str | None,
    on_progress: OnProgress,
) -> tuple[str, int]:
    """Last lines for the user, and the exit code."""
    from napari_gpcis.batch.stacks import segment_stacks

    try:
        report = segment_stacks(
            discovered.jobs,
            log=discovered.log,
            resume=resume,
            workers=workers,
            scheduler=scheduler,
            on_progress=on_progress,
        )
    except KeyboardInterrupt:
        typer.echo(
            "napari-gpcis: stopped; run the same command with --resume to continue", err=True
        )
        raise typer.Exit(130) from None
    if not discovered.is_single:
        return report.summary(), int(not report.is_complete)
    if report.failed:
        return f"napari-gpcis: {report.failed[0].error}", 2
    if report.skipped:
        return f"{discovered.jobs[0].output} was done before and is up to date", 0
    said = "".join(outcome.report.summary() for outcome in report.done if outcome.report)
    return said, int(not report.is_complete)


def _also(text: str | None) -> tuple[ShapeFormat, ...]:
    from napari_gpcis.io.labels.shapes import SHAPE_FORMATS

    names = [] if text is None else [part.strip().lower() for part in text.split(",")]
    known: dict[str, ShapeFormat] = {kind: kind for kind in SHAPE_FORMATS}
    for name in names:
        if name not in known:
            raise typer.BadParameter(
                f"{name!r} is not one of {', '.join(SHAPE_FORMATS)}", param_hint="--also"
            )
    return tuple(known[name] for name in names)


def _channels(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a list of channel numbers such as 0,2", param_hint="--channels"
        ) from None
