"""A journal of everything done to an image, with a line for each change.

Lines go to the system at once, so that a crash of the program loses nothing, and to the disk about
once a second, so that a power failure loses little. Trouble with the disk never disturbs a click:
lines that cannot be written wait and are tried again.
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
    """Steps that a reader of the journal can undo and redo; None for those of an earlier run."""

    def __init__(self, done: int = 0, undone: int = 0) -> None:
        self.done: list[Step | None] = [None] * done
        self.undone: list[Step | None] = [None] * undone

    def follow(self, kind: Kind, step: Step) -> bool:
        """Do, undo or redo a step; False if a reader could not."""
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
    """A journal that is being written; made by `create` or `resume`.

    Attributes
    ----------
    path : Path
        The file; its name gets a number if it was taken, which shows when the first change is
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
        """Begin a journal. Its file appears with the first change and never replaces another.

        Parameters
        ----------
        path : path
            Path from `journal_path`. If that file exists, the journal's name gets a number.
        header : JournalHeader
            Image that the journal belongs to.
        on_error : callable, optional
            Called once, in the caller's thread, with a sentence when lines cannot be written.
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
        """Continue a journal after its last undamaged line.

        A torn last line is cut off. If more is damaged, the file is first copied to a name with its
        time.

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
                f"cannot continue {path}: {error.strerror}; begin a new journal"
            ) from error
        except JournalError:
            journal._release()
            raise
        return journal

    def record(self, change: Change) -> None:
        """Write a change; an observer of an annotation. Trouble with the disk raises nothing.

        Parameters
        ----------
        change : Change
            The next change of the one annotation that is recorded.
        """
        if self._closed:
            return
        kind, step = change.kind, change.step
        before, after, patches = step.before, step.after, step.patches
        if kind == "undo":
            before, after = after, before
        if not self._steps.follow(kind, step):
            # The step is older than the journal: its undoing is recorded as a step of its own.
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
        """Record that labels and clicks were saved."""
        self._note({"k": "saved", "t": _now(), "path": os.fspath(path)})

    def note_meta(self, meta: dict[str, Any]) -> None:
        """Record further values worth restoring, by name; JSON has to hold them.

        Raises
        ------
        TypeError
            If JSON cannot hold it.
        """
        self._note({"k": "meta", "t": _now(), "meta": meta})

    def close(self) -> None:
        """Record the ordinary end of the work and close the file; nothing is written afterwards."""
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
        """Write the waiting lines as far as the system takes them."""
        try:
            if self._file is not None and self._deleted(self._file):
                self._write_again(self._file)
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
        """Make the file under the first free name."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for path in numbered(self.path):
            with suppress(FileExistsError):
                self._file = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o666)
                self.path = path
                lock(self._file)
                return

    def _deleted(self, file: int) -> bool:
        return os.fstat(file).st_nlink == 0 and not self.path.exists()

    def _write_again(self, file: int) -> None:
        """Write a deleted file again: the open handle still has its content."""
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
        """On the timer's thread: retry waiting lines, and sync the file to the disk."""
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
            # Without the lock: a disk may take its time, and clicks must not wait for it.
            try:
                os.fsync(copy)
                self._no_sync = None
            except OSError as error:
                self._no_sync = self._complaint(error)
            finally:
                os.close(copy)

    def _report(self) -> None:
        """Report trouble once, until it is over."""
        trouble = self._no_write or self._no_sync
        if trouble and not self._reported and self._on_error is not None:
            self._on_error(trouble)
        self._reported = trouble is not None

    def _complaint(self, error: OSError) -> str:
        return (
            f"cannot write the journal {self.path} ({error.strerror}); free some space or check "
            "its folder: until then, new work is lost if napari crashes"
        )

    def _release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _now() -> float:
    return round(time.time(), 1)
