"""Segment a file: clicks in, labels out, one slice in memory at a time."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_gpcis import Session, load_model
from napari_gpcis.io.atomic import check_suffix, saying_why, whole_or_nothing
from napari_gpcis.io.clicks import read_clicks_for
from napari_gpcis.io.errors import ClicksFileError, OptionError, OutputFileError
from napari_gpcis.io.labels import label_writer
from napari_gpcis.io.objects import estimate_diameter, label_slice
from napari_gpcis.io.preview import draw_overlay, write_overlay
from napari_gpcis.io.stacks import open_image

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_gpcis.engine.click import Click
    from napari_gpcis.io.stacks import ImageStack

__all__ = ["Report", "segment_stack"]


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
    model: str = "default",
    device: str = "auto",
    object_diameter: float | None = None,
    channels: Sequence[int] | None = None,
    preview: str | os.PathLike[str] | None = None,
    on_progress: Callable[[str, int, int], object] | None = None,
) -> Report:
    """Segment an image or stack by a clicks file.

    Everything that can go wrong with files is found before the work begins, outputs appear whole
    or not at all, and memory does not grow with the number of slices.

    Parameters
    ----------
    image : path
        What `open_image` reads.
    clicks : path
        What `read_clicks` reads.
    output : path
        Label TIFF to write; an older one is replaced.
    mode : {"object", "class"}
        Object mode outlines the clicked objects, slice by slice; a slice without clicks stays
        empty. Class mode gives every pixel of every slice a class, from all clicks together.
    model : str
        A shipped name or the path of a model.
    device : str
        As for `Session`.
    object_diameter : float, optional
        Typical size of objects in pixels. When not given, object mode estimates it from the
        objects of the most clicked slice, and class mode takes the model's own.
    channels : sequence of int, optional
        Channels to look at; all by default.
    preview : path, optional
        PNG to write, with outlines and clicks over the slice that has most clicks.
    on_progress : callable, optional
        Called with the stage, and how much of how much of it is done.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        With one line that says what is wrong and what to do.
    """
    start = time.perf_counter()
    tell = on_progress or (lambda stage, done, total: None)
    _check_outputs([image, clicks], output, preview)
    with ExitStack() as stack:
        opened = stack.enter_context(open_image(image, channels))
        wanted = read_clicks_for(clicks, opened)
        if mode == "class":
            _check_classes(clicks, wanted)
        highest = max(click.object_id for click in wanted)
        writer = stack.enter_context(label_writer(output, opened, highest))
        picture = None if preview is None else stack.enter_context(whole_or_nothing(preview))
        tell("loading the model", 0, 1)
        session = _open_session(model, device, mode, object_diameter)
        shown = Counter(click.z for click in wanted).most_common(1)[0][0]
        work = _objects if mode == "object" else _classes
        found: set[int] = set()
        for z, labels in enumerate(work(session, opened, wanted, shown)):
            writer.write(labels)
            found.update(np.unique(labels).tolist())
            if z == shown and preview is not None and picture is not None:
                own = [click for click in wanted if click.z == z]
                with saying_why(preview):
                    write_overlay(picture, draw_overlay(opened.page(z), labels, own))
            tell("segmenting", z + 1, opened.slices)
    return Report(
        output=Path(output),
        slices=opened.slices,
        labels=len(found - {0}),
        clicks=len(wanted),
        object_diameter=session.object_diameter,
        seconds=time.perf_counter() - start,
    )


def _objects(
    session: Session, image: ImageStack, clicks: Sequence[Click], most_clicked: int
) -> Iterator[NDArray[Any]]:
    """Labels of each slice in object mode."""
    of_slice: dict[int, list[Click]] = {}
    for click in clicks:
        of_slice.setdefault(click.z, []).append(click)
    shape = (image.rows, image.columns)
    if session.object_diameter is None:
        session.object_diameter = estimate_diameter(
            session, image.page(most_clicked), image.channel_axis(2), of_slice[most_clicked]
        )
    for z in range(image.slices):
        if z not in of_slice:
            yield np.zeros(shape, np.uint32)
            continue
        # One slice after the other as an image of its own: nothing of the last one is kept.
        session.set_image(image.page(z), channel_axis=image.channel_axis(2))
        yield label_slice(session, shape, of_slice[z])


def _classes(
    session: Session, image: ImageStack, clicks: Sequence[Click], _: int
) -> Iterator[NDArray[Any]]:
    """Classes of each slice in class mode; clicks of all slices count in each."""
    if image.slice_axis:
        session.set_image(image, channel_axis=image.channel_axis(3))
    else:
        session.set_image(image.page(), channel_axis=image.channel_axis(2))
    for click in clicks:
        session.add_click(
            click.row, click.col, positive=click.positive, z=click.z, object_id=click.object_id
        )
    for z in range(image.slices):
        yield session.classify(z)


def _open_session(
    model: str,
    device: str,
    mode: Literal["object", "class"],
    object_diameter: float | None,
) -> Session:
    network = load_model(model)
    try:
        # A slice that is done is not looked at again: no second cache behind the first.
        return Session(network, device, mode, object_diameter, host_bytes=0)
    except ValueError as error:
        raise OptionError(str(error)) from error


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _check_outputs(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    preview: str | os.PathLike[str] | None,
) -> None:
    check_suffix(output, (".tif", ".tiff"))
    taken = {Path(path).resolve() for path in inputs}
    outputs = [output]
    if preview is not None:
        check_suffix(preview, (".png",))
        outputs.append(preview)
    for path in outputs:
        if Path(path).resolve() in taken:
            raise OutputFileError(f"{path} is an input of this run; choose another name to write")
        taken.add(Path(path).resolve())


def _check_classes(path: str | os.PathLike[str], clicks: Sequence[Click]) -> None:
    if len({click.object_id if click.positive else 0 for click in clicks}) < 2:
        raise ClicksFileError(
            f"{path} has clicks of one class only; also click on what it is not, "
            "as another class (column object) or as background (column positive 0)"
        )
