"""TIFF stacks, read page by page whatever the order of their axes."""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.resolution import Resolution
from napari_gpcis.io.stacks import ImageStack, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["TiffStack"]

_ALPHA = (1, 2)


class TiffStack(ImageStack):
    """The first series of a TIFF at full resolution; memory holds one slice at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with _complaints() as complaints:
                self._file = tifffile.TiffFile(path)
                self._series = self._file.series[0]
                self.resolution = Resolution.of_tiff(self._file)
        except Exception as error:
            # Damaged headers make the parser raise almost anything.
            raise unreadable(path, error) from error
        try:
            if complaints:
                raise unreadable(path, complaints[0])
            self._lay_out()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _lay_out(self) -> None:
        """Tell slices, channels, rows and columns apart."""
        series, page = self._series, self._series.keyframe
        split = len(series.axes) - len(page.axes)
        self._outer = dict(zip(series.axes[:split], series.shape[:split], strict=True))
        # What a page holds before its rows: planes of colour, or slices that look like them.
        self._inner = series.axes[split] if page.axes == "SYX" else ""
        leading = "".join(self._outer) + self._inner
        self._channel_axis = "".join(axis for axis in leading if axis in "CS")
        self.slice_axis = "".join(axis for axis in leading if axis not in "CS")
        samples = page.shape[-1] if page.axes == "YXS" else 0
        if (
            page.axes not in ("YX", "YXS", "SYX")
            or not series.axes.endswith(page.axes.lstrip("S"))
            or len(self.slice_axis) > 1
            or len(self._channel_axis) + bool(samples) > 1
        ):
            raise ImageFileError(
                f"{self.path} has the axes {series.axes} {series.shape}, which is more than "
                "slices, rows, columns and channels; save each time point or position as a file "
                "of its own"
            )
        if series.dtype is None or series.dtype.kind not in "buif":
            raise ImageFileError(
                f"{self.path} has pixels of type {series.dtype}; save it as integers or floats"
            )
        sizes = {**self._outer, self._inner: page.shape[0]}
        self.dtype = np.dtype(series.dtype)
        self.rows, self.columns = page.shape[:2] if samples else page.shape[-2:]
        self.slices = sizes[self.slice_axis] if self.slice_axis else 1
        count = samples or (sizes[self._channel_axis] if self._channel_axis else 1)
        if any(kind in _ALPHA for kind in page.extrasamples):
            count -= 1
        self._opaque = count
        self.channels = count if count > 1 else 0
        self.is_rgb = count == 3 and (samples > 0 or self._channel_axis == "S")

    def _read(self, z: int) -> NDArray[Any]:
        position = {self.slice_axis: z}
        if self._channel_axis in self._outer:
            channels = range(self._outer[self._channel_axis])
            planes = [self._page({**position, self._channel_axis: c}) for c in channels]
            page = np.stack(planes, axis=-1)
        else:
            page = self._page(position)
            if self._inner and self._inner == self._channel_axis:
                page = np.moveaxis(page, 0, -1)
        if page.ndim == 2:
            return page
        return page[..., : self._opaque] if self._opaque > 1 else page[..., 0]

    def _page(self, position: dict[str, int]) -> NDArray[Any]:
        """Read one TIFF page, or its share of an array that is stored in one piece."""
        index = 0
        for axis, size in self._outer.items():
            index = index * size + position[axis]
        if len(self._series.pages) == math.prod(self._outer.values()):
            stored = self._series.pages[index]
            if stored is None:
                raise ValueError("this page is missing from the file")
            page: NDArray[Any] = np.asarray(stored.asarray())
        else:
            page = self._share(index)
        if self._inner and self._inner == self.slice_axis:
            page = page[position[self._inner]]
        return page

    def _share(self, index: int) -> NDArray[Any]:
        offset = self._series.dataoffset
        if offset is None:
            raise ValueError(f"it has {len(self._series.pages)} pages for {self._outer}")
        shape = self._series.keyframe.shape
        dtype = self.dtype.newbyteorder(self._file.byteorder)
        handle = self._file.filehandle
        handle.seek(offset + index * math.prod(shape) * dtype.itemsize)
        return handle.read_array(dtype, math.prod(shape)).reshape(shape)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect the errors that tifffile only logs: a broken chain of pages is one to us."""
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
