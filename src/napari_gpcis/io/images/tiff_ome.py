"""OME headers of TIFFs: found in the file that has them, and checked before they are trusted."""

from __future__ import annotations

import math
import re
from html import unescape
from typing import TYPE_CHECKING

import tifffile

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.images.tiff_chain import walk_chain

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_ome", "header_elsewhere", "of_companion"]

_MOST_HEADER_BYTES = 256 << 20
_MOST_PLANES = 1_000_000
_COUNTS = re.compile(r'\b(Size[ZCT]|PlaneCount|NumPlanes|First[ZCT]|IFD)\s*=\s*"(\d+)"')
_FILES = re.compile(r'\bFileName\s*=\s*"([^"]+)"')
_METADATA_FILE = re.compile(r'<[^>]*BinaryOnly[^>]*\bMetadataFile\s*=\s*"([^"]+)"')


def of_companion(path: Path) -> tuple[Path, str]:
    """First TIFF of a set, and the header of all, from the set's companion file.

    Raises
    ------
    ImageFileError
        When it names no TIFF, or that is missing.
    """
    header = _text(path)
    files = _FILES.findall(header)
    if not files:
        raise ImageFileError(f"{path} names no TIFF; open the TIFF itself")
    return _beside(path, files[0]), header


def header_elsewhere(tiff: tifffile.TiffFile, path: Path) -> str | None:
    """Header of a TIFF that refers to another file for it; None if it does not.

    Raises
    ------
    ImageFileError
        When the other file is missing.
    """
    description = tiff.pages.first.description if tiff.pages else ""
    other = _METADATA_FILE.search(description)
    if other is None or other[1] == path.name:
        return None
    home = _beside(path, other[1])
    if home.suffix.lower() not in (".tif", ".tiff", ".btf", ".tf8", ".tf2"):
        return _text(home)
    walk_chain(home)
    with tifffile.TiffFile(home) as first:
        return str(first.pages.first.description)


def check_ome(header: str, path: Path, pages: int, page_size: int) -> None:
    """Refuse a header that names files that are not there, or more planes than there could be.

    Parameters
    ----------
    header : str
        OME-XML.
    path : Path
        The TIFF that was opened.
    pages : int
        Number of its pages.
    page_size : int
        Number of pixels of the first page.

    Raises
    ------
    ImageFileError, ValueError
    """
    for name in dict.fromkeys(_FILES.findall(header)):
        if unescape(name).lower() != path.name.lower():
            walk_chain(_beside(path, name))
    most = max(_MOST_PLANES, 1000 * pages)
    for name, number in _COUNTS.findall(header):
        if int(number) > most:
            raise ValueError(f"its OME header says {name}={number}, but it has {pages} pages")
    for pixels in re.findall(r"<[^>]*\bPixels\b[^>]*>", header):
        sizes = [int(number) for number in re.findall(r'\bSize[XYZCT]\s*=\s*"(\d+)"', pixels)]
        planes = math.prod(sizes) // max(page_size, 1)
        if planes > most:
            raise ValueError(f"its OME header promises {planes} planes, but it has {pages} pages")


def _beside(path: Path, name: str) -> Path:
    # A header is no place to point anywhere else in the file system.
    other = path.parent / re.split(r"[\\/]", unescape(name))[-1]
    if not other.is_file():
        raise ImageFileError(
            f"{path.name} belongs to a set of files of which {other.name} is missing; "
            "copy all of them into one folder"
        )
    return other


def _text(path: Path) -> str:
    if path.stat().st_size > _MOST_HEADER_BYTES:
        raise ImageFileError(f"{path} is too large for an OME header; give the TIFF itself")
    return path.read_text(encoding="utf-8", errors="replace")
