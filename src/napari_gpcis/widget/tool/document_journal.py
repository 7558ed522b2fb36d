"""The journal of the image under work: written from the first change on, offered after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.io.journal.locations import image_identity, journal_path, set_aside
from napari_gpcis.io.journal.reader import JournalHeader, Recording, waiting_recordings
from napari_gpcis.io.journal.writer import Journal
from napari_gpcis.widget.tool.types import Restorable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Layer

    from napari_gpcis.engine.document.annotation import Annotation, Change
    from napari_gpcis.widget.layers.frame import Frame
    from napari_gpcis.widget.tool.types import Level

SAMPLE = 64


class DocumentJournal:
    """Journal of one image in one mode.

    Parameters
    ----------
    image : napari layer
    frame : Frame
    mode : {"object", "class"}
    beside : bool
        Whether it goes beside the image's file rather than into the user's folder.
    tell : callable
        Called with (text, level).
    """

    def __init__(
        self,
        image: Layer,
        frame: Frame,
        mode: Any,
        *,
        beside: bool,
        tell: Callable[[str, Level], None],
    ) -> None:
        self._tell = tell
        source = str(image.source.path) if image.source.path else None
        identity = identity_of(image, source)
        self._header = JournalHeader(f"{identity} {mode}", frame.shape, tuple(frame.plane), mode)
        self.path: Path = journal_path(source, self._header.identity, beside=beside)
        self.journal = self._fresh()
        self._offers = self._unsaved()

    @property
    def waiting(self) -> Recording | None:
        """Unsaved work of an earlier session, the newest of it."""
        return self._offers[0] if self._offers else None

    @property
    def restorable(self) -> Restorable | None:
        """Unsaved work of an earlier session, in words."""
        found = self.waiting
        if found is None:
            return None
        parts = [_counted(found.objects, "object"), _counted(found.clicks, "click")]
        when = found.last.strftime("%d %b %H:%M").lstrip("0")
        return Restorable(
            f"{' and '.join(part for part in parts if part) or 'painted labels'} from {when}"
        )

    def restore(self, annotation: Annotation) -> None:
        """Make the recorded changes on a fresh annotation, and go on with the same journal.

        What was done until now without saving it is offered in its place.

        Raises
        ------
        JournalError
            If the journal cannot be read. Nothing of it is lost.
        """
        found = self.waiting
        if found is None:
            return
        found.replay_onto(annotation)
        self.journal.close()
        self.journal = Journal.resume(found.path, on_error=self._complain)
        self._offers = self._unsaved(besides=found.path)
        if found.damage:
            self._tell(found.damage, "warning")

    def merge_into(self, annotation: Annotation) -> None:
        """Make the recorded changes on an annotation of their own, and offer them no more.

        Raises
        ------
        JournalError
            If the journal cannot be read. Nothing of it is lost.
        """
        found = self.waiting
        if found is not None:
            found.replay_onto(annotation)
            self.discard()

    def discard(self) -> None:
        """Offer it no more, but what is older; the file stays under another name."""
        if self._offers:
            path = set_aside(self._offers[0].path)
            del self._offers[0]
            self._tell(f"the earlier work is kept in {path.name}", "info")

    def record(self, change: Change) -> None:
        """Write a change of the annotation."""
        self.journal.record(change)

    def note_saved(self, path: str) -> None:
        """Remember that all of it is in a file now."""
        self.journal.note_saved(path)

    def note_meta(self, meta: dict[str, Any]) -> None:
        """Remember names and colours of classes, and the like."""
        self.journal.note_meta(meta)

    def close(self) -> None:
        """End the journal; what is not saved is offered the next time."""
        self.journal.close()

    def _unsaved(self, besides: Path | None = None) -> list[Recording]:
        """Journals of this plane of the image that hold what no file has, the newest first."""
        return [
            recording
            for recording in waiting_recordings(self.path, self._header.identity)
            if recording.unsaved
            and recording.holds_work
            and self._fits(recording)
            and recording.path != besides
        ]

    def _fits(self, recording: Recording) -> bool:
        theirs, ours = recording.header, self._header
        return (theirs.shape, tuple(theirs.axes)) == (ours.shape, tuple(ours.axes))

    def _fresh(self) -> Journal:
        return Journal.create(self.path, self._header, on_error=self._complain)

    def _complain(self, text: str) -> None:
        self._tell(text, "warning")


def identity_of(image: Layer, source: str | None) -> str:
    """Identity of an image, from its name, its size and a few of its pixels."""
    data = image.data[0] if image.multiscale else image.data
    shape = tuple(int(size) for size in data.shape)
    middle = tuple(
        slice(max(0, size // 2 - SAMPLE // 2), size // 2 + SAMPLE // 2)
        if axis >= len(shape) - (3 if image.rgb else 2)
        else size // 2
        for axis, size in enumerate(shape)
    )
    sample = np.ascontiguousarray(np.asarray(data[middle])).tobytes()
    return image_identity(image.name, source, shape, data.dtype, sample)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""
