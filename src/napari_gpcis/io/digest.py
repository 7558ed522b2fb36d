"""Whether two outputs are the same."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

__all__ = ["content_digest"]


def content_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, or of the names and contents of all files of a folder.

    Returns
    -------
    str
        64 hexadecimal digits; of a file the ones that ``sha256sum`` prints.
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
