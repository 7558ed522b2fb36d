"""A journal of everything done to an image: one line for each change, written before it counts.

Lines go to the system at once, so that a crash of the program loses nothing, and to the disk about
once a second, so that a power failure loses little. No trouble with the disk ever reaches a click:
lines that cannot be written wait, and are tried again.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_gpcis.engine.document.history import State, Step
from napari_gpcis.engine.document.label_store import Patch
from napari_gpcis.io.errors import JournalError
from napari_gpcis.io.files import lock
from napari_gpcis.io.journal.locations import aside, numbered
from napari_gpcis.io.journal.reader import FORMAT, VERSION, JournalHeader, read_journal
from napari_gpcis.io.journal.records import Record, difference, pack_patch, to_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.engine.document.annotation import Change, Kind

__all__ = ["Journal"]

SECONDS_BETWEEN_SYNCS = 1.0
_OPEN = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)


class _StepStack:
    """Steps back and ahead as a reader of the journal has them; None for one of an earlier run."""

    def __init__(self, done: int = 0, undone: int = 0) -> None:
        self.done: list[Step | None] = [None] * done
        self.undone: list[Step | None] = [None] * undone

    def follow(self, kind: Kind, step: Step) -> bool:
        """Go a step; false if this way does not lead there."""
        if kind == "step":
            self.done.append(step)
            self.undone.clear()
            return True
        source, target = (self.done, self.undone) if kind == "undo" else (self.undone, self.done)
        if not source or source[-1] not in (None, step):
            return False
        target.append(source.pop() or step)
        return True


class Journal:
    """The journal that is being written; made by `create` or `resume`.

    Attributes
    ----------
    path : Path
        Of the file; under a number if its name was taken, which shows when the first change is
        recorded.
    """

    def __init__(self, path: Path, on_error: Callable[[str], None] | None) -> None:
        self.path = path
        self._on_error = on_error
        self._file: int | None = None
        self._state = State()
        self._checksum = 0
        self._waiting = bytearray()
        self._steps = _StepStack()
        self._no_write: str | None = None
        self._no_sync: str | None = None
        self._reported = False
        self._began = False
        self._closed = False
        self._lock = threading.Lock()
        self._settling = threading.Lock()
        self._timer: threading.Timer | None = None

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        header: JournalHeader,
        *,
        on_error: Callable[[str], None] | None = None,
    ) -> Journal:
        """Begin a journal. Its file appears with the first change; none is ever overwritten.

        Parameters
        ----------
        path : path
            As `journal_path` gives it. If there is a file, or another window is faster, the
            journal gets a number.
        header : JournalHeader
            What it belongs to.
        on_error : callable, optional
            Told once, in the caller's thread, when lines cannot be written.
        """
        journal = cls(Path(path), on_error)
        full = replace(
            header,
            started=datetime.now().isoformat(timespec="seconds"),
            program=version("napari-gpcis"),
            pid=os.getpid(),
        )
        journal._line({"format": FORMAT, "version": VERSION, **asdict(full)})
        return journal

    @classmethod
    def resume(
        cls, path: str | os.PathLike[str], *, on_error: Callable[[str], None] | None = None
    ) -> Journal:
        """Go on writing a journal that was read, after what is sound of it.

        A torn last line is cut off. If more than that is damaged, the file is copied first, under
        a name with its time.

        Raises
        ------
        JournalError
            If it is no journal, is in use, or cannot be written.
        """
        journal = cls(Path(path), on_error)
        try:
            journal._reopen()
        except OSError as error:
            journal._release()
            raise JournalError(
                f"cannot go on with {path}: {error.strerror}; begin a new journal"
            ) from error
        except JournalError:
            journal._release()
            raise
        return journal

    def record(self, change: Change) -> None:
        """Write a change; to be one of an annotation's observers. No trouble of the disk's raises.

        Parameters
        ----------
        change : Change
            One after the other, from a single annotation.
        """
        if self._closed:
            return
        kind, step = change.kind, change.step
        before, after, patches = step.before, step.after, step.patches
        if kind == "undo":
            before, after = after, before
        if not self._steps.follow(kind, step):
            # From before the journal began: for a reader it can only be a step of its own.
            if kind == "undo":
                patches = tuple(Patch(p.z, p.box, p.after, p.before) for p in reversed(patches))
            kind, step = "step", Step(before, after, patches)
            self._steps.follow(kind, step)
        with self._lock:
            if before is not self._state and (unknown := difference(self._state, before)):
                self._line({"k": "base", "t": _now(), "state": unknown})
            record: Record = {"k": kind, "t": _now()}
            if kind == "step":
                record["state"] = difference(before, after)
                record["patches"] = [pack_patch(patch) for patch in patches]
            self._line({name: value for name, value in record.items() if value})
            self._state = after
            self._began = True
            self._write()
        self._report()

    def note_saved(self, path: str | os.PathLike[str]) -> None:
        """Write that labels and clicks were saved."""
        self._note({"k": "saved", "t": _now(), "path": os.fspath(path)})

    def note_meta(self, meta: dict[str, Any]) -> None:
        """Write what else is worth restoring: what JSON can hold, by name.

        Raises
        ------
        TypeError
            If JSON cannot hold it.
        """
        self._note({"k": "meta", "t": _now(), "meta": meta})

    def close(self) -> None:
        """Write that the work ended in order, and let the file go. Nothing can be written then."""
        if self._closed:
            return
        self._note({"k": "closed", "t": _now()})
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        with self._settling:
            if self._file is not None:
                with suppress(OSError):
                    os.fsync(self._file)
            self._release()

    def _note(self, record: Record) -> None:
        if self._closed:
            return
        with self._lock:
            self._line(record)
            # Notes alone are not worth a file.
            if self._began:
                self._write()
        self._report()

    def _line(self, record: Record) -> None:
        line, self._checksum = to_line(record, self._checksum)
        self._waiting += line

    def _write(self) -> None:
        """Write what waits, as far as the system takes it."""
        try:
            if self._file is not None and self._deleted(self._file):
                self._take_back(self._file)
            if self._file is None:
                self._open()
            while self._waiting and self._file is not None:
                del self._waiting[: os.write(self._file, self._waiting)]
            self._no_write = None
        except OSError as error:
            self._no_write = self._complaint(error)
        if self._timer is None:
            self._timer = threading.Timer(SECONDS_BETWEEN_SYNCS, self._settle)
            self._timer.daemon = True
            self._timer.start()

    def _open(self) -> None:
        """Make the file, under the first name that is free."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for path in numbered(self.path):
            with suppress(FileExistsError):
                self._file = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o666)
                self.path = path
                lock(self._file)
                return

    def _deleted(self, file: int) -> bool:
        return os.fstat(file).st_nlink == 0 and not self.path.exists()

    def _take_back(self, file: int) -> None:
        """Write again what somebody deleted: the open file still has it."""
        os.lseek(file, 0, os.SEEK_SET)
        self._waiting[:0] = os.read(file, os.fstat(file).st_size)
        self._release()

    def _reopen(self) -> None:
        self._file = os.open(self.path, _OPEN)
        if not lock(self._file):
            raise JournalError(f"{self.path} is in use; close its window first")
        recording = read_journal(self.path)
        end, self._checksum = recording.tail
        rest = os.fstat(self._file).st_size - end
        if rest:
            os.lseek(self._file, end, os.SEEK_SET)
            if b"\n" in os.read(self._file, rest)[:-1]:
                shutil.copy2(self.path, aside(self.path))
            os.ftruncate(self._file, end)
        self._state, self._steps = recording.state, _StepStack(*recording.depths)
        self._began = True

    def _settle(self) -> None:
        """On a timer's thread: try again what could not be written, and have it on the disk."""
        with self._settling:
            with self._lock:
                self._timer = None
                if self._closed:
                    return
                if self._waiting:
                    self._write()
                if self._file is None:
                    return
                copy = os.dup(self._file)
            # Without the lock: a disk may take its time, and clicks go on meanwhile.
            try:
                os.fsync(copy)
                self._no_sync = None
            except OSError as error:
                self._no_sync = self._complaint(error)
            finally:
                os.close(copy)

    def _report(self) -> None:
        """Tell of trouble once, until it is over."""
        trouble = self._no_write or self._no_sync
        if trouble and not self._reported and self._on_error is not None:
            self._on_error(trouble)
        self._reported = trouble is not None

    def _complaint(self, error: OSError) -> str:
        return (
            f"cannot write the journal {self.path} ({error.strerror}); free some space or check "
            "its folder: what is done now is lost if napari crashes before"
        )

    def _release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _now() -> float:
    return round(time.time(), 1)
