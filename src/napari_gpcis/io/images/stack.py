"""An image on disk, read one region of a slice at a time: the part common to all formats."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.images.resolution import Resolution

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from numpy.typing import NDArray

    from napari_gpcis.io.images.axes import StoredAxes

__all__ = ["ImageStack"]

_EVERYTHING = slice(None)
# How parsers stumble over values that no writer would have written.
_NONSENSE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError)


class ImageStack(ABC):
    """A lazy image, seen as an array of shape (Y, X[, C]) or (slices, Y, X[, C]).

    Slices of an image with several leading axes, such as time and depth, are numbered in one
    go, the last axis fastest. Several threads may read at once.

    Attributes
    ----------
    path : Path
        The file or folder.
    slice_axes : str
        Letters of the axes that slices lie on, outermost first (Z, T, TZ, …); empty for a 2-D
        image. A Z comes last.
    slice_shape : tuple of int
        Number of slices along each of them.
    rows, columns : int
        Size of a slice.
    channels : int
        Channels of a slice; 0 when slices are grey and have no channel axis.
    is_rgb : bool
        True if the channels are red, green and blue.
    dtype : numpy.dtype
        Type of the pixels, in the byte order of this machine.
    resolution : Resolution
        Pixel size as the file states it.
    stored_axes : StoredAxes
        Axes of the array in the file, those of one element and channels included.
    """

    path: Path
    slice_axes: str = ""
    slice_shape: tuple[int, ...] = ()
    rows: int
    columns: int
    channels: int = 0
    is_rgb: bool = False
    dtype: np.dtype[Any]
    resolution: Resolution = Resolution()
    stored_axes: StoredAxes
    _kept: list[int] | None = None

    @property
    def slices(self) -> int:
        """Number of slices; a 2-D image has one."""
        return math.prod(self.slice_shape)

    @property
    def relative_spacing(self) -> float:
        """Distance of two slices by the size of a pixel in them; 1 where the file does not say."""
        size = self.resolution.pixel_size() if self.slice_axes.endswith("Z") else None
        if size is None or not size.spacing:
            return 1.0
        return size.spacing / math.sqrt(size.y * size.x)

    @property
    def axes(self) -> str:
        """Axes in the order of `full_shape`, such as YX, ZYX or TZYXC."""
        return f"{self.slice_axes}YX{'C' if self.channels else ''}"

    @property
    def shape(self) -> tuple[int, ...]:
        """(slices, Y, X[, C]), or (Y, X[, C]) of a 2-D image."""
        slices = (self.slices,) if self.slice_axes else ()
        return slices + self.full_shape[len(self.slice_shape) :]

    @property
    def full_shape(self) -> tuple[int, ...]:
        """Size along `axes`."""
        channels = (self.channels,) if self.channels else ()
        return (*self.slice_shape, self.rows, self.columns, *channels)

    @property
    def ndim(self) -> int:
        """Number of axes of `shape`, channels included."""
        return len(self.shape)

    @property
    def spatial_ndim(self) -> int:
        """Coordinates of a click: row, column, and one for each of `slice_axes`."""
        return 2 + len(self.slice_axes)

    def channel_axis(self, spatial_ndim: int) -> int | None:
        """Axis of the channels in a slice (2) or stack (3); None for grey and for RGB.

        RGB is stretched as a whole, channels each by itself.
        """
        return spatial_ndim if self.channels and not self.is_rgb else None

    def volume_of(self, z: int) -> range:
        """Slices of the run along the last of `slice_axes` that holds slice `z`."""
        self._check_slice(z)
        length = self.slice_shape[-1] if self.slice_shape else 1
        return range(z // length * length, (z // length + 1) * length)

    def keep_channels(self, channels: Sequence[int]) -> None:
        """Keep these channels only, counted from 0; a single one makes the slices grey."""
        available = self.channels or 1
        wrong = [channel for channel in channels if not 0 <= channel < available]
        if wrong or not channels:
            raise ImageFileError(
                f"{self.path} has channels 0 to {available - 1}, "
                f"not {', '.join(map(str, wrong)) or 'none'}; choose one of those"
            )
        if self.channels:
            kept = list(range(available)) if self._kept is None else self._kept
            self._kept = [kept[channel] for channel in channels]
            self.is_rgb = self.is_rgb and self._kept == [0, 1, 2]
            self.channels = len(channels) if len(channels) > 1 else 0

    def page(self, z: int = 0) -> NDArray[Any]:
        """Read one slice, of shape (Y, X[, C])."""
        return self.read(z, _EVERYTHING, _EVERYTHING)

    def read(self, z: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a region of one slice, and no more of the file than it takes.

        Parameters
        ----------
        z : int
            Slice index.
        rows, columns : slice
            Pixels to read; with a step, memory is taken for the sample only.

        Returns
        -------
        ndarray, shape (rows, columns[, C])
            In the byte order of this machine.

        Raises
        ------
        ImageFileError
            When the file turns out to be damaged.
        """
        return self._region(z, rows, columns, self._channels())

    def _channels(self) -> list[int]:
        return list(range(self.channels)) if self._kept is None else self._kept

    def _region(self, z: int, rows: slice, columns: slice, channels: list[int]) -> NDArray[Any]:
        self._check_slice(z)
        wanted = (range(self.rows)[rows], range(self.columns)[columns])
        # Formats need not handle backward ranges.
        down, across = (indices if indices.step > 0 else indices[::-1] for indices in wanted)
        try:
            region = self._read(z, down, across, channels)
        except ImageFileError:
            raise
        except Exception as error:
            # A damaged file makes its decoder raise almost anything.
            raise unreadable(self.path, error, z) from error
        if len(channels) == 1:
            region = region[..., 0]
        region = region[tuple(slice(None, None, 1 if i.step > 0 else -1) for i in wanted)]
        if region.dtype == bool:
            return region.view(np.uint8)
        return region.astype(region.dtype.newbyteorder("="), copy=False)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Index the view `shape` like an array, its slice by a whole number."""
        keys = key if isinstance(key, tuple) else (key,)
        z = 0
        if self.slice_axes:
            z, keys = operator.index(keys[0]), keys[1:]
        if not all(isinstance(part, int | np.integer | slice) for part in keys):
            return self.page(z)[keys]
        if len(keys) > self.ndim - bool(self.slice_axes):
            raise IndexError(f"expected at most {self.ndim} indices, got {key}")
        sizes = self.shape[bool(self.slice_axes) :]
        keys = (*keys, *(_EVERYTHING,) * (len(sizes) - len(keys)))
        parts = [_as_slice(part, size) for part, size in zip(keys, sizes, strict=True)]
        channels = self._channels()
        chosen = channels[parts[2]] if self.channels else channels
        region = self._region(z, parts[0], parts[1], chosen)
        if self.channels and len(chosen) == 1:
            region = region[..., None]
        return region[tuple(_EVERYTHING if isinstance(part, slice) else 0 for part in keys)]

    def __len__(self) -> int:
        return self.shape[0]

    def _check_slice(self, z: int) -> None:
        if not 0 <= z < self.slices:
            raise IndexError(f"expected a slice from 0 to {self.slices - 1}, got {z}")

    def _set_axes(self, stored: StoredAxes) -> None:
        """Take over the axes of the stored array."""
        self.stored_axes = stored
        self.slice_axes, self.slice_shape = stored.slice_axes, stored.slice_shape
        self.rows, self.columns = stored.shape[stored.row], stored.shape[stored.column]
        self.channels = stored.channels if stored.channel is not None else 0
        if 0 in stored.shape:
            raise ImageFileError(
                f"{self.path} has the shape {stored.shape}, without a pixel; "
                "save it again from its source"
            )

    @abstractmethod
    def _read(self, z: int, rows: range, columns: range, channels: list[int]) -> NDArray[Any]:
        """Read a region of slice `z`: (rows, columns, channels), without the last if it is grey."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def unreadable(path: Path, error: BaseException | str, z: int | None = None) -> ImageFileError:
    """Error for a damaged file, in one line."""
    where = "" if z is None else f" at slice {z}"
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, _NONSENSE) or "truth value of an array" in reason:
        reason = f"its header is inconsistent ({type(error).__name__}: {reason})"
    if "imagecodecs" in reason:
        remedy = "run `pip install imagecodecs`, or save the image without compression"
    else:
        remedy = "it may be damaged or cut short: copy it again, or save it again from its source"
    return ImageFileError(f"cannot read {path}{where}: {reason[:200]}; {remedy}")


def as_read(dtype: np.dtype[Any], path: Path) -> np.dtype[Any]:
    """Type in which pixels are returned; raises for pixels that are no numbers."""
    if dtype.kind not in "buif":
        raise ImageFileError(f"{path} has pixels of type {dtype}; save it as integers or floats")
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")


def _as_slice(key: Any, size: int) -> slice:
    """Region of one row or column, counted from the end if the index is negative."""
    if isinstance(key, slice):
        return key
    index = operator.index(key)
    if not -size <= index < size:
        raise IndexError(f"expected an index from 0 to {size - 1}, got {index}")
    return slice(index % size, index % size + 1)
