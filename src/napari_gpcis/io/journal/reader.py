"""What a journal holds, and making it all again."""

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
    """What a journal belongs to.

    Attributes
    ----------
    identity : str
        Of the image, as `image_identity` gives it.
    shape : tuple of int
        Slices, rows and columns.
    axes : tuple of int
        Axes of the layer's data that slices, rows and columns run along.
    mode : {"object", "class"}
    started : str
        When, ISO 8601; filled in when the journal is made, as are the next two.
    program : str
        Version of this program.
    pid : int
        Of the process.
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
        All that was noted, later values in place of earlier ones.
    state : State
        The last one.
    changes : int
        Steps, undone and redone ones included.
    last : datetime
        When the last line was written.
    unsaved : bool
        Whether there were changes since labels and clicks were last saved.
    saved_to : str or None
        Where they were saved.
    closed : bool
        Whether the window was closed in order.
    damage : str
        What was wrong with the rest of the file, for the user; empty if nothing was.
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
        """Clicks of what is not committed."""
        return len(self.state.clicks)

    @property
    def objects(self) -> int:
        """Committed objects."""
        return len(self.state.committed)

    @property
    def holds_work(self) -> bool:
        """Whether there is anything to go on with: clicks, objects, or painted labels."""
        painted = bool(self._done) and any(packed for _, _, packed in self._steps)
        return bool(self.clicks or self.objects or painted)

    @property
    def tail(self) -> tuple[int, int]:
        """Bytes up to which all is well, and the checksum of the line that ends there."""
        return self._end, self._checksum

    @property
    def depths(self) -> tuple[int, int]:
        """Steps that can be undone, and redone."""
        return len(self._done), len(self._undone)

    def replay_onto(self, annotation: Annotation) -> None:
        """Make every change again, undone ones included, and keep the way back through them.

        Only pixels that were changed are written, so that labels of another origin stay. The
        annotation's observers are not told.

        Parameters
        ----------
        annotation : Annotation
            A fresh one, of the same image.

        Raises
        ------
        JournalError
            If it has another shape, or labels cannot be read. It is to be thrown away then.
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
                    "set the journal aside and go on from the saved labels"
                ) from error
            for patch in patches:
                annotation.labels.highest = max(annotation.labels.highest, int(patch.after.max()))
            annotation.replay(kind, after, patches)

    def take(self, record: Record, line: bytes, checksum: int) -> None:
        """Add a record that is sound."""
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
    """Read a journal, up to its first line that is torn or damaged.

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
        if not _took(recording, line):
            recording.damage = _complaint(number, len(lines), journal)
            break
    return recording


def waiting_recordings(path: Path, identity: str) -> list[Recording]:
    """Journals of an image that nobody is writing, the newest first.

    Parameters
    ----------
    path : Path
        As `journal_path` gives it; those that were written beside it count too.
    identity : str
        Of the image; journals of others are left out, as is what cannot be read.
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
    """Recording with nothing but its header."""
    try:
        parsed = parse_line(line, 0)
        if parsed is None or parsed[0].get("format") != FORMAT:
            raise JournalError(
                f"{path} is no journal, or its first line is damaged; give another file"
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


def _took(recording: Recording, line: bytes) -> bool:
    """Whether a line was sound."""
    parsed = parse_line(line, recording.tail[1])
    if parsed is None:
        return False
    try:
        recording.take(parsed[0], line, parsed[1])
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
