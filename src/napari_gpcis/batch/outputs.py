"""Finished pages, and the files that they go into: labels, table, preview, complete at the end."""

from __future__ import annotations

import json
import struct
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from napari_gpcis.io.errors import UserError
from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis.io.labels.encode import EncodedPage
from napari_gpcis.io.labels.object_table import ObjectInSlice, object_table
from napari_gpcis.io.labels.overlay import StackPage, draw_overlay, write_overlay
from napari_gpcis.io.labels.shapes import shape_writer
from napari_gpcis.io.labels.slices import Slices
from napari_gpcis.io.labels.writer import label_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Self

    from napari_gpcis.batch.run import Run
    from napari_gpcis.io.labels.object_table import ObjectTable
    from napari_gpcis.io.labels.shapes import ShapeWriter
    from napari_gpcis.io.labels.writer import LabelWriter

__all__ = ["Outputs", "Page", "open_outputs"]

_LENGTH = struct.Struct("<Q")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """The result of one slice.

    Attributes
    ----------
    z : int
        Slice index.
    labels : EncodedPage
    objects : tuple of ObjectInSlice
        Empty in class mode.
    """

    z: int
    labels: EncodedPage
    objects: tuple[ObjectInSlice, ...] = ()

    def to_bytes(self) -> bytes:
        """Bytes from which `from_bytes` makes the same page, to the last bit."""
        rows = json.dumps([asdict(item) for item in self.objects]).encode()
        return _LENGTH.pack(len(rows)) + rows + self.labels.to_bytes()

    @classmethod
    def from_bytes(cls, z: int, content: bytes) -> Self:
        """Page of a slice from `to_bytes`."""
        (length,) = _LENGTH.unpack_from(content)
        rows = content[_LENGTH.size : _LENGTH.size + length]
        labels = EncodedPage.from_bytes(content[_LENGTH.size + length :])
        return cls(z, labels, tuple(ObjectInSlice(**row) for row in json.loads(rows)))


@contextmanager
def open_outputs(run: Run) -> Iterator[Outputs]:
    """Open all outputs of a run; they appear when the block succeeds.

    An output that cannot be opened is an error at once. One besides the labels that fails later is
    left out, and costs no labels; `Outputs.failures` says why.

    Raises
    ------
    OutputFileError
        When one cannot be written, on entering already.
    """
    job = run.job
    outputs = Outputs(run)
    with ExitStack() as stack:
        # Closed last to first: the labels have to be there before the others.
        if job.preview is not None:
            preview = _Extra(job.preview, atomic_write(job.preview), outputs.failures)
            outputs.preview = stack.enter_context(preview)
        if job.table is not None:
            table = _Extra(job.table, object_table(job.table, run.image), outputs.failures)
            outputs.table = stack.enter_context(table)
        slices = Slices.of(run.image, are_classes=job.options.mode == "class")
        for path in job.shapes:
            shapes = _Extra(path, shape_writer(path, slices), outputs.failures)
            outputs.shapes.append(stack.enter_context(shapes))
        outputs.writer = stack.enter_context(label_writer(job.output, run.image, run.highest))
        yield outputs


class _Extra(Generic[T]):
    """An output besides the labels, whose failure is noted and not raised.

    Parameters
    ----------
    path : Path
        The output.
    context : context manager
        Opens it; the output appears when it is left without an error.
    failures : list of str
        Takes the reason of a failure.
    """

    def __init__(self, path: Path, context: AbstractContextManager[T], failures: list[str]) -> None:
        self._path = path
        self._context = context
        self._failures = failures
        self._has_failed = False

    def __enter__(self) -> Self:
        self._target = self._context.__enter__()
        return self

    def write(self, work: Callable[[T], object]) -> None:
        """Do some of the work of writing it."""
        if self._has_failed:
            return
        try:
            work(self._target)
        except Exception as error:
            self._fail(error)
            with suppress(Exception):
                self._context.__exit__(type(error), error, error.__traceback__)

    def __exit__(self, *reason: Any) -> None:
        if self._has_failed:
            return
        try:
            self._context.__exit__(*reason)
        except Exception as error:
            if reason[0] is not None:
                raise
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._has_failed = True
        line = " ".join(str(error).split()) or type(error).__name__
        known = isinstance(error, UserError)
        self._failures.append(line if known else f"cannot write {self._path}: {line}")


class Outputs:
    """Writer of the pages of a run, in their order; made by `open_outputs`.

    Attributes
    ----------
    labels : set of int
        Labels that were written, without background.
    failures : list of str
        Why outputs besides the labels were left out, a line each.
    """

    writer: LabelWriter
    table: _Extra[ObjectTable] | None = None
    preview: _Extra[Path] | None = None

    def __init__(self, run: Run) -> None:
        self.shapes: list[_Extra[ShapeWriter]] = []
        self.labels: set[int] = set()
        self.failures: list[str] = []
        self._run = run

    def write(self, page: Page) -> None:
        """Write the next page."""
        self.writer.write(page.labels)
        self.labels.update(page.labels.labels)
        if self.table is not None:
            for item in page.objects:
                self.table.write(lambda table, item=item: table.add(item))  # type: ignore[misc]
        for shapes in self.shapes:
            shapes.write(lambda writer: writer.write(page.z, page.labels))
        if self.preview is not None and page.z == self._run.most_clicked:
            self.preview.write(lambda picture: self._draw(page, picture))

    def _draw(self, page: Page, picture: Path) -> None:
        overlay = draw_overlay(
            StackPage(self._run.image, page.z), page.labels, self._run.clicks_of.get(page.z, ())
        )
        with os_errors_as_output_errors(self._run.job.preview or picture):
            write_overlay(picture, overlay)
