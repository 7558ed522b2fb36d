"""Series of a TIFF and their pages, whose headers are read when needed and never kept."""

from __future__ import annotations

from array import array
from functools import partial
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import TiffFrame, TiffPage, TiffPageSeries

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.images.tiff_checks import StoredPage, check_plain, check_segments

if TYPE_CHECKING:
    from tifffile import TiffFile

    from napari_gpcis.io.images.tiff_chain import Chain

    Page = TiffPage | TiffFrame

__all__ = ["SeriesPages", "choose_series"]

# Series that are named when there is no such one.
_SHOWN = 12
_NOTHING = np.empty(0, np.int64)


def choose_series(
    tiff: TiffFile, series: int, path: Path, *, complete_only: bool = False
) -> tuple[TiffPageSeries, list[TiffPageSeries]]:
    """Choose a series of a TIFF, at full resolution.

    Parameters
    ----------
    tiff : TiffFile
        An open file.
    series : int
        Index of the series, counted from 0.
    path : Path
        Name of the file in errors.
    complete_only : bool
        True to count only series of which every page is there, as for one file of a set.

    Returns
    -------
    series : TiffPageSeries
    others : list of TiffPageSeries
        Further series whose pages may belong to it: where the file does not say what does, a
        page with a damaged header looks like an image of its own.

    Raises
    ------
    ImageFileError
        When there is no such series; it names those there are.
    ValueError
        When there is none at all.
    """
    found = list(tiff.series)
    loose = all(one.kind == "generic" for one in found)
    if loose:
        found = _merged(found)
    if complete_only:
        found = [one for one in found if all(page is not None for page in one.pages)]
    if not found:
        raise ValueError("it holds no image")
    if not 0 <= series < len(found):
        known = ", ".join(f"{i}: {one.axes} {one.shape}" for i, one in enumerate(found[:_SHOWN]))
        more = ", …" if len(found) > _SHOWN else ""
        raise ImageFileError(
            f"{path} has no series {series}, but {known}{more}; choose one of those"
        )
    chosen = found[series]
    others = [one for one in found if one is not chosen and not one.keyframe.is_reduced]
    return chosen, others if loose else []


def _merged(found: list[TiffPageSeries]) -> list[TiffPageSeries]:
    """Join pages of the same size and type, which differ in their strips or compression only.

    Where nothing in the file says what belongs together, tifffile makes another series of them,
    and a stack would lose slices.
    """
    alike: dict[Any, list[TiffPageSeries]] = {}
    for one in found:
        alike.setdefault((one.keyframe.shape, one.keyframe.axes, one.dtype), []).append(one)
    merged = []
    for group in alike.values():
        if len(group) == 1:
            merged += group
            continue
        pages = [page for one in group for page in one.pages if page is not None]
        pages.sort(key=lambda page: page.treeindex)
        shape = (len(pages), *group[0].keyframe.shape)
        merged.append(
            TiffPageSeries(
                pages, shape, group[0].dtype, f"I{group[0].keyframe.axes}", kind="generic"
            )
        )
    return merged


class SeriesPages:
    """The pages of a series, which may lie in several files.

    tifffile keeps an object for each page; of 10,000 pages in tiles these take more memory than
    the pixels of a page. Only the pages' places are kept here.

    Parameters
    ----------
    series : TiffPageSeries
        May be dropped afterwards.
    home : TiffFile
        The file that was opened.
    chain : Chain
        Pages of that file.
    """

    def __init__(self, series: TiffPageSeries, home: TiffFile, chain: Chain) -> None:
        self.key: TiffPage = series.keyframe
        self._home = home
        self._chain = chain
        self._headers = np.unique(np.asarray(chain.offsets, np.int64))
        self._starts = np.unique(np.asarray(chain.starts, np.int64))
        self._files: list[TiffFile] = []
        self._keys: list[TiffPage] = []
        self._numbers: dict[int, int] = {}
        self._places = array("Q")
        self._file_of = array("I")
        # Pages without a header of their own, as tifffile derives them for a few formats.
        self._virtual: dict[int, Page] = {}
        self._lock = RLock()
        self._open: TiffFile | None = None
        # Regions of one page tend to be read one after the other.
        self._last: tuple[int, StoredPage] | None = None
        for page in series.pages:
            self._add(page)
        for file in (home, *self._files):
            file.pages.cache = False

    def _add(self, page: Page | None) -> None:
        place, number = 0, 0
        if page is not None:
            parent = page.parent
            if id(parent) not in self._numbers:
                self._numbers[id(parent)] = len(self._files)
                self._files.append(parent)
                own = self.key if self.key.parent is parent else page.keyframe
                self._keys.append(own or self.key)
            number = self._numbers[id(parent)]
            place = page.offset
            if place <= 0:
                self._virtual[len(self._places)] = page
        self._places.append(max(place, 0))
        self._file_of.append(number)

    def __len__(self) -> int:
        return len(self._places)

    def read(self, index: int) -> StoredPage:
        """Read the header of a page, and check it.

        Raises
        ------
        ValueError
            When it is missing, damaged, or differs from the other pages in size or type.
        """
        last = self._last
        if last is not None and last[0] == index:
            return last[1]
        place, file = self._places[index], self._files[self._file_of[index]]
        if place == 0 and index not in self._virtual:
            raise ValueError("this page is missing from the file")
        with self._lock:
            self._turn_to(file)
            header = self._virtual.get(index) or self._header(index, place, file)
            key = header.keyframe
            if key is None or key.dtype is None:
                raise ValueError("this page has no pixels that could be read")
            key.decode  # noqa: B018  made here, as it is no work for several threads
        if (key.shaped, key.dtype) != (self.key.shaped, self.key.dtype):
            raise ValueError(
                f"this page has the shape {key.shape} and type {key.dtype}, the first one "
                f"{self.key.shape} and {self.key.dtype}"
            )
        own = file is self._home
        page = StoredPage(
            key=key,
            dtype=key.dtype,
            offsets=header.dataoffsets,
            counts=header.databytecounts,
            tables=header.jpegtables,
            path=Path(file.filehandle.path),
            file_size=file.filehandle.size,
            read_bytes=partial(self._read_bytes, file),
            headers=self._headers if own else _NOTHING,
            starts=self._starts if own else _NOTHING,
            name=(id(file), index),
        )
        if key.is_final:
            check_plain(page)
        else:
            check_segments(page)
        self._last = index, page
        return page

    def _read_bytes(self, file: TiffFile, offset: int, number: int) -> bytes:
        with self._lock:
            self._turn_to(file)
            file.filehandle.seek(offset)
            data: bytes = file.filehandle.read(number)
        if len(data) < number:
            raise ValueError("the file ends before this slice does")
        return data

    def check(self) -> None:
        """Check the headers of all pages.

        Raises
        ------
        ValueError
        """
        for index in range(len(self)):
            try:
                self.read(index)
            except Exception as error:
                raise ValueError(f"one of its pages is damaged: {error}") from error

    def _header(self, index: int, place: int, file: TiffFile) -> Page:
        key = self._keys[self._numbers[id(file)]]
        if place == key.offset:
            return key
        if self._is_like(key, place, file):
            frame: Page = TiffFrame(file, index, offset=place, keyframe=key)
            if not key.is_final or _in_one_piece(frame):
                return frame
        file.filehandle.seek(place)
        return TiffPage(file, index)

    def _is_like(self, key: TiffPage, place: int, file: TiffFile) -> bool:
        if file is not self._home:
            return True
        layouts = self._chain.layouts
        # Headers outside the chain belong to smaller copies; those of one level are alike.
        return layouts.get(place) == layouts.get(key.offset)

    def _turn_to(self, file: TiffFile) -> None:
        """Open a file of a set, and close the one before; the first stays open."""
        if not file.filehandle.closed:
            return
        if self._open is not None:
            self._open.filehandle.close()
        file.filehandle.open()
        self._open = file

    def close(self) -> None:
        """Close all files but the first, which the caller has opened."""
        with self._lock:
            if self._open is not None:
                self._open.filehandle.close()


def _in_one_piece(frame: Page) -> bool:
    """True if strips follow each other without a gap."""
    pairs: Any = zip(frame.dataoffsets, frame.databytecounts, frame.dataoffsets[1:], strict=False)
    return all(offset + count == following for offset, count, following in pairs)
