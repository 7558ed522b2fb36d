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

__all__ = ["check_ome", "header_elsewhere", "header_of_itself", "of_companion", "require"]

_MOST_HEADER_BYTES = 256 << 20
_MOST_PLANES = 1_000_000
_COUNTS = re.compile(r'\b(Size[ZCT]|PlaneCount|NumPlanes|First[ZCT]|IFD)\s*=\s*"(\d+)"')
_FILES = re.compile(r'\bFileName\s*=\s*"([^"]+)"')
_OF_UUID = re.compile(
    r'<(?:\w+:)?UUID\b[^>]*\bFileName\s*=\s*"([^"]+)"[^>]*?(?:/>|>\s*([^<]*?)\s*<)'
)
_OWN_UUID = re.compile(r'<(?:\w+:)?OME\b[^>]*\bUUID\s*=\s*"([^"]+)"')
_UUID_ELEMENT = re.compile(r"<(?:\w+:)?UUID\b[^>]*?(?:/>|>[^<]*</(?:\w+:)?UUID\s*>)")
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

    Returns
    -------
    str or None
        Empty when the other file is missing, but an ImageJ header says all that is needed, as in
        one position of a set of Micro-Manager.

    Raises
    ------
    ImageFileError
        When the other file is missing.
    """
    description = tiff.pages.first.description if tiff.pages else ""
    other = _METADATA_FILE.search(description)
    if other is None or other[1] == path.name:
        return None
    header = tiff.imagej_metadata
    if header and header.get("images", 1) == len(tiff.pages) and not _is_beside(path, other[1]):
        return ""
    home = _beside(path, other[1])
    if home.suffix.lower() not in (".tif", ".tiff", ".btf", ".tf8", ".tf2"):
        return _text(home)
    walk_chain(home)
    with tifffile.TiffFile(home) as first:
        return str(first.pages.first.description)


def header_of_itself(header: str, path: Path, pages: int, page_size: int) -> str | None:
    """Header of a renamed file, changed so that it means the file; None if it is no such one.

    Parameters
    ----------
    header : str
        OME-XML that the file holds.
    path : Path
        The file, under its present name.
    pages : int
        Number of its pages.
    page_size : int
        Number of pixels of the first page.
    """
    named = {unescape(name) for name, _ in _OF_UUID.findall(header)}
    if len(named) != 1 or _is_beside(path, *named) or _OWN_UUID.search(header):
        return None
    sizes = (_sizes(pixels) for pixels in _pixels(header))
    planes = sum(math.prod(numbers) // max(page_size, 1) for numbers in sizes)
    return _UUID_ELEMENT.sub("", header) if 0 < planes <= pages else None


def check_ome(header: str, path: Path, pages: int, page_size: int) -> list[str]:
    """Refuse a header that promises more planes than there could be, and check the other files.

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

    Returns
    -------
    list of str
        Names of other files that are missing. Some of the images may do without them.

    Raises
    ------
    ImageFileError, ValueError
    """
    own = _OWN_UUID.search(header)
    # A file that was renamed is still known by its identifier.
    others = dict.fromkeys(
        unescape(name) for name, uuid in _OF_UUID.findall(header) if not own or uuid != own[1]
    )
    others |= dict.fromkeys(
        unescape(name) for name in _FILES.findall(_UUID_ELEMENT.sub("", header))
    )
    missing = []
    for name in others:
        if name.lower() == path.name.lower():
            continue
        if _is_beside(path, name):
            walk_chain(_beside(path, name))
        elif _last_part(name) != name:
            _beside(path, name)  # refuses it: tifffile would look for it elsewhere
        else:
            missing.append(name)
    most = max(_MOST_PLANES, 1000 * pages)
    for name, number in _COUNTS.findall(header):
        if int(number) > most:
            raise ValueError(f"its OME header says {name}={number}, but it has {pages} pages")
    for pixels in _pixels(header):
        planes = math.prod(_sizes(pixels)) // max(page_size, 1)
        if planes > most:
            raise ValueError(f"its OME header promises {planes} planes, but it has {pages} pages")
    return missing


def require(path: Path, name: str) -> None:
    """Refuse a TIFF of a set of which another file is missing.

    Raises
    ------
    ImageFileError
    """
    _beside(path, name)


def _pixels(header: str) -> list[str]:
    return re.findall(r"<[^>]*\bPixels\b[^>]*>", header)


def _sizes(pixels: str) -> list[int]:
    return [int(number) for number in re.findall(r'\bSize[XYZCT]\s*=\s*"(\d+)"', pixels)]


def _last_part(name: str) -> str:
    return re.split(r"[\\/]", unescape(name))[-1]


def _is_beside(path: Path, name: str) -> bool:
    return (path.parent / _last_part(name)).is_file()


def _beside(path: Path, name: str) -> Path:
    # A header is no place to point anywhere else in the file system.
    other = path.parent / _last_part(name)
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
