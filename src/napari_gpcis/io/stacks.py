"""Images on disk, one slice at a time: what every format has in common."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.resolution import Resolution

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

__all__ = ["ImageStack", "open_image"]

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_NAMES = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk", ".svs", ".ndpi", ".qptiff")


def open_image(path: str | os.PathLike[str], channels: Sequence[int] | None = None) -> ImageStack:
    """Open an image or a stack without reading its pixels.

    Parameters
    ----------
    path : path
        A TIFF (classic, BigTIFF, ImageJ, OME), or anything that `imageio` reads.
    channels : sequence of int, optional
        Which channels to keep, counted from 0; all by default.

    Returns
    -------
    ImageStack
        Indexable by slice; a context manager that closes the file.

    Raises
    ------
    ImageFileError
        With one line that says what is wrong and what to do.
    """
    path = Path(path)
    if path.is_dir():
        raise ImageFileError(f"{path} is a folder; give the path of one image file")
    if not path.is_file():
        raise ImageFileError(f"there is no image {path}; check its name and folder")
    stack: ImageStack
    if _is_tiff(path):
        from napari_gpcis.io.tiff import TiffStack

        stack = TiffStack(path)
    else:
        from napari_gpcis.io.pictures import PictureStack

        stack = PictureStack(path)
    if channels is not None:
        try:
            stack.keep_channels(channels)
        except ImageFileError:
            stack.close()
            raise
    return stack


def _is_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ImageFileError(
            f"cannot read {path}: {error.strerror}; check that you may read it"
        ) from error
    if not magic:
        raise ImageFileError(f"{path} is empty; copy it from its source again")
    return magic in _TIFF_MAGIC or path.suffix.lower() in _TIFF_NAMES


class ImageStack(ABC):
    """A lazy image, of shape (Y, X[, C]) or (slices, Y, X[, C]).

    Attributes
    ----------
    path : Path
        The file.
    slice_axis : str
        Letter of the axis that the slices lie on (Z, T, …), empty for a 2-D image.
    slices, rows, columns : int
        Size; a 2-D image has one slice.
    channels : int
        Channels of a slice; 0 when slices are grey and have no channel axis.
    is_rgb : bool
        Whether the channels are red, green and blue.
    dtype : numpy.dtype
        Type of the pixels.
    resolution : Resolution
        Pixel size as the file states it.
    """

    path: Path
    slice_axis: str = ""
    slices: int = 1
    rows: int
    columns: int
    channels: int = 0
    is_rgb: bool = False
    dtype: np.dtype[Any]
    resolution: Resolution = Resolution()
    _kept: list[int] | None = None

    @property
    def axes(self) -> str:
        """Axes in the order of `shape`, such as YX, ZYX or TYXC."""
        return f"{self.slice_axis}YX{'C' if self.channels else ''}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along `axes`."""
        sizes = {"Y": self.rows, "X": self.columns, "C": self.channels}
        return tuple(sizes.get(axis, self.slices) for axis in self.axes)

    @property
    def ndim(self) -> int:
        """Number of axes, channels included."""
        return len(self.axes)

    @property
    def spatial_ndim(self) -> int:
        """Coordinates of a click: 2, or 3 with the slice."""
        return 3 if self.slice_axis else 2

    def channel_axis(self, spatial_ndim: int) -> int | None:
        """Where a slice (2) or stack (3) has channels of their own; None for grey and for RGB.

        RGB is stretched as a whole, channels each by itself.
        """
        return spatial_ndim if self.channels and not self.is_rgb else None

    def keep_channels(self, channels: Sequence[int]) -> None:
        """Keep these channels only, counted from 0; a single one makes the slices grey."""
        available = self.channels or 1
        wrong = [channel for channel in channels if not 0 <= channel < available]
        if wrong or not channels:
            raise ImageFileError(
                f"{self.path} has channels 0 to {available - 1}, "
                f"not {', '.join(map(str, wrong)) or 'none'}; choose among those"
            )
        if self.channels:
            self._kept = list(channels)
            self.is_rgb = self.is_rgb and self._kept == [0, 1, 2]
            self.channels = len(channels) if len(channels) > 1 else 0

    def page(self, z: int = 0) -> NDArray[Any]:
        """Read one slice.

        Parameters
        ----------
        z : int
            Slice index.

        Returns
        -------
        ndarray, shape (Y, X[, C])
            In the byte order of this machine.
        """
        if not 0 <= z < self.slices:
            raise IndexError(f"expected a slice from 0 to {self.slices - 1}, got {z}")
        try:
            page = self._read(z)
        except Exception as error:
            # A damaged file makes its decoder raise almost anything.
            raise unreadable(self.path, error, z) from error
        if self._kept is not None:
            page = page[..., self._kept] if len(self._kept) > 1 else page[..., self._kept[0]]
        if page.dtype == bool:
            return page.view(np.uint8)
        return page.astype(page.dtype.newbyteorder("="), copy=False)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Index like an array, the slice by a whole number: of anything else one page is read."""
        keys = key if isinstance(key, tuple) else (key,)
        if not self.slice_axis:
            return self.page()[keys]
        return self.page(operator.index(keys[0]))[keys[1:]]

    def __len__(self) -> int:
        return self.slices

    @abstractmethod
    def _read(self, z: int) -> NDArray[Any]:
        """Read slice `z` with all its channels last."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def unreadable(path: Path, error: BaseException | str, z: int | None = None) -> ImageFileError:
    """Say that a file is damaged, in one line."""
    where = "" if z is None else f" at slice {z}"
    reason = " ".join(str(error).split()) or type(error).__name__
    if "imagecodecs" in reason:
        remedy = "run `pip install imagecodecs`, or save the image without compression"
    else:
        remedy = "it may be damaged or cut short: copy it again, or save it anew from its source"
    return ImageFileError(f"cannot read {path}{where}: {reason[:200]}; {remedy}")
