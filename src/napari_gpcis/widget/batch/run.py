"""A batch on a thread of its own: what is wanted, how far it is, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gpcis.batch.job import Mode
    from napari_gpcis.io.labels.shapes import ShapeFormat

__all__ = ["BatchThread", "FolderRequest", "Result"]


@dataclass(frozen=True, slots=True)
class FolderRequest:
    """What the form asks for; the fields are those of `napari-gpcis segment`.

    Attributes
    ----------
    images, output : Path
        Folders.
    clicks : Path or None
        Folder of the clicks; beside the images when None.
    mode : {"object", "class"}
    propagate : bool
    model, device : str
    also : tuple of str
        Shapes to write beside the labels.
    table : bool
        True for a table of the objects of each image.
    resume : bool
        True to leave out images that are done.
    """

    images: Path
    output: Path
    clicks: Path | None = None
    mode: Mode = "object"
    propagate: bool = False
    model: str = "default"
    device: str = "auto"
    also: tuple[ShapeFormat, ...] = ()
    table: bool = False
    resume: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """How a batch ended.

    Attributes
    ----------
    said : str
        A sentence.
    done : tuple of (Path, Path)
        Images and their labels, those of earlier runs included.
    failed : tuple of (str, str)
        Names of images, and a sentence on each.
    is_error : bool
        True if nothing could be begun.
    """

    said: str
    done: tuple[tuple[Path, Path], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    is_error: bool = False


class BatchThread(QObject):
    """One batch; its signals come from its thread, and Qt brings them to the window's.

    Parameters
    ----------
    request : FolderRequest
    """

    advanced = Signal(str, int, int)
    """Stage, steps done, and their total."""
    ended = Signal(object)
    """The `Result`."""

    def __init__(self, request: FolderRequest) -> None:
        super().__init__()
        self._request = request
        self._stop = Event()
        self._thread = Thread(target=self._work, name="napari-gpcis batch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop soon; images that are done stay."""
        self._stop.set()

    def join(self, seconds: float) -> bool:
        """Wait for the thread; False if it has not ended by then."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        result = segment_folder(self._request, self._tell, self._stop.is_set)
        self._emit(self.ended, result)

    def _tell(self, stage: str, done: int, total: int) -> None:
        self._emit(self.advanced, stage, done, total)

    def _emit(self, signal: Any, *values: object) -> None:
        try:
            signal.emit(*values)
        except RuntimeError:
            self._stop.set()  # the window is gone, and this object with it


def segment_folder(request: FolderRequest, on_progress: Any, is_cancelled: Any) -> Result:
    """Segment a folder and turn all that may go wrong into sentences.

    Parameters
    ----------
    request : FolderRequest
        What is wanted.
    on_progress, is_cancelled : callable
        As for `segment_stacks`.
    """
    # Imported on the thread: torch takes seconds.
    from napari_gpcis.batch.discover import find_jobs
    from napari_gpcis.batch.job import SegmentOptions
    from napari_gpcis.batch.stacks import segment_stacks
    from napari_gpcis.io.errors import StoppedError, UserError
    from napari_gpcis.model import ModelFileError

    try:
        options = SegmentOptions(
            mode=request.mode,
            propagate=request.propagate,
            model=request.model,
            device=request.device,
            also=request.also,
        )
        found = find_jobs(
            [request.images],
            request.clicks,
            request.output,
            table=request.output if request.table else None,
            options=options,
        )
        report = segment_stacks(
            found.jobs,
            log=found.log,
            resume=request.resume,
            on_progress=on_progress,
            is_cancelled=is_cancelled,
        )
    except StoppedError as stopped:
        return Result(_sentence(stopped))
    except (UserError, ModelFileError) as error:
        return Result(_sentence(error), is_error=True)
    except Exception as error:
        # A defect of ours is shown where the user looks, not lost with the thread.
        return Result(f"{type(error).__name__}: {' '.join(str(error).split())}", is_error=True)
    done = tuple(
        (outcome.job.image, outcome.job.output) for outcome in (*report.done, *report.skipped)
    )
    failed = [(outcome.job.image.name, outcome.error) for outcome in report.failed]
    failed += [
        (outcome.job.image.name, failure)
        for outcome in report.done
        if outcome.report is not None
        for failure in outcome.report.failures
    ]
    before = f", {len(report.skipped)} of them earlier" if report.skipped else ""
    said = f"{len(done)} of {len(found.jobs)} images are done{before}"
    if report.failed:
        said += f"; {len(report.failed)} failed"
    return Result(f"{said}. {_sentence(found.skipped)}".strip(), done, tuple(failed))


def _sentence(text: object) -> str:
    line = " ".join(str(text).split())
    return f"{line[:1].upper()}{line[1:]}"
