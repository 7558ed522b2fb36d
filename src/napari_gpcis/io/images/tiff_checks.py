"""A stored TIFF page, and checks that its header can be true."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from tifffile import TiffPage

__all__ = [
    "JPEG",
    "StoredPage",
    "check_picture",
    "check_plain",
    "check_segments",
    "segment_grid",
]

_MOST_BYTES = 1 << 30
# Bytes that can come out of one at most: deflate copies 258 bytes for 2 bits, a code of LZW stands
# for less than 4,096 bytes in no less than 12 bits once it is that long, PackBits repeats 64 times.
_EXPANSION = {1: 1, 8: 1040, 32946: 1040, 50013: 1040, 5: 2800, 32773: 65}
# Other codecs have no such bound: beyond this and _SUSPECT_BYTES a header is taken for damaged.
_SUSPECT_EXPANSION = 2000
_SUSPECT_BYTES = 256 << 20
JPEG = (6, 7, 34892, 33007)
_FAX = (2, 3, 4)
# Padding that a writer may add to uncompressed pixels.
_PADDING = 4096


@dataclass(frozen=True, slots=True)
class StoredPage:
    """Location and storage of the pixels of a page.

    Attributes
    ----------
    key : TiffPage
        A page that stores its pixels alike.
    dtype : numpy.dtype
        Type of a pixel.
    offsets, counts : sequence of int
        Places of strips or tiles in the file, and their numbers of bytes.
    tables : bytes or None
        Tables that JPEG segments share.
    path : Path
        File that holds the page; not always the one that was opened.
    file_size : int
        Number of bytes of the file.
    read_bytes : callable
        Returns bytes of the file, given offset and number.
    headers, starts : ndarray of int64
        Places at which headers and pixels of pages begin in the file, ascending.
    name : hashable
        Key that tells pages apart.
    """

    key: TiffPage
    dtype: np.dtype[Any]
    offsets: Sequence[int]
    counts: Sequence[int]
    tables: bytes | None
    path: Path
    file_size: int
    read_bytes: Callable[[int, int], bytes]
    headers: NDArray[np.int64]
    starts: NDArray[np.int64]
    name: Hashable

    def mapped(self, offset: int, shape: Sequence[int]) -> NDArray[Any]:
        """Map uncompressed pixels into memory, for one read; the caller copies what it needs.

        A map that is kept would keep a deleted file on the disk and, on Windows, keep it from
        being replaced; and a folder on the network may be gone by the next read.

        Parameters
        ----------
        offset : int
            Byte of the file at which the first pixel lies.
        shape : sequence of int
            Shape of the array that is stored there.

        Raises
        ------
        ValueError
            When the file ends before the array does.
        """
        dtype = self.dtype.newbyteorder(self.key.parent.byteorder)
        if offset + math.prod(shape) * dtype.itemsize > self.path.stat().st_size:
            raise ValueError("the file ends before this slice does")
        return np.asarray(np.memmap(self.path, dtype, "r", offset, tuple(shape)))

    def check_inside(
        self, places: NDArray[Any], sizes: NDArray[Any], several_pages: bool = False
    ) -> None:
        """Check that pixels lie in the file, and over no header and no other page.

        Raises
        ------
        ValueError
        """
        if (sizes <= 0).any() or (places < 8).any() or (places + sizes > self.file_size).any():
            raise ValueError("its header places pixels outside the file")
        starts = self.starts[: 0 if several_pages else None]
        # A page may share all of its bytes with another one, so the same start is no overlap.
        for landmarks, first in ((self.headers, places), (starts, places + 1)):
            before = np.searchsorted(landmarks, first)
            if (before != np.searchsorted(landmarks, places + sizes)).any():
                raise ValueError("its header places pixels where the file has something else")


def segment_grid(key: TiffPage) -> tuple[int, int, int, int]:
    """Rows and columns of a segment, segments across and down."""
    _, _, rows, columns, _ = key.shaped
    if key.is_tiled:
        height, width = key.tilelength, key.tilewidth
    else:
        height, width = key.rowsperstrip, columns
    if height < 1 or width < 1:
        raise ValueError(f"its segments have the size {height} × {width}")
    return height, width, math.ceil(columns / width), math.ceil(rows / height)


def check_plain(page: StoredPage) -> None:
    """Refuse an uncompressed page whose pixels cannot be where, or as many, as its header says.

    Raises
    ------
    ValueError
    """
    if len(page.offsets) == 0:
        raise ValueError("it does not say where its pixels are")
    size = math.prod(page.key.shaped) * page.dtype.itemsize
    page.check_inside(np.asarray(page.offsets[:1], np.int64), np.asarray([size]))
    stored = sum(page.counts)
    # LSM and STK count in their own ways, and beyond 4 GiB nobody can in a classic TIFF.
    trusted = not (page.key.is_lsm or page.key.is_stk) and size < 1 << 32
    if trusted and stored and stored < size:
        raise ValueError(
            f"{stored} bytes of the file cannot hold the {size} that its header promises"
        )


def check_segments(page: StoredPage) -> None:
    """Refuse a page whose segments cannot be where, or as large, as its header says.

    Raises
    ------
    ValueError
    """
    key = page.key
    height, width, across, down = segment_grid(key)
    planes, _, rows, columns, samples = key.shaped
    number = planes * across * down
    offsets, counts = page.offsets, page.counts
    if len(offsets) != number or len(counts) != number:
        raise ValueError(
            f"its header promises {columns} × {rows} pixels in {number} segments, "
            f"but lists {len(offsets)}"
        )
    segment = height * width * samples * page.dtype.itemsize
    if segment > _MOST_BYTES:
        raise ValueError(
            f"it is compressed in pieces of {segment / 2**30:.1f} GiB instead of tiles"
        )
    stored, places = np.asarray(counts, np.int64), np.asarray(offsets, np.int64)
    # Writers leave an empty segment out with a zero in both lists; in one of them, it is damage.
    present = (stored != 0) | (places != 0)
    if not present.any():
        raise ValueError("none of its pixels are in the file")
    page.check_inside(places[present], stored[present])
    _check_apart(places[present], stored[present])
    _check_expansion(page, stored[present], segment, number)


def _check_apart(places: NDArray[Any], stored: NDArray[Any]) -> None:
    """Segments that are equal may share their bytes, but not a part of them."""
    order = np.argsort(places, kind="stable")
    places, ends = places[order], (places + stored)[order]
    if ((places[1:] < ends[:-1]) & (places[1:] != places[:-1])).any():
        raise ValueError("its pixel data overlap")


def _check_expansion(page: StoredPage, stored: NDArray[Any], segment: int, number: int) -> None:
    key = page.key
    bound = _EXPANSION.get(key.compression)
    smallest = int(stored.min())
    # The last strip may be shorter than the others, so of several one row has to fit at least.
    least = segment if number == 1 or key.is_tiled else segment // max(key.rowsperstrip, 1)
    if key.compression == 1:
        least, segment = (
            size * _bits(key) // (8 * page.dtype.itemsize) for size in (least, segment)
        )
        if int(stored.max()) > 2 * segment + _PADDING:
            raise ValueError("its pixels take more of the file than its header says")
    if bound is None:
        bound = _SUSPECT_EXPANSION
        least = least if least > _SUSPECT_BYTES else 0
        if key.compression in _FAX and _bits(key) != 1:
            raise ValueError(f"fax compression cannot hold its pixels of {_bits(key)} bits")
    if least > bound * (smallest + 64 * (key.compression != 1)):
        raise ValueError(
            f"{smallest} bytes of the file cannot hold the {least} that its header promises"
        )


def _bits(key: TiffPage) -> int:
    bits = key.bitspersample
    return sum(bits) // len(bits) if isinstance(bits, tuple) else int(bits)


def check_picture(data: bytes, key: TiffPage) -> None:
    """Refuse a segment that is a picture of its own, but of another size than its header's.

    Raises
    ------
    ValueError
        Before the picture is decoded, whose size decides on the memory that this takes.
    """
    found = _picture_size(data, key.compression)
    height, width, *_ = segment_grid(key)
    _, _, rows, columns, _ = key.shaped
    if found is not None and (found[0] > max(height, rows) or found[1] > max(width, columns)):
        raise ValueError(f"a segment of {width} × {height} pixels claims to hold {found}")


def _picture_size(data: bytes, compression: int) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG 2000, PNG or WebP states; None when it is none."""
    if compression in JPEG:
        return _jpeg_size(data)
    if compression in (33003, 33004, 33005, 34712):
        start = data.find(b"\xff\x4f\xff\x51")
        if 0 <= start and len(data) >= start + 24:
            right, bottom, left, top = np.frombuffer(data, ">u4", 4, start + 8).tolist()
            return bottom - top, right - left
    if compression == 34933 and len(data) >= 24:
        width, height = np.frombuffer(data, ">u4", 2, 16).tolist()
        return height, width
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int.from_bytes(data[place + 5 : place + 7], "big")
            return height, int.from_bytes(data[place + 7 : place + 9], "big")
        if marker == 0xFF:
            place += 1
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None
