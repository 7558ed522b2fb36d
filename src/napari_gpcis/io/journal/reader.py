"""Read journals and replay the work that they record."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_gpcis.engine.document.history import State
from napari_gpcis.io.errors import JournalError
from napari_gpcis.io.journal.locations import in_use, siblings
from napari_gpcis.io.journal.records import Record, apply_difference, parse_line, unpack_patch

if TYPE_CHECKING:
    import os

    from napari_gpcis.engine.document.annotation import Annotation, Kind

__all__ = ["FORMAT", "VERSION", "JournalHeader", "Recording", "read_journal", "waiting_recordings"]

FORMAT = "napari-gpcis journal"
VERSION = 1


@dataclass(frozen=True, slots=True)
class JournalHeader:
    """Header of a journal: the image, and the program that wrote it.

    Attributes
    ----------
    identity : str
        Identity of the image, from `image_identity`.
    shape : tuple of int
        Number of slices, rows and columns.
    axes : tuple of int
        Axes of the layer's data that slices, rows and columns run along.
    mode : {"object", "class"}
    started : str
        Time in ISO 8601; filled in when the journal is made, as are the next two.
    program : str
        Version of napari-gpcis.
    pid : int
        Process id.
    """

    identity: str
    shape: tuple[int, int, int]
    axes: tuple[int, ...]
    mode: Literal["object", "class"]
    started: str = ""
    program: str = ""
    pid: int = 0


@dataclass(slots=True, eq=False)
class Recording:
    """A journal that was read.

    Attributes
    ----------
    path : Path
    header : JournalHeader
    meta : dict
        Noted values by name; of several the latest.
    state : State
        The last state.
    changes : int
        Number of steps, undone and redone ones included.
    last : datetime
        Time at which the last line was written.
    unsaved : bool
        True if there were changes since labels and clicks were last saved.
    saved_to : str or None
        Path to which they were saved.
    closed : bool
        True if the window was closed in the ordinary way.
    damage : str
        Sentence for the user on the part that cannot be read; empty if all can.
    """

    path: Path
    header: JournalHeader
    last: datetime
    meta: dict[str, Any] = field(default_factory=dict)
    state: State = field(default_factory=State)
    changes: int = 0
    unsaved: bool = False
    saved_to: str | None = None
    closed: bool = False
    damage: str = ""
    _end: int = 0
    _checksum: int = 0
    _steps: list[tuple[Kind, State | None, list[Record]]] = field(default_factory=list)
    _done: list[State] = field(default_factory=list)
    _undone: list[State] = field(default_factory=list)

    @property
    def clicks(self) -> int:
        """Number of clicks of objects that are not committed."""
        return len(self.state.clicks)

    @property
    def objects(self) -> int:
        """Number of committed objects."""
        return len(self.state.committed)

    @property
    def holds_work(self) -> bool:
        """Whether there is anything to go on with: clicks, objects, or painted labels."""
        painted = bool(self._done) and any(packed for _, _, packed in self._steps)
        return bool(self.clicks or self.objects or painted)

    @property
    def tail(self) -> tuple[int, int]:
        """Number of undamaged bytes, and the checksum of the line that ends there."""
        return self._end, self._checksum

    @property
    def depths(self) -> tuple[int, int]:
        """Number of steps that can be undone, and redone."""
        return len(self._done), len(self._undone)

    def replay_onto(self, annotation: Annotation) -> None:
        """Make every change again, undone ones included, so that all can be undone.

        Only changed pixels are written, so that labels from elsewhere stay. The
        annotation's observers are not told.

        Parameters
        ----------
        annotation : Annotation
            An unused annotation of the same image.

        Raises
        ------
        JournalError
            If it has another shape, or labels cannot be read. Do not use it afterwards.
        """
        if tuple(annotation.shape) != self.header.shape:
            raise JournalError(
                f"{self.path} is of an image of shape {self.header.shape}, got "
                f"{tuple(annotation.shape)}; open the image that it was made on"
            )
        for number, (kind, after, packed) in enumerate(self._steps, 1):
            try:
                patches = [unpack_patch(patch, annotation.labels) for patch in packed]
            except (ValueError, TypeError, LookupError, zlib.error) as error:
                raise JournalError(
                    f"cannot read the labels of change {number} in {self.path} ({error}); "
                    "set the journal aside and continue from the saved labels"
                ) from error
            for patch in patches:
                annotation.labels.highest = max(annotation.labels.highest, int(patch.after.max()))
            annotation.replay(kind, after, patches)

    def append(self, record: Record, line: bytes, checksum: int) -> None:
        """Add an undamaged record."""
        kind, last = record["k"], datetime.fromtimestamp(record["t"])
        if kind in ("step", "undo", "redo"):
            self._change(kind, record)
        elif kind == "base":
            self.state = apply_difference(self.state, record["state"])
        elif kind == "meta":
            self.meta.update(record["meta"])
        elif kind == "saved":
            self.unsaved, self.saved_to = False, record["path"]
        elif kind != "closed":
            raise ValueError(f"expected a known kind of record, got {kind!r}")
        self.closed = kind == "closed"
        self.last = last
        self._end += len(line)
        self._checksum = checksum

    def _change(self, kind: Kind, record: Record) -> None:
        after: State | None = None
        if kind == "step":
            after = apply_difference(self.state, record.get("state", {}))
            self._done.append(self.state)
            self._undone.clear()
            self.state = after
        else:
            stacks = self._done, self._undone
            source, target = stacks if kind == "undo" else stacks[::-1]
            state = source.pop()
            target.append(self.state)
            self.state = state
        self._steps.append((kind, after, record.get("patches", [])))
        self.changes += 1
        self.unsaved = True


def read_journal(path: str | os.PathLike[str]) -> Recording:
    """Read a journal up to its first torn or damaged line.

    Raises
    ------
    JournalError
        If it cannot be read, is no journal, or was written by a newer version.
    """
    journal = Path(path)
    try:
        content = journal.read_bytes()
    except OSError as error:
        raise JournalError(
            f"cannot read {journal}: {error.strerror}; check its name and folder"
        ) from error
    lines = content.splitlines(keepends=True)
    recording = _begin(journal, lines[0] if lines else b"")
    for number, line in enumerate(lines[1:], 2):
        if not _try_append(recording, line):
            recording.damage = _complaint(number, len(lines), journal)
            break
    return recording


def waiting_recordings(path: Path, identity: str) -> list[Recording]:
    """Journals of an image that are not in use, newest first.

    Parameters
    ----------
    path : Path
        Path from `journal_path`; numbered journals beside it count too.
    identity : str
        Identity of the image; other images' journals and unreadable ones are left out.
    """
    found = []
    for journal in siblings(path):
        if in_use(journal):
            continue
        try:
            recording = read_journal(journal)
        except JournalError:
            continue
        if recording.header.identity == identity:
            found.append(recording)
    return sorted(found, key=lambda recording: recording.last, reverse=True)


def _begin(path: Path, line: bytes) -> Recording:
    """Recording that has its header only."""
    try:
        parsed = parse_line(line, 0)
        if parsed is None or parsed[0].get("format") != FORMAT:
            raise JournalError(
                f"{path} is not a journal, or its first line is damaged; give another file"
            )
        record, checksum = parsed
        if record["version"] != VERSION:
            raise JournalError(
                f"{path} has format {record['version']}, this version reads {VERSION}; "
                "update napari-gpcis"
            )
        header = JournalHeader(
            record["identity"],
            tuple(record["shape"]),
            tuple(record["axes"]),
            record["mode"],
            record["started"],
            record["program"],
            record["pid"],
        )
        started = datetime.fromisoformat(header.started)
    except (KeyError, TypeError) as error:
        raise JournalError(f"{path} lacks {error} in its header; give another file") from error
    return Recording(path, header, started, _end=len(line), _checksum=checksum)


def _try_append(recording: Recording, line: bytes) -> bool:
    """Add the record of a line; False if the line is damaged."""
    parsed = parse_line(line, recording.tail[1])
    if parsed is None:
        return False
    try:
        recording.append(parsed[0], line, parsed[1])
    except (ValueError, TypeError, LookupError, AttributeError, zlib.error):
        return False
    return True


def _complaint(number: int, lines: int, path: Path) -> str:
    if number == lines:
        return f"the last line of {path.name} is incomplete; all before it is restored"
    return (
        f"line {number} of {lines} in {path.name} is damaged; what came before it is restored, "
        "what came after it is lost"
    )
