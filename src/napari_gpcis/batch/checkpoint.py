"""What a run has done so far, kept in a folder beside its output, so that it can be resumed.

A run that is killed leaves at most one record cut short, which the next one throws away. A record
is found again by its number; a later one with the same number takes the place of an earlier one.
"""

from __future__ import annotations

import glob
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
from napari_gpcis.io.files import lock, os_errors_as_output_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Self

__all__ = ["JobCheckpoint", "PageStore"]

_SECONDS_BETWEEN_TRIES = 0.2
# number, length and checksum of what follows
_HEAD = struct.Struct("<qQI")


class PageStore:
    """Numbered records that outlive the process.

    Methods may be called from several threads at once.

    Parameters
    ----------
    path : Path
        Of the file.
    fingerprint : str
        Says what the records belong to. Those of a file with another one are dropped.
    resume : bool
        Whether to keep what is there.

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
            Any.
        content : bytes
            Given back as it is.

        Raises
        ------
        OutputFileError
            When there is no space left. What was there before still is.
        """
        head = _HEAD.pack(number, len(content), zlib.crc32(content))
        with self._lock, os_errors_as_output_errors(self.path):
            self._file.seek(self._end)
            self._file.write(head + content)
            # to the system, which keeps it when this process is killed
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
        """Note where the whole records are; where the first one that is not would begin."""
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
    """Spools of one output; a context manager that removes them at the end.

    Where the block is left by an error they are removed too, unless `resume`. A killed process
    removes nothing: a later run with `resume` finds them, one without begins anew.

    Parameters
    ----------
    output : Path
        What is being made.
    fingerprint : str
        Of the job.
    resume : bool
        Whether to go on from what is there.
    others : iterable of Path
        What the run makes besides. Temporary files that a killed one left of any are removed.
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
        self.path = target.with_name(f".{target.name}.work")
        self._fingerprint = fingerprint
        self._resume = resume
        self._stores: list[PageStore] = []
        give_up = time.monotonic() + patience
        while not self._take(output):
            if time.monotonic() > give_up:
                raise OutputFileError(
                    f"cannot write {output}: another run is making it; wait for it or choose "
                    "another name"
                )
            time.sleep(_SECONDS_BETWEEN_TRIES)
        for made in (target, *(path.resolve() for path in others)):
            for stale in made.parent.glob(f".{glob.escape(made.name)}.*.part"):
                _remove(stale)

    def _take(self, output: Path) -> bool:
        """Make the folder, and keep others out of it; false if another run does."""
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
        """Records of one kind."""
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
