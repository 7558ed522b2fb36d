"""Paths of journals, the images that they belong to, and the ones in use."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from contextlib import suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from napari_gpcis.io.errors import JournalError
from napari_gpcis.io.files import lock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["image_identity", "in_use", "journal_path", "numbered", "set_aside", "siblings"]

_SUFFIX = ".gpcis-journal.jsonl"


def image_identity(
    name: str, source_path: str | None, shape: tuple[int, ...], dtype: object, sample: bytes
) -> str:
    """Text that identifies an image in this run and in later ones.

    Parameters
    ----------
    name : str
        Name of the layer; counts only where there is no file.
    source_path : str or None
        File of the image. Its folder does not count, as folders are moved.
    shape : tuple of int
        Shape of the layer's data.
    dtype : dtype
        Type of the layer's data.
    sample : bytes
        Bytes of some of the pixels, always the same ones.
    """
    called = _last_part(source_path) if source_path else name
    size = "×".join(map(str, shape))
    digest = hashlib.sha256(f"{called}|{size}|{dtype}|".encode() + sample).hexdigest()
    return f"{called} {size} {dtype} {digest[:16]}"


def journal_path(image_path: str | os.PathLike[str] | None, identity: str, *, beside: bool) -> Path:
    """Path of the journal of an image.

    Parameters
    ----------
    image_path : path or None
        File or folder of the image.
    identity : str
        Identity from `image_identity`.
    beside : bool
        True to put it beside the image, if that folder can be written to; otherwise it goes
        into the user's data folder.
    """
    if beside and image_path is not None:
        image = Path(image_path)
        if _writable(image.parent):
            return image.with_name(image.name + _SUFFIX)
    from platformdirs import user_data_path

    called = _last_part(image_path) if image_path is not None else identity.rsplit(" ", 3)[0]
    plain = re.sub(r"[^\w.-]+", "_", called).strip("._")[:60] or "image"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
    folder = user_data_path("napari-gpcis", appauthor=False) / "journals"
    return folder / f"{plain}-{digest}{_SUFFIX}"


def numbered(path: Path) -> Iterator[Path]:
    """A journal's path, and the same with 2, 3 and so on for when that is taken."""
    stem = path.name.removesuffix(".jsonl")
    return chain([path], (path.with_name(f"{stem}-{number}.jsonl") for number in count(2)))


def siblings(path: Path) -> list[Path]:
    """Existing journals among the names of `numbered`."""
    stem = re.escape(path.name.removesuffix(".jsonl"))
    pattern = re.compile(rf"{stem}(-\d{{1,6}})?\.jsonl")
    with suppress(OSError):
        return [found for found in path.parent.iterdir() if pattern.fullmatch(found.name)]
    return []


def set_aside(path: str | os.PathLike[str]) -> Path:
    """Add the time of its last change to a journal's name, so that it is not offered again.

    Returns
    -------
    Path
        The new path.

    Raises
    ------
    JournalError
        If it is in use, or cannot be renamed.
    """
    journal = Path(path)
    try:
        if in_use(journal):
            raise JournalError(f"cannot set {journal} aside: it is in use; close its window first")
        target = aside(journal)
        journal.rename(target)
    except OSError as error:
        raise JournalError(
            f"cannot set {journal} aside: {error.strerror}; check its folder"
        ) from error
    return target


def aside(path: Path) -> Path:
    """Free path that has the time of the last change in its name."""
    time = datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y%m%dT%H%M%S")
    dated = path.with_name(f"{path.name.removesuffix('.jsonl')}-{time}.jsonl")
    return next(name for name in numbered(dated) if not name.exists())


def in_use(path: Path) -> bool:
    """True if this or another process is writing a journal."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not lock(file)
    finally:
        os.close(file)


def _last_part(path: str | os.PathLike[str]) -> str:
    """Last part of a path or address."""
    return re.split(r"[/\\]", os.fspath(path).rstrip("/\\"))[-1]


def _writable(folder: Path) -> bool:
    """True if files can be made there; permissions alone do not tell on all systems."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
