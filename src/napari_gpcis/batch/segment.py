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
from napari_gpcis.batch.run import Run, notes_on_clicks, open_stack
from napari_gpcis.batch.threads import WorkerThreads, available_cores
from napari_gpcis.engine.device import find_device
from napari_gpcis.engine.prompts import rounds
from napari_gpcis.io.errors import StoppedError, UserError
from napari_gpcis.model import ModelFileError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from napari_gpcis.batch.checkpoint import PageStore
    from napari_gpcis.batch.run import OnProgress
    from napari_gpcis.engine.predictor import Predictor

    Producer: TypeAlias = Callable[[Run, Sequence[int], JobCheckpoint], Iterator[Page]]

__all__ = ["Outcome", "Report", "attempt", "run_job", "segment_stack"]


@dataclass(frozen=True, slots=True)
class Report:
    """Report of `segment_stack`.

    Attributes
    ----------
    output : Path
        The label file.
    slices : int
        Number of slices written.
    labels : int
        Number of labels in them, without background.
    clicks : int
        Number of clicks used; scribbles, boxes and lassos count once.
    object_diameter : float or None
        Object diameter in pixels, as given or as estimated.
    seconds : float
        Seconds taken, model loading included.
    notes : tuple of str
        Remarks on the clicks, a line each.
    failures : tuple of str
        Why outputs besides the labels were left out, a line each.
    """

    output: Path
    slices: int
    labels: int
    clicks: int
    object_diameter: float | None
    seconds: float
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    def summary(self) -> str:
        """All of it in one line, and one more for each note and failure."""
        size = f", objects of {self.object_diameter:.0f} px" if self.object_diameter else ""
        wrote = (
            f"wrote {self.output}: {_counted(self.labels, 'label')} on "
            f"{_counted(self.slices, 'slice')} from {_counted(self.clicks, 'click')} "
            f"in {self.seconds:.1f} s{size}"
        )
        return "\n".join([wrote, *self.remarks()])

    def remarks(self) -> list[str]:
        """Notes and failures, a line each."""
        notes = [f"note: {note}" for note in self.notes]
        return [*notes, *(f"failed: {failure}" for failure in self.failures)]


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

    Errors in files are found before the work begins where possible, outputs appear whole or not at
    all, and memory grows neither with the number of slices nor with their size.

    Parameters
    ----------
    image : path
        An image that `open_image` reads: a TIFF, a zarr or OME-Zarr, a folder of pages, a picture.
    clicks : path
        Clicks file or boxes file, see `read_clicks_for`.
    output : path
        Label TIFF (tiled, compressed BigTIFF) or, ending in .zarr, OME-Zarr to write; an older
        one is replaced.
    mode : {"object", "class"}
        Object mode outlines the clicked objects. Class mode gives every pixel of every slice a
        class, from all clicks together.
    propagate : bool
        In object mode, True to follow clicked objects into the slices around; otherwise a slice
        without clicks stays empty.
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
        Index of the image in a file of several.
    preview : path, optional
        PNG to write, with outlines and clicks over the slice that has most clicks.
    table : path, optional
        CSV to write, a line per object; beside it, NAME_slices.csv has a line per object and
        slice.
    threads : int, optional
        Pages (or objects, or tiles) worked on at once; all cores when not given. The result does
        not depend on it.
    resume : bool
        True to continue an earlier run with the same files and options that was killed, and to
        keep unfinished work when this one is stopped.
    on_progress : callable, optional
        Called with the stage, the number of steps done and their total.
    is_cancelled : callable, optional
        Called now and then, from several threads; when it returns True, the run ends with a
        `StoppedError`.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        With one line that names the problem and the remedy.
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
    predictor: Predictor | None = None,
    producer: Producer | None = None,
    patience: float = 0.0,
) -> Report:
    """Run a job; parameters as for `segment_stack`, and a few more.

    Parameters
    ----------
    job : Job
        The job.
    resume, on_progress, is_cancelled
        As for `segment_stack`.
    predictor : Predictor, optional
        Network of the job, if it is loaded already.
    producer : callable, optional
        Makes the pages of the unfinished slices, in their order.
    patience : float
        Seconds to wait for another run of the same output to end.
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
        run = Run(job, image, clicks, threads, on_progress, predictor)
        outputs = stack.enter_context(open_outputs(run))
        try:
            for page in _pages(run, producer or _producer(job), checkpoint):
                outputs.write(page)
                on_progress("segmenting", page.z + 1, image.slices)
        except StoppedError as stopped:
            raise StoppedError(stop_message(resume=resume)) from stopped
    return Report(
        output=job.output,
        slices=image.slices,
        labels=len(outputs.labels),
        clicks=len(rounds(clicks)),
        object_diameter=run.diameter,
        seconds=time.perf_counter() - start,
        notes=notes_on_clicks(clicks, job.options),
        failures=tuple(outputs.failures),
    )


def stop_message(*, resume: bool) -> str:
    """Message about a run that was stopped."""
    if resume:
        return "stopped; run the same command to continue"
    return "stopped; nothing was written"


def _pages(run: Run, producer: Producer, checkpoint: JobCheckpoint) -> Iterator[Page]:
    """All pages in order; new ones are stored in the checkpoint."""
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
    """Number of threads; two make full use of a GPU, as one reads and writes while one computes."""
    if options.threads is not None:
        return options.threads
    try:
        on_cpu = find_device(options.device).type == "cpu"
    except ValueError:
        on_cpu = True  # a wrong device is reported when the network is loaded
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
    """Outcome of a job.

    Attributes
    ----------
    job : Job
    report : Report or None
        None if the job failed, or was done before.
    error : str
        Message of one line; empty if the job did not fail.
    details : str
        Traceback, if it failed by a defect of the program.
    """

    job: Job
    report: Report | None = None
    error: str = ""
    details: str = ""


def attempt(job: Job, **how: Any) -> Outcome:
    """Run a job and turn its errors, other than being stopped, into an outcome.

    Parameters
    ----------
    job : Job
        The job.
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
        # a defect of ours in one stack must not end a night's work
        line = f"{job.image}: {type(error).__name__}: {' '.join(str(error).split())}"
        return Outcome(job, error=line, details=traceback.format_exc())
    return Outcome(job, report)
