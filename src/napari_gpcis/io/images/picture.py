"""Pictures: PNG, JPEG, GIF and the other formats that `imageio` reads."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.images.axes import StoredAxes, fit_axes
from napari_gpcis.io.images.resolution import Resolution
from napari_gpcis.io.images.stack import ImageStack, as_read, unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["PictureStack"]


class PictureStack(ImageStack):
    """A picture, or an animation whose frames become slices along T.

    Pictures are decoded as a whole, and the last frame is kept.

    Parameters
    ----------
    path : Path
        The file.
    axes : str, optional
        From `parse_axes`; by default frames, rows, columns and channels.
    series : int
        0, as a picture holds one image.
    """

    def __init__(self, path: Path, axes: str | None = None, series: int = 0) -> None:
        self.path = path
        self._lock = Lock()
        if series:
            raise ImageFileError(f"{path} has no series {series}; leave the series out")
        # A file of our own, as the readers that imageio tries in turn leave theirs open.
        self._handle = path.open("rb")
        try:
            self._file = iio.imopen(self._handle, "r", extension=path.suffix)
        except Exception as error:
            # Each of imageio's readers refuses in its own way.
            self._handle.close()
            raise ImageFileError(
                f"cannot read {path}: no reader of imageio recognises it; copy it again in case "
                "it is damaged, or save it as TIFF or PNG"
            ) from error
        try:
            first = np.asarray(self._file.read(index=0))
            frames = self._file.properties(index=...).n_images or 1  # type: ignore[arg-type]
            dpi = self._file.metadata(index=0).get("dpi")
        except Exception as error:
            # Nor does a damaged picture fail in one way only.
            self.close()
            raise unreadable(path, error) from error
        self._kept_frame = (0, first)
        try:
            self._lay_out(first, frames, axes)
        except ImageFileError:
            self.close()
            raise
        if dpi and all(dpi):
            self.resolution = Resolution.of_dpi(dpi)

    def _lay_out(self, first: NDArray[Any], frames: int, axes: str | None) -> None:
        if first.ndim not in (2, 3) or first.dtype.kind not in "buif":
            raise ImageFileError(
                f"{self.path} has slices of shape {first.shape} and type {first.dtype}; "
                "save it as a grey or colour TIFF"
            )
        self.dtype = as_read(first.dtype, self.path)
        # Alpha is no channel: of grey + alpha and RGB + alpha the last.
        colours = [count - (count in (2, 4)) for count in first.shape[2:]]
        shape = (frames, *first.shape[:2], *colours)
        own = "TYXC"[: len(shape)]
        given = own if axes is None else fit_axes(axes, shape, self.path)
        stored = StoredAxes.of(given, shape, self.path)
        if (stored.row, stored.column, stored.channel or 3) != (1, 2, 3):
            raise ImageFileError(
                f"{self.path} has the axes {own} {shape}, which cannot be {axes}; "
                "save it as a TIFF to reorder them"
            )
        self._set_axes(stored)
        self.is_rgb = self.channels == 3

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._handle.close()

    def _read(self, z: int, rows: range, columns: range, channels: list[int]) -> NDArray[Any]:
        place = self.stored_axes.position(z)
        frame = self._frame(place[0])[rows.start : rows.stop : rows.step][
            :, columns.start : columns.stop : columns.step
        ]
        if frame.ndim == 2:
            return frame.copy()
        return frame[..., place[3]].copy() if 3 in place else frame[..., channels]

    def _frame(self, index: int) -> NDArray[Any]:
        with self._lock:
            if self._kept_frame[0] != index:
                self._kept_frame = (index, np.asarray(self._file.read(index=index)))
            return self._kept_frame[1]
