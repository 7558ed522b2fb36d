"""TIFF stacks, read region by region whatever the order of their axes."""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.images.axes import StoredAxes, fit_axes
from napari_gpcis.io.images.resolution import Resolution
from napari_gpcis.io.images.stack import ImageStack, as_read, unreadable
from napari_gpcis.io.images.tiff_chain import walk_chain
from napari_gpcis.io.images.tiff_ome import (
    check_ome,
    header_elsewhere,
    header_of_itself,
    of_companion,
    require,
)
from napari_gpcis.io.images.tiff_pages import SeriesPages, choose_series
from napari_gpcis.io.images.tiff_regions import Segments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gpcis.io.images.tiff_checks import StoredPage

__all__ = ["TiffStack"]

_ALPHA = (1, 2)


class TiffStack(ImageStack):
    """A series of a TIFF at full resolution; memory holds the region and one segment.

    Parameters
    ----------
    path : Path
        The file; for an OME set one of its files, or the companion.
    axes : str, optional
        From `parse_axes`; the file's own by default.
    series : int
        Index of the series, counted from 0.
    """

    def __init__(self, path: Path, axes: str | None = None, series: int = 0) -> None:
        self.path = path
        self._segments = Segments()
        self._file: tifffile.TiffFile | None = None
        try:
            with _complaints() as complaints:
                self._open(series, axes)
            if complaints:
                raise unreadable(path, complaints[0])
            self._check_extent()
        except ImageFileError:
            self.close()
            raise
        except Exception as error:
            # Damaged headers make the parser raise almost anything.
            self.close()
            raise unreadable(path, error) from error

    def _open(self, series: int, axes: str | None) -> None:
        home, header = self.path, None
        if home.name.lower().endswith(".companion.ome"):
            home, header = of_companion(home)
        chain = walk_chain(home)
        self._file = tifffile.TiffFile(home, omexml=header)
        other = None if header else header_elsewhere(self._file, home)
        if other is not None:
            self._reopen(home, other)
        missing: list[str] = []
        if self._file.is_ome:
            page_size, pages = math.prod(self._file.pages.first.shape), len(chain.offsets)
            own = header_of_itself(self._file.ome_metadata or "", home, pages, page_size)
            if own is not None and not header:
                self._reopen(home, own)
            missing = check_ome(self._file.ome_metadata or "", home, pages, page_size)
        try:
            found, others = choose_series(
                self._file, series, self.path, complete_only=bool(missing)
            )
        except ImageFileError:
            raise
        except ValueError:
            if missing:
                require(home, missing[0])
            raise
        self.resolution = Resolution.of_tiff(self._file, found.keyframe, series, found.name)
        self._lay_out(found, axes)
        self._pages = SeriesPages(found, self._file, chain)
        for one in others:
            SeriesPages(one, self._file, chain).check()
        # tifffile would hold an object for each page as long as the file is open, and longer:
        # a series refers to itself.
        for one in self._file.series:
            one.levels.clear()
        del self._file.series

    def _reopen(self, path: Path, header: str) -> None:
        """Open the file with another OME header, or without one if that is empty."""
        if self._file is not None:
            self._file.close()
        options: dict[str, Any] = {"omexml": header} if header else {"is_ome": False}
        self._file = tifffile.TiffFile(path, **options)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _lay_out(self, series: tifffile.TiffPageSeries, axes: str | None) -> None:
        """Tell slices, channels, rows and columns apart."""
        letters, shape = series.axes, tuple(series.shape)
        key = series.keyframe
        if series.dtype is None:
            raise ImageFileError(
                f"{self.path} has pixels of {key.bitspersample} bits; save it as integers or floats"
            )
        self.dtype = as_read(np.dtype(series.dtype), self.path)
        if axes is not None:
            letters = fit_axes(axes, shape, self.path)
        stored = self._stored_axes = StoredAxes.of(letters, shape, self.path)
        self._set_axes(stored)
        # A series in one piece needs no pages: its axes may have any order.
        self._start = None if series.is_multifile else series.dataoffset
        if self._start is None:
            self._lay_out_pages(series)
        sampled = stored.channel == len(shape) - 1 and key.axes == "YXS"
        named = stored.channel is not None and series.axes[stored.channel] == "S"
        if any(kind in _ALPHA for kind in key.extrasamples):
            self.channels -= 1
        self._grey = stored.channel is None or self.channels <= 1
        self.is_rgb = self.channels == 3 and (sampled or named)
        if self._grey:
            self.channels = 0
        if axes is None:
            self.stored_axes = _unsqueezed(series, self.path) or stored

    def _lay_out_pages(self, series: tifffile.TiffPageSeries) -> None:
        """Find the axes of a page among those of the series."""
        key, shape, stored = series.keyframe, tuple(series.shape), self._stored_axes
        inner = [(axis, size) for axis, size in zip(key.axes, key.shape, strict=True)]
        if shape[len(shape) - len(inner) :] != key.shape:
            inner = [(axis, size) for axis, size in inner if axis != "S" or size > 1]
        self._split = split = len(shape) - len(inner)
        names = "".join(axis for axis, _ in inner)
        if (
            names not in ("YX", "YXS", "SYX")
            or split < 0
            or shape[split:] != tuple(size for _, size in inner)
            or stored.row != split + names.index("Y")
            or stored.column != split + names.index("X")
            or len(series.pages) != math.prod(shape[:split])
        ):
            raise ImageFileError(
                f"{self.path} has the axes {series.axes} {shape}, of which a page holds "
                f"{key.axes} {key.shape}, {len(series.pages)} pages; save it again with a page "
                "for each slice, or choose a series or axes that fit"
            )
        self._sample = split + names.index("S") if "S" in names else None

    def _check_extent(self) -> None:
        """Check that the pixels of the first page, or of a series in one piece, can exist."""
        page = self._pages.read(0)
        size = math.prod(page.key.shaped) * page.dtype.itemsize
        if self._start is not None:
            size = math.prod(self._stored_axes.shape) * page.dtype.itemsize
            page.check_inside(np.asarray([self._start]), np.asarray([size]), several_pages=True)
        if page.key.is_final and sum(page.counts) > 2 * size + 4096 and not page.key.is_lsm:
            raise ValueError("its pixels take more of the file than its header says")

    def _read(self, z: int, rows: range, columns: range, channels: list[int]) -> NDArray[Any]:
        stored = self._stored_axes
        position = stored.position(z)
        if self._grey:
            # Of an image whose second channel is alpha, the first.
            channels = [0]
        if self._start is not None:
            region = self._from_one_piece(self._start, position, rows, columns, channels)
        elif stored.channel is not None and stored.channel < self._split:
            planes = [
                self._from_page({**position, stored.channel: c}, rows, columns, [0])
                for c in channels
            ]
            region = np.concatenate(planes, axis=-1)
        else:
            region = self._from_page(position, rows, columns, channels)
        return region[..., 0] if self._grey else region

    def _from_one_piece(
        self, start: int, position: dict[int, int], rows: range, columns: range, channels: list[int]
    ) -> NDArray[Any]:
        """Region of an uncompressed series without gaps, (rows, columns, channels)."""
        stored = self._stored_axes
        axes = [stored.row, stored.column]
        where: dict[int, Any] = {
            **position,
            stored.row: _slice(rows),
            stored.column: _slice(columns),
        }
        if stored.channel is not None:
            axes.append(stored.channel)
            where[stored.channel] = slice(None)
        pixels = self._pages.read(0).mapped(start, stored.shape)
        part = pixels[tuple(where[axis] for axis in range(len(stored.shape)))]
        region: NDArray[Any] = part.transpose([sorted(axes).index(axis) for axis in axes])
        return region[..., None].copy() if stored.channel is None else region[..., channels]

    def _from_page(
        self, position: dict[int, int], rows: range, columns: range, channels: list[int]
    ) -> NDArray[Any]:
        """Region of a page, (rows, columns, channels)."""
        index = 0
        for axis, size in enumerate(self._stored_axes.shape[: self._split]):
            index = index * size + position[axis]
        page = self._pages.read(index)
        samples = [0]
        if self._sample is not None:
            own = self._sample == self._stored_axes.channel
            samples = channels if own else [position[self._sample]]
        planar = page.key.shaped[0] > 1
        planes = samples if planar else [0]
        if page.key.is_final:
            region = _from_plain_page(page, rows, columns, planes)
        else:
            region = self._segments.read(page, rows, columns, planes)
        return np.moveaxis(region[..., 0], 0, -1) if planar else region[0][..., samples]


def _from_plain_page(
    page: StoredPage, rows: range, columns: range, planes: list[int]
) -> NDArray[Any]:
    """Region of an uncompressed page, (planes, rows, columns, samples)."""
    pixels = page.mapped(page.offsets[0], page.key.shaped)
    region: NDArray[Any] = pixels[planes, 0, _slice(rows), _slice(columns)]
    return region


def _unsqueezed(series: tifffile.TiffPageSeries, path: Path) -> StoredAxes | None:
    """Axes of a series with those of one element, which tifffile leaves out of some formats.

    The last axis of samples is none that anybody sees.
    """
    letters, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    if letters.endswith("S") and shape[-1] == 1:
        letters, shape = letters[:-1], shape[:-1]
    try:
        return StoredAxes.of(letters, shape, path)
    except ImageFileError:
        return None


def _slice(indices: range) -> slice:
    """The same indices, ascending ones, as a slice."""
    return slice(indices.start, indices.stop, indices.step)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect the errors that tifffile only logs, such as a broken chain of pages."""
    complaints: list[str] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            complaints.append(record.getMessage())
        return False

    logger = logging.getLogger("tifffile")
    logger.addFilter(collect)
    try:
        yield complaints
    finally:
        logger.removeFilter(collect)
