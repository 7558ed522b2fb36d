"""Finished pages, and the files that they go into: labels, table, preview, complete at the end."""

from __future__ import annotations

import json
import struct
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis.io.labels.encode import EncodedPage
from napari_gpcis.io.labels.object_table import ObjectInSlice, object_table
from napari_gpcis.io.labels.overlay import StackPage, draw_overlay, write_overlay
from napari_gpcis.io.labels.writer import label_writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from napari_gpcis.batch.run import Run
    from napari_gpcis.io.labels.object_table import ObjectTable
    from napari_gpcis.io.labels.writer import LabelWriter

__all__ = ["Outputs", "Page", "open_outputs"]

_LENGTH = struct.Struct("<Q")


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

    Raises
    ------
    OutputFileError
        When one cannot be written, on entering already.
    """
    job = run.job
    with ExitStack() as stack:
        writer = stack.enter_context(label_writer(job.output, run.image, run.highest))
        rows = stack.enter_context(object_table(job.table, run.image)) if job.table else None
        picture = stack.enter_context(atomic_write(job.preview)) if job.preview else None
        yield Outputs(run, writer, rows, picture)


class Outputs:
    """Writer of the pages of a run, in their order; made by `open_outputs`.

    Attributes
    ----------
    labels : set of int
        Labels that were written, without background.
    """

    def __init__(
        self, run: Run, writer: LabelWriter, rows: ObjectTable | None, picture: Path | None
    ) -> None:
        self.labels: set[int] = set()
        self._run = run
        self._writer = writer
        self._rows = rows
        self._picture = picture

    def write(self, page: Page) -> None:
        """Write the next page."""
        self._writer.write(page.labels)
        self.labels.update(page.labels.labels)
        if self._rows is not None:
            for item in page.objects:
                self._rows.add(item)
        if self._picture and page.z == self._run.most_clicked:
            self._draw(page, self._picture)

    def _draw(self, page: Page, picture: Path) -> None:
        overlay = draw_overlay(
            StackPage(self._run.image, page.z), page.labels, self._run.clicks_of[page.z]
        )
        with os_errors_as_output_errors(self._run.job.preview or picture):
            write_overlay(picture, overlay)
