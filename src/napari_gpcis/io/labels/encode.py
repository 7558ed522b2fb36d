"""Label pages, compressed tile by tile: the form in which they are kept, sent and written.

A tile is a zlib stream of little-endian integers, row by row. TIFF stores tiles in that form, and
zarr's second format chunks, so an encoded page goes into either file as it is.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Protocol

import imagecodecs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from numpy.typing import DTypeLike, NDArray

__all__ = ["TILE", "EncodedPage", "LabelPage", "background_tile", "encode_page", "tile_shape"]

TILE = 512
"""Sides of a tile, in pixels, of pages that are at least as large."""

# Of libdeflate; measured on pages of classes: half the time of zlib's own 5, and fewer bytes.
_LEVEL = 5
# TIFF wants the sides of tiles to be multiples of this.
_MULTIPLE = 16
# rows, columns, tile rows, tile columns, bytes of a label, number of labels
_HEAD = struct.Struct("<IIIIIQ")


class LabelPage(Protocol):
    """Labels of a slice that can be sliced; a numpy array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    def __getitem__(self, key: tuple[slice, slice], /) -> NDArray[Any]:
        """Labels of some rows and columns."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPage:
    """Labels of a slice, compressed; a `LabelPage` itself. Made by `encode_page`.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns.
    dtype : numpy.dtype
        Unsigned integer, little-endian.
    tile : tuple of int
        Rows and columns of a tile; those at the far edges are filled up with background.
    tiles : tuple of bytes
        Compressed tiles, row by row; an empty one stands for background only.
    labels : tuple of int
        Labels on the page, ascending, without background.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    tile: tuple[int, int]
    tiles: tuple[bytes, ...]
    labels: tuple[int, ...]

    @property
    def grid(self) -> tuple[int, int]:
        """Number of tiles down and across."""
        (rows, columns), (height, width) = self.shape, self.tile
        return -(-rows // height), -(-columns // width)

    def __getitem__(self, key: tuple[slice, slice]) -> NDArray[Any]:
        """Labels of some rows and columns, also with a step; decodes the tiles that they meet."""
        rows, columns = (range(size)[part] for part, size in zip(key, self.shape, strict=True))
        # walked through ascending, and turned around at the end
        down, across = (part if part.step > 0 else part[::-1] for part in (rows, columns))
        labels = np.zeros((len(down), len(across)), self.dtype)
        across_parts = list(_parts(across, self.tile[1]))
        for i, inside_rows, to_rows in _parts(down, self.tile[0]):
            for j, inside_columns, to_columns in across_parts:
                content = self.tiles[i * self.grid[1] + j]
                if content:
                    decoded = self._decoded(content)
                    labels[to_rows, to_columns] = decoded[inside_rows, inside_columns]
        return labels[:: 1 if rows.step > 0 else -1, :: 1 if columns.step > 0 else -1]

    def decode(self) -> NDArray[Any]:
        """All labels, as an array of `shape`."""
        return self[:, :]

    def to_bytes(self) -> bytes:
        """Bytes from which `from_bytes` makes the same page, to the last bit."""
        head = _HEAD.pack(*self.shape, *self.tile, self.dtype.itemsize, len(self.labels))
        lengths = np.array([len(tile) for tile in self.tiles], "<u8").tobytes()
        return b"".join((head, np.array(self.labels, "<u8").tobytes(), lengths, *self.tiles))

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Page from `to_bytes`.

        Raises
        ------
        ValueError
            When `content` is cut short.
        """
        if len(content) < _HEAD.size:
            raise ValueError(f"expected an encoded page, got {len(content)} bytes; encode it again")
        rows, columns, height, width, itemsize, count = _HEAD.unpack_from(content)
        number = -(-rows // height) * -(-columns // width)
        start = _HEAD.size + 8 * (count + number)
        table: list[int] = []
        if start <= len(content):
            table = np.frombuffer(content, "<u8", count + number, _HEAD.size).tolist()
        ends = list(accumulate(table[count:], initial=start))
        if ends[-1] != len(content):
            raise ValueError(
                f"expected {ends[-1]} bytes, got {len(content)}; encode the page again"
            )
        tiles = tuple(content[a:b] for a, b in pairwise(ends))
        dtype = np.dtype(f"<u{itemsize}")
        return cls((rows, columns), dtype, (height, width), tiles, tuple(table[:count]))

    def _decoded(self, content: bytes) -> NDArray[Any]:
        return np.frombuffer(zlib.decompress(content), self.dtype).reshape(self.tile)


def encode_page(page: LabelPage, dtype: DTypeLike, tile: int = TILE) -> EncodedPage:
    """Compress a page, one row of tiles in memory at a time; equal pages give equal bytes.

    Parameters
    ----------
    page : LabelPage
        Labels, 0 for background.
    dtype : dtype
        Unsigned integer type to store them as.
    tile : int
        Sides of the tiles, in pixels, a multiple of 16; less where the page is smaller.

    Raises
    ------
    ValueError
        When `dtype` does not hold a label.
    """
    rows, columns = page.shape
    height, width = tile_shape((rows, columns), tile)
    stored = np.dtype(dtype).newbyteorder("<")
    tiles: list[bytes] = []
    labels: set[int] = set()
    for top in range(0, rows, height):
        band = np.asarray(page[top : min(top + height, rows), 0:columns])
        for left in range(0, columns, width):
            part = band[:, left : left + width]
            found = _labels_in(part)
            _check(found, stored)
            labels.update(found)
            tiles.append(_encode_tile(part, found, stored, (height, width)))
    kept = tuple(sorted(labels - {0}))
    return EncodedPage((rows, columns), stored, (height, width), tuple(tiles), kept)


def tile_shape(shape: tuple[int, int], tile: int = TILE) -> tuple[int, int]:
    """Rows and columns of the tiles that a page of `shape` is cut into."""
    if tile < _MULTIPLE or tile % _MULTIPLE:
        raise ValueError(f"expected a multiple of {_MULTIPLE}, got tiles of {tile}; try {TILE}")
    rows, columns = (min(tile, -(-size // _MULTIPLE) * _MULTIPLE) for size in shape)
    return rows, columns


@lru_cache(maxsize=8)
def background_tile(tile: tuple[int, int], dtype: np.dtype[Any]) -> bytes:
    """Compressed tile of background, for files that cannot leave one out."""
    return _compress(np.zeros(tile, dtype))


def _encode_tile(
    part: NDArray[Any], found: list[int], dtype: np.dtype[Any], tile: tuple[int, int]
) -> bytes:
    if found == [0]:
        return b""
    if part.shape == tile and len(found) == 1:
        return _constant_tile(found[0], tile, dtype)
    if part.shape == tile:
        return _compress(np.ascontiguousarray(part, dtype))
    whole = np.zeros(tile, dtype)
    whole[: part.shape[0], : part.shape[1]] = part
    return _compress(whole)


@lru_cache(maxsize=256)
def _constant_tile(label: int, tile: tuple[int, int], dtype: np.dtype[Any]) -> bytes:
    return _compress(np.full(tile, label, dtype))


def _compress(labels: NDArray[Any]) -> bytes:
    # it takes arrays, too, though its type hints know of bytes alone
    return bytes(imagecodecs.deflate_encode(labels, _LEVEL))  # type: ignore[arg-type]


def _labels_in(part: NDArray[Any]) -> list[int]:
    """Labels of a part, ascending; only pixels where they change are sorted."""
    changes = part[:, 1:] != part[:, :-1]
    labels: list[int] = np.unique(np.concatenate((part[:, 0], part[:, 1:][changes]))).tolist()
    return labels


def _check(found: list[int], dtype: np.dtype[Any]) -> None:
    highest = np.iinfo(dtype).max
    if found[0] < 0 or found[-1] > highest:
        wrong = found[0] if found[0] < 0 else found[-1]
        raise ValueError(
            f"expected labels from 0 to {highest}, got {wrong}; choose another type for them"
        )


def _parts(wanted: range, size: int) -> Iterator[tuple[int, slice, slice]]:
    """Tiles along an axis that meet a range: index, pixels in the tile, pixels in the result."""
    done = 0
    while done < len(wanted):
        index, first = divmod(wanted[done], size)
        count = min(len(range(first, size, wanted.step)), len(wanted) - done)
        last = first + (count - 1) * wanted.step
        yield index, slice(first, last + 1, wanted.step), slice(done, done + count)
        done += count
