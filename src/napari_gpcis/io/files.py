"""Files and folders: written whole or not at all, locked, compared, in the order people read."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from napari_gpcis.io.errors import OutputFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "ZARR_MARKS",
    "atomic_folder",
    "atomic_write",
    "check_suffix",
    "content_digest",
    "hidden_path",
    "is_zarr_folder",
    "lock",
    "natural_order",
    "open_text",
    "os_errors_as_output_errors",
    "stale_parts",
]

# Bytes that file systems allow for a name.
_LONGEST_NAME = 255
_LONGEST_SUFFIX = 24
ZARR_MARKS = (".zarray", ".zgroup", "zarr.json")
"""Files by which a folder is known as a zarr array or group."""
# Locks reach beyond any file's end: where locked bytes cannot be read, all of ours still can.
_LOCKED_BYTE = 1 << 40


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces it when the block succeeds.

    Entering creates the temporary file, so that a folder without write permission is found before
    any work is done. On any exception, Ctrl-C included, the temporary file is removed and an older
    file at `path` stays.

    Raises
    ------
    OutputFileError
        When the system refuses to write: no such folder, no permission, a full disk.
    """
    # Behind a link, the file that it leads to is the one to replace.
    target = Path(path).resolve()
    with os_errors_as_output_errors(path):  # of a name that is too long, say
        if target.is_dir():
            raise OutputFileError(f"cannot write {path}: it is a folder; give the name of a file")
        if target.exists() and not os.access(target, os.W_OK):
            raise OutputFileError(f"cannot write {path}: it is read-only; choose another name")
    part = hidden_path(target, f".{os.getpid()}.part")
    with os_errors_as_output_errors(path):
        part.touch()
    try:
        yield part
        with os_errors_as_output_errors(path):
            os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(
    path: str | os.PathLike[str], kind: str, may_replace: Callable[[Path], bool]
) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, which replaces it when the block succeeds.

    As `atomic_write`; an older folder is moved aside, and removed once the new one is there.

    Parameters
    ----------
    path : path
        Path of the finished folder.
    kind : str
        Kind of folder, as messages call it.
    may_replace : callable
        Returns True if an older folder is of that kind; no other is ever touched.

    Raises
    ------
    OutputFileError
        When the system refuses to write, or something else is at `path`.
    """
    target = Path(path).resolve()
    with os_errors_as_output_errors(path):
        is_taken = target.exists() and not (target.is_dir() and may_replace(target))
    if is_taken:
        raise OutputFileError(
            f"cannot write {path}: it exists and is not a {kind}; choose another name"
        )
    part = hidden_path(target, f".{os.getpid()}.part")
    with os_errors_as_output_errors(path):
        # A process of the same number may have been killed here.
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
    try:
        yield part
        with os_errors_as_output_errors(path):
            _put_in_place(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def hidden_path(target: Path, suffix: str) -> Path:
    """Hidden path beside an output, named after it unless its name is too long for that.

    Parameters
    ----------
    target : Path
        The output.
    suffix : str
        End of the name, of at most 24 characters.
    """
    name = target.name
    if len(os.fsencode(name)) + 1 + _LONGEST_SUFFIX > _LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return target.with_name(f".{name}{suffix}")


def stale_parts(target: Path) -> list[Path]:
    """Temporary paths that processes have left of an output."""
    return list(target.parent.glob(f"{glob.escape(hidden_path(target, '').name)}.*.part"))


def _put_in_place(part: Path, target: Path) -> None:
    """Replace a folder by another, which a rename alone cannot do."""
    if not target.exists():
        part.rename(target)
        return
    aside = part.with_suffix(".old.part")
    target.rename(aside)
    try:
        part.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def os_errors_as_output_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an `OSError` of writing `path` into an error that the user understands.

    Raises
    ------
    OutputFileError
        In place of an `OSError` of the block.
    """
    try:
        yield
    except OSError as error:
        folder = Path(path).resolve().parent
        if error.errno == errno.ENAMETOOLONG:
            reason, remedy = "its name is too long", "choose a shorter one"
        elif folder.is_dir():
            reason = error.strerror or str(error)
            remedy = "choose a folder that you may write to and that has space left"
        else:
            reason, remedy = f"there is no folder {folder}", "make it or choose another name"
        raise OutputFileError(f"cannot write {path}: {reason}; {remedy}") from error


@contextmanager
def open_text(path: str | os.PathLike[str], part: Path) -> Iterator[TextIO]:
    """Open a text file at `part`, which will be put at `path`.

    Raises
    ------
    OutputFileError
        When it cannot be opened or closed; what is written inside the block is the caller's.
    """
    with os_errors_as_output_errors(path):
        file = part.open("w", encoding="utf-8", newline="")
    try:
        yield file
    finally:
        # What is still in its buffer, a full disk refuses here once more.
        with os_errors_as_output_errors(path):
            file.close()


def check_suffix(path: str | os.PathLike[str], suffixes: tuple[str, ...]) -> None:
    """Refuse an output whose name does not end in one of `suffixes`.

    Raises
    ------
    OutputFileError
        When `path` ends in none of `suffixes`.
    """
    if Path(path).suffix.lower() not in suffixes:
        raise OutputFileError(f"cannot write {path}: give it a name that ends in {suffixes[0]}")


def lock(file: int) -> bool:
    """Lock an open file; False if another process or handle has it locked.

    The lock ends when the file is closed or the process dies. Where the file system knows no
    locks, the file counts as locked by us.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def content_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, or of the names and contents of all files in a folder.

    Returns
    -------
    str
        64 hexadecimal digits; for a file those that ``sha256sum`` prints.
    """
    path = Path(path)
    if not path.is_dir():
        return _of_file(path).hex()
    digest = hashlib.sha256()
    files = (file for file in path.rglob("*") if file.is_file())
    for name, file in sorted((file.relative_to(path).as_posix(), file) for file in files):
        # No file name holds a zero byte, and contents are of one length.
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + _of_file(file))
    return digest.hexdigest()


def _of_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def is_zarr_folder(path: Path) -> bool:
    """True if a folder is a zarr array or group, of either format."""
    return any((path / mark).is_file() for mark in ZARR_MARKS)


def natural_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Key to sort names by their numbers as numbers: 2 before 10."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], name
