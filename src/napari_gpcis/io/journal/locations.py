"""Where journals lie, whose they are, and which of them somebody is writing."""

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
    """What an image is known by, in this run and in later ones.

    Parameters
    ----------
    name : str
        Of the layer; counts only where there is no file.
    source_path : str or None
        The image's file. Its folder does not count: folders are moved and mounted elsewhere.
    shape : tuple of int
        Of the layer's data.
    dtype : dtype
        Of the layer's data.
    sample : bytes
        Some of the pixels, always the same ones.
    """
    called = _last_part(source_path) if source_path else name
    size = "×".join(map(str, shape))
    digest = hashlib.sha256(f"{called}|{size}|{dtype}|".encode() + sample).hexdigest()
    return f"{called} {size} {dtype} {digest[:16]}"


def journal_path(image_path: str | os.PathLike[str] | None, identity: str, *, beside: bool) -> Path:
    """Where the journal of an image belongs.

    Parameters
    ----------
    image_path : path or None
        The image's file or folder.
    identity : str
        As `image_identity` gives it.
    beside : bool
        Beside the image, where its folder can be written to; else among the user's own data.
    """
    if beside and image_path is not None:
        image = Path(image_path)
        if _writable(image.parent):
            return image.with_name(image.name + _SUFFIX)
    # Only asked for here, as it is for this place alone.
    from platformdirs import user_data_path

    called = _last_part(image_path) if image_path is not None else identity.rsplit(" ", 3)[0]
    plain = re.sub(r"[^\w.-]+", "_", called).strip("._")[:60] or "image"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
    folder = user_data_path("napari-gpcis", appauthor=False) / "journals"
    return folder / f"{plain}-{digest}{_SUFFIX}"


def numbered(path: Path) -> Iterator[Path]:
    """A journal's path and, for when that is taken, the same with 2, 3 and so on."""
    stem = path.name.removesuffix(".jsonl")
    return chain([path], (path.with_name(f"{stem}-{number}.jsonl") for number in count(2)))


def siblings(path: Path) -> list[Path]:
    """The journals that there are under the names of `numbered`."""
    stem = re.escape(path.name.removesuffix(".jsonl"))
    pattern = re.compile(rf"{stem}(-\d{{1,6}})?\.jsonl")
    with suppress(OSError):
        return [found for found in path.parent.iterdir() if pattern.fullmatch(found.name)]
    return []


def set_aside(path: str | os.PathLike[str]) -> Path:
    """Rename a journal by the time of its last change, so that it is not offered again.

    Returns
    -------
    Path
        Its new name.

    Raises
    ------
    JournalError
        If it is being written, or cannot be renamed.
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
    """A free name with the time of the last change."""
    time = datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y%m%dT%H%M%S")
    dated = path.with_name(f"{path.name.removesuffix('.jsonl')}-{time}.jsonl")
    return next(name for name in numbered(dated) if not name.exists())


def in_use(path: Path) -> bool:
    """Whether somebody is writing a journal, here or in another process."""
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
    """Whether files can be made there; permissions alone do not tell on all systems."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
