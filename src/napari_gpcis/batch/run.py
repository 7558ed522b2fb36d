"""State that the parts of a run share: the stack, its clicks, the network, the threads."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.options import Options as SessionOptions
from napari_gpcis.engine.prompts import says_where
from napari_gpcis.engine.predictor import Predictor
from napari_gpcis.engine.segmenter import ImageSegmenter
from napari_gpcis.io.annotations.clicks import read_clicks_for
from napari_gpcis.io.errors import ClicksFileError, OptionError
from napari_gpcis.io.images.open import open_image
from napari_gpcis.model import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_gpcis.batch.job import Job, SegmentOptions
    from napari_gpcis.batch.threads import WorkerThreads
    from napari_gpcis.engine.click import Click
    from napari_gpcis.io.images.stack import ImageStack

__all__ = ["OnProgress", "Run", "load_predictor", "notes_on_clicks", "open_stack"]

# Objects that a note lists.
_NAMED = 12

OnProgress: TypeAlias = "Callable[[str, int, int], object]"


class Run:
    """A job in progress.

    Parameters
    ----------
    job : Job
    image : ImageStack
    clicks : tuple of Click
        Clicks in the order of the file.
    threads : WorkerThreads
    on_progress : callable
        Called with the stage, the number of steps done and their total.
    predictor : Predictor, optional
        Network of the job, if it is loaded already.

    Attributes
    ----------
    diameter : float or None
        Diameter of the objects in pixels, as given or, later, as estimated.
    clicks_of : dict
        Clicks by slice.
    """

    def __init__(
        self,
        job: Job,
        image: ImageStack,
        clicks: tuple[Click, ...],
        threads: WorkerThreads,
        on_progress: OnProgress,
        predictor: Predictor | None = None,
    ) -> None:
        self.job = job
        self.image = image
        self.clicks = clicks
        self.threads = threads
        self.on_progress = on_progress
        self.diameter = job.options.object_diameter
        self.clicks_of: dict[int, list[Click]] = {}
        for click in clicks:
            self.clicks_of.setdefault(click.z, []).append(click)
        self.most_clicked = Counter(click.z for click in clicks).most_common(1)[0][0]
        self.highest = max(click.object_id for click in clicks)
        self._predictor = predictor

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        return self.image.rows, self.image.columns

    @cached_property
    def segmenter(self) -> ImageSegmenter:
        """Segmenter of the stack; loads the network on first use."""
        if self._predictor is None:
            self.on_progress("loading the model", 0, 1)
            self._predictor = load_predictor(self.job.options)
        source = ImageSource(
            self.image, channel_axis=self.image.channel_axis(3 if self.image.slice_axes else 2)
        )
        options = SessionOptions(self.job.options.mode, self.diameter)
        return ImageSegmenter(source, self._predictor, options)


def load_predictor(options: SegmentOptions) -> Predictor:
    """Load the network onto its device.

    Raises
    ------
    ModelFileError, OptionError
    """
    network = load_model(options.model)
    if options.mode == "class" and network.config.head != "gp":
        raise OptionError(
            f"the model {options.model} has no GP head, which class mode needs; choose another"
        )
    try:
        # no second cache: a finished slice is not needed again
        return Predictor(network, options.device, host_bytes=0)
    except ValueError as error:
        raise OptionError(str(error)) from error


@contextmanager
def open_stack(job: Job) -> Iterator[tuple[ImageStack, tuple[Click, ...]]]:
    """Open the image and read its clicks.

    Raises
    ------
    ImageFileError, ClicksFileError
    """
    options = job.options
    with open_image(job.image, options.channels, axes=options.axes, series=options.series) as image:
        clicks = tuple(read_clicks_for(job.clicks, image, job.boxes))
        if options.mode == "class":
            if any(click.prompt == "box" for click in clicks):
                raise OptionError(
                    "class mode takes clicks, scribbles and lassos, and no boxes, which hold one "
                    "object each; use object mode"
                )
            _check_classes(job, clicks)
        yield image, clicks


def notes_on_clicks(clicks: Sequence[Click], options: SegmentOptions) -> tuple[str, ...]:
    """Remarks on clicks that come to nothing, or contradict each other, a line each."""
    notes = []
    signs: dict[tuple[object, ...], bool] = {}
    changed: dict[tuple[object, ...], Click] = {}
    for click in clicks:
        key = click.place if options.mode == "class" else (click.object_id, *click.place)
        if signs.setdefault(key, click.positive) != click.positive:
            changed[key] = click
        signs[key] = click.positive
    for click in changed.values():
        where = (
            f"row {click.row}, column {click.col}, slice {click.z} has a positive and a negative"
        )
        if options.mode == "class":
            notes.append(f"{where} click; remove one of them")
        else:
            notes.append(f"{where} click of object {click.object_id}; the later one counts")
    if options.mode == "object":
        ids = {click.object_id for click in clicks}
        left = sorted(ids - {click.object_id for click in clicks if says_where(click)})
        if left:
            many = "s" if len(left) > 1 else ""
            named = ", ".join(map(str, left[:_NAMED])) + (", …" if len(left) > _NAMED else "")
            notes.append(
                f"object{many} {named} {'have' if many else 'has'} negative clicks only and "
                f"{'are' if many else 'is'} left out; click inside"
            )
    return tuple(notes)


def _check_classes(job: Job, clicks: Sequence[Click]) -> None:
    if len({click.object_id if click.positive else 0 for click in clicks}) < 2:
        raise ClicksFileError(
            f"{job.clicks} has clicks of one class only; also click on what it is not, "
            "as another class (column object) or as background (column positive 0)"
        )
