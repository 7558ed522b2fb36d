"""Results of an unfinished run, kept in a folder beside its output so that it can be resumed.

A run that is killed leaves at most one record cut short, which the next one throws away. A record
is found again by its number; a later one with the same number takes the place of an earlier one.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
import zlib
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from napari_gpcis.io.errors import OutputFileError
from napari_gpcis.io.files import hidden_path, lock, os_errors_as_output_errors, stale_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Self

__all__ = ["JobCheckpoint", "PageStore"]

_SECONDS_BETWEEN_TRIES = 0.2
# number, length and checksum of what follows
_HEAD = struct.Struct("<qQI")


class PageStore:
    """File of numbered records that outlives the process.

    Methods may be called from several threads at once.

    Parameters
    ----------
    path : Path
        The file.
    fingerprint : str
        Digest of the job that the records belong to; records of another job are dropped.
    resume : bool
        True to keep the records of an earlier run.

    Raises
    ------
    OutputFileError
        When the file cannot be written.
    """

    def __init__(self, path: Path, fingerprint: str, *, resume: bool) -> None:
        self.path = path
        self._places: dict[int, tuple[int, int]] = {}
        self._lock = Lock()
        head = json.dumps({"fingerprint": fingerprint}).encode() + b"\n"
        with os_errors_as_output_errors(path):
            path.touch()
            self._file = path.open("r+b")
            kept = resume and self._file.read(len(head)) == head
            if kept:
                self._end = self._find_records(len(head), os.path.getsize(path))
            else:
                self._file.seek(0)
                self._file.write(head)
                self._end = len(head)
            self._file.truncate(self._end)
            self._file.flush()

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[int]:
        return iter(tuple(self._places))

    def __getitem__(self, number: int) -> bytes:
        """Content of a record.

        Raises
        ------
        KeyError
            If there is none.
        """
        start, length = self._places[number]
        with self._lock:
            self._file.seek(start)
            return self._file.read(length)

    def append(self, number: int, content: bytes) -> None:
        """Add a record.

        Parameters
        ----------
        number : int
            Any number.
        content : bytes
            Bytes to store.

        Raises
        ------
        OutputFileError
            When there is no space left. Earlier records stay.
        """
        head = _HEAD.pack(number, len(content), zlib.crc32(content))
        with self._lock, os_errors_as_output_errors(self.path):
            self._file.seek(self._end)
            self._file.write(head + content)
            # hand it to the system, which keeps it when this process is killed
            self._file.flush()
            self._places[number] = (self._end + len(head), len(content))
            self._end += len(head) + len(content)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find_records(self, start: int, size: int) -> int:
        """Find the whole records; return the end of the last one."""
        while True:
            self._file.seek(start)
            head = self._file.read(_HEAD.size)
            if len(head) < _HEAD.size:
                return start
            number, length, checksum = _HEAD.unpack(head)
            first = start + _HEAD.size
            if first + length > size or zlib.crc32(self._file.read(length)) != checksum:
                return start
            self._places[number] = (first, length)
            start = first + length


class JobCheckpoint:
    """Stores of an unfinished job; a context manager that removes them at the end.

    An error in the block removes them too, unless `resume`. A killed process removes nothing: a
    later run with `resume` continues from them, one without starts again.

    Parameters
    ----------
    output : Path
        Output of the job.
    fingerprint : str
        Digest of the job.
    resume : bool
        True to continue from an earlier run's stores.
    others : iterable of Path
        Further outputs. Temporary files that a killed run left of any output are removed.
    patience : float
        Seconds to wait for another run that is making the same output to end.

    Raises
    ------
    OutputFileError
        When nothing can be written there, or another run is making the same output.
    """

    def __init__(
        self,
        output: Path,
        fingerprint: str,
        *,
        resume: bool,
        others: Iterable[Path] = (),
        patience: float = 0.0,
    ) -> None:
        target = output.resolve()
        self.path = hidden_path(target, ".work")
        self._fingerprint = fingerprint
        self._resume = resume
        self._stores: list[PageStore] = []
        give_up = time.monotonic() + patience
        while not self._acquire(output):
            if time.monotonic() > give_up:
                raise OutputFileError(
                    f"cannot write {output}: another run is making it; wait for it or choose "
                    "another name"
                )
            time.sleep(_SECONDS_BETWEEN_TRIES)
        for made in (target, *(path.resolve() for path in others)):
            for stale in stale_parts(made):
                _remove(stale)

    def _acquire(self, output: Path) -> bool:
        """Make and lock the folder; False if another run has it."""
        with os_errors_as_output_errors(output):
            self.path.mkdir(exist_ok=True)
            try:
                self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT)
            except FileNotFoundError:
                return False  # removed in between: the other run has just ended
        if lock(self._lock):
            return True
        os.close(self._lock)
        return False

    def store(self, name: str) -> PageStore:
        """Open the store of one kind of records."""
        store = PageStore(self.path / f"{name}.spool", self._fingerprint, resume=self._resume)
        self._stores.append(store)
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for store in self._stores:
            store.close()
        if kind is None or not self._resume:
            # a file that is still open cannot be removed everywhere: the lock goes first
            os.close(self._lock)
            _remove(self.path)
        else:
            os.close(self._lock)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
