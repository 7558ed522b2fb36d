"""Segment a stack: clicks in, labels out, one slice in memory at a time."""

from __future__ import annotations

import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from napari_gpcis.batch.checkpoint import JobCheckpoint
from napari_gpcis.batch.class_pages import ClassPages
from napari_gpcis.batch.job import Job, SegmentOptions
from napari_gpcis.batch.object_pages import object_pages
from napari_gpcis.batch.outputs import Page, open_outputs
from napari_gpcis.batch.propagated_pages import propagated_pages
from napari_gpcis.batch.run import Run, open_stack
from napari_gpcis.batch.threads import WorkerThreads, available_cores
from napari_gpcis.engine.runner import find_device
from napari_gpcis.io.errors import StoppedError, UserError
from napari_gpcis.model import ModelFileError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from napari_gpcis.batch.checkpoint import PageStore
    from napari_gpcis.batch.run import OnProgress
    from napari_gpcis.engine.runner import Runner

    Producer: TypeAlias = Callable[[Run, Sequence[int], JobCheckpoint], Iterator[Page]]

__all__ = ["Outcome", "Report", "attempt", "run_job", "segment_stack"]


@dataclass(frozen=True, slots=True)
class Report:
    """What `segment_stack` did.

    Attributes
    ----------
    output : Path
        The label file.
    slices : int
        Slices written.
    labels : int
        Different labels among them, background not counted.
    clicks : int
        Clicks used.
    object_diameter : float or None
        Object diameter that was used, in pixels: as given, or as estimated.
    seconds : float
        Time taken, model loading included.
    """

    output: Path
    slices: int
    labels: int
    clicks: int
    object_diameter: float | None
    seconds: float

    def summary(self) -> str:
        """All of it in one line."""
        size = f", objects of {self.object_diameter:.0f} px" if self.object_diameter else ""
        return (
            f"wrote {self.output}: {_counted(self.labels, 'label')} on "
            f"{_counted(self.slices, 'slice')} from {_counted(self.clicks, 'click')} "
            f"in {self.seconds:.1f} s{size}"
        )


def segment_stack(
    image: str | os.PathLike[str],
    clicks: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    mode: Literal["object", "class"] = "object",
    propagate: bool = False,
    model: str = "default",
    device: str = "auto",
    object_diameter: float | None = None,
    channels: Sequence[int] | None = None,
    axes: str | None = None,
    series: int = 0,
    preview: str | os.PathLike[str] | None = None,
    table: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    resume: bool = False,
    on_progress: Callable[[str, int, int], object] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Report:
    """Segment an image or stack by a clicks file.

    What can be found wrong with files is found before the work begins, outputs appear whole or
    not at all, and memory grows neither with the number of slices nor with their size.

    Parameters
    ----------
    image : path
        What `open_image` reads: a TIFF, a zarr or OME-Zarr, a folder of pages, a picture.
    clicks : path
        What `read_clicks` reads.
    output : path
        Label TIFF (tiled, compressed BigTIFF) or, ending in .zarr, OME-Zarr to write; an older
        one is replaced.
    mode : {"object", "class"}
        Object mode outlines the clicked objects. Class mode gives every pixel of every slice a
        class, from all clicks together.
    propagate : bool
        In object mode, whether clicked objects are followed into the slices around; when not, a
        slice without clicks stays empty.
    model : str
        A shipped name or the path of a model.
    device : str
        As for `Session`.
    object_diameter : float, optional
        Typical size of objects in pixels. When not given, object mode estimates it from the
        objects of the most clicked slice, and class mode takes the model's own.
    channels : sequence of int, optional
        Channels to look at; all by default.
    axes : str, optional
        Letters of the axes as stored, such as TZYX or YXC; from the file when not given.
    series : int
        Which image of a file of several.
    preview : path, optional
        PNG to write, with outlines and clicks over the slice that has most clicks.
    table : path, optional
        CSV to write, a line per object; beside it, NAME_slices.csv has a line per object and
        slice.
    threads : int, optional
        Pages (or objects, or tiles) worked on at once; all cores when not given. The result does
        not depend on it.
    resume : bool
        Whether to go on from what a run with the same files and options left when it was killed,
        and to leave the same when this one is ended early.
    on_progress : callable, optional
        Called with the stage, and how much of how much of it is done.
    is_cancelled : callable, optional
        Asked now and then, from several threads; when true, the run ends with a `StoppedError`.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        With one line that says what is wrong and what to do.
    """
    options = SegmentOptions(
        mode=mode,
        propagate=propagate,
        model=model,
        device=device,
        object_diameter=object_diameter,
        channels=None if channels is None else tuple(channels),
        axes=axes,
        series=series,
        threads=threads,
    )
    job = Job(
        image=Path(image),
        clicks=Path(clicks),
        output=Path(output),
        preview=None if preview is None else Path(preview),
        table=None if table is None else Path(table),
        options=options,
    )
    return run_job(job, resume=resume, on_progress=on_progress, is_cancelled=is_cancelled)


def run_job(
    job: Job,
    *,
    resume: bool = False,
    on_progress: OnProgress | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    runner: Runner | None = None,
    producer: Producer | None = None,
    patience: float = 0.0,
) -> Report:
    """Do a job; parameters as for `segment_stack`, and two that spare or share work.

    Parameters
    ----------
    job : Job
        What to do.
    resume, on_progress, is_cancelled
        See there.
    runner : Runner, optional
        The job's network, if it is loaded already.
    producer : callable, optional
        Makes the pages of the slices that are still to be done, in their order.
    patience : float
        Seconds to wait for another run with the same output to end.
    """
    start = time.perf_counter()
    on_progress = on_progress or (lambda stage, done, total: None)
    job.check()
    with ExitStack() as stack:
        image, clicks = stack.enter_context(open_stack(job))
        checkpoint = stack.enter_context(
            JobCheckpoint(
                job.output,
                job.fingerprint(),
                resume=resume,
                others=job.further_outputs,
                patience=patience,
            )
        )
        threads = stack.enter_context(WorkerThreads(_threads(job.options), is_cancelled))
        run = Run(job, image, clicks, threads, on_progress, runner)
        outputs = stack.enter_context(open_outputs(run))
        try:
            for page in _pages(run, producer or _producer(job), checkpoint):
                outputs.take(page)
                on_progress("segmenting", page.z + 1, image.slices)
        except StoppedError as stopped:
            raise StoppedError(stop_message(resume=resume)) from stopped
    return Report(
        output=job.output,
        slices=image.slices,
        labels=len(outputs.labels),
        clicks=len(clicks),
        object_diameter=run.diameter,
        seconds=time.perf_counter() - start,
    )


def stop_message(*, resume: bool) -> str:
    """What is said of a run that was ended early."""
    if resume:
        return "stopped; what is done is kept, and the same command goes on from it"
    return "stopped; nothing was written"


def _pages(run: Run, producer: Producer, checkpoint: JobCheckpoint) -> Iterator[Page]:
    """All pages in order: those that are done already, and fresh ones, which are kept."""
    done = checkpoint.store("pages")
    slices = range(run.image.slices)
    wanted = [z for z in slices if z not in done]
    fresh = producer(run, wanted, checkpoint) if wanted else iter(())
    for z in slices:
        yield Page.from_bytes(z, done[z]) if z in done else _kept(next(fresh), done)


def _kept(page: Page, done: PageStore) -> Page:
    done.append(page.z, page.to_bytes())
    return page


def _threads(options: SegmentOptions) -> int:
    """Of a GPU, two threads make full use: one reads and writes while the other computes."""
    if options.threads is not None:
        return options.threads
    try:
        on_cpu = find_device(options.device).type == "cpu"
    except ValueError:
        on_cpu = True  # what is wrong is said when the network is loaded
    return available_cores() if on_cpu else min(2, available_cores())


def _producer(job: Job) -> Producer:
    if job.options.mode == "class":
        return lambda run, slices, checkpoint: ClassPages(run).make(slices, run.threads)
    if job.options.propagate:
        return propagated_pages
    return lambda run, slices, checkpoint: object_pages(run, slices)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job.

    Attributes
    ----------
    job : Job
    report : Report or None
        None if it failed, or was done before.
    error : str
        One line; empty if it did not fail.
    details : str
        Where in the program it failed, if that was a defect.
    """

    job: Job
    report: Report | None = None
    error: str = ""
    details: str = ""


def attempt(job: Job, **how: Any) -> Outcome:
    """Do a job, and take what goes wrong for an outcome; but not the wish to stop.

    Parameters
    ----------
    job : Job
        What to do.
    **how
        As for `run_job`.
    """
    try:
        report = run_job(job, **how)
    except StoppedError:
        raise
    except (UserError, ModelFileError) as error:
        return Outcome(job, error=" ".join(str(error).split()))
    except Exception as error:
        # a defect of ours, in one stack of a thousand: the rest of the night is not lost
        line = f"{job.image}: {type(error).__name__}: {' '.join(str(error).split())}"
        return Outcome(job, error=line, details=traceback.format_exc())
    return Outcome(job, report)
