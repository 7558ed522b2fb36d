"""Strips and tiles of a TIFF page, decoded one at a time as a region needs them."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.io.images.tiff_checks import JPEG, check_picture, segment_grid

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from numpy.typing import NDArray

    from napari_gpcis.io.images.tiff_checks import StoredPage

__all__ = ["Segments"]

# A segment that is larger once decoded is kept, as all regions of the page may lie in it.
_KEPT_BYTES = 64 << 20


class Segments:
    """Decoder of strips and tiles that keeps the last of the very large ones."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: tuple[Hashable, NDArray[Any]] | None = None

    def read(
        self, page: StoredPage, rows: range, columns: range, planes: list[int]
    ) -> NDArray[Any]:
        """Read a region of a page that is compressed or in tiles.

        Parameters
        ----------
        page : StoredPage
            Checked by `check_segments`.
        rows, columns : range
            Pixels to read; steps are taken segment by segment.
        planes : list of int
            Planes to read of a page with separate samples; [0] for any other page.

        Returns
        -------
        ndarray, shape (planes, rows, columns, samples)
        """
        key = page.key
        height, width, across, down = segment_grid(key)
        samples = key.shaped[4]
        out = np.full((len(planes), len(rows), len(columns), samples), key.nodata, page.dtype)
        for plane, target in zip(planes, out, strict=True):
            for line, source_rows, target_rows in _meeting(rows, height):
                for column, source_columns, target_columns in _meeting(columns, width):
                    index = (plane * down + line) * across + column
                    segment = self._decoded(page, index)
                    if segment is not None:
                        part = segment[source_rows, source_columns]
                        target[target_rows, target_columns] = part
        return out

    def _decoded(self, page: StoredPage, index: int) -> NDArray[Any] | None:
        """One segment, (rows, columns, samples); None if it is left out of the file."""
        key = page.key
        height, width, *_ = segment_grid(key)
        size = height * width * key.shaped[4] * page.dtype.itemsize
        if size <= _KEPT_BYTES:
            return _decode(page, index)
        name = (page.name, index)
        # One thread at a time: two would decode the same, and hold it twice.
        with self._lock:
            if self._kept is None or self._kept[0] != name:
                self._kept = None
                segment = _decode(page, index)
                if segment is None:
                    return None
                self._kept = (name, segment)
            return self._kept[1]


def _decode(page: StoredPage, index: int) -> NDArray[Any] | None:
    key = page.key
    offset, count = page.offsets[index], page.counts[index]
    if count == 0:
        return None
    options = {}
    if key.compression in JPEG:
        options = {"jpegtables": page.tables, "jpegheader": key.jpegheader}
    data = page.read_bytes(offset, count)
    check_picture(data, key)
    segment, *_ = key.decode(data, index, **options)
    return None if segment is None else segment[0]


def _meeting(wanted: range, size: int) -> Iterator[tuple[int, slice, slice]]:
    """Segments that meet an ascending range: index, source pixels and target pixels."""
    done = 0
    while done < len(wanted):
        index, first = divmod(wanted[done], size)
        count = min((size - 1 - first) // wanted.step + 1, len(wanted) - done)
        stop = first + (count - 1) * wanted.step + 1
        yield index, slice(first, stop, wanted.step), slice(done, done + count)
        done += count
