"""A folder with an image file for each slice."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from PIL import Image

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.files import natural_order
from napari_gpcis.io.images.axes import StoredAxes
from napari_gpcis.io.images.stack import ImageStack
from napari_gpcis.io.images.tiff_chain import walk_chain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["PageFolder"]

_TIFFS = (".tif", ".tiff", ".btf", ".tf8")
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".jp2")


class PageFolder(ImageStack):
    """Images of a folder in natural order, 2 before 10; one file is open at a time.

    Parameters
    ----------
    path : Path
        The folder.
    axes : str, optional
        From `parse_axes`, the files' own axis first, such as TYX; ZYX by default.
    series : int
        0, as a folder holds one stack.
    open_page : callable
        Opens the file of a page: `open_image`.
    """

    def __init__(
        self,
        path: Path,
        axes: str | None = None,
        series: int = 0,
        *,
        open_page: Callable[[Path], ImageStack],
    ) -> None:
        self.path = path
        self._open_page = open_page
        self._lock = Lock()
        self._opened: tuple[int, ImageStack] | None = None
        if series:
            raise ImageFileError(f"{path} is a folder and has no series {series}; leave it out")
        self._files = _pages_of(path)
        try:
            first = self._page_file(0)
            self._lay_out(first, axes)
            self._compare_headers()
        except BaseException:
            self.close()
            raise

    def _lay_out(self, first: ImageStack, axes: str | None) -> None:
        own = first.axes
        given = f"Z{own}" if axes is None else axes
        if axes == own and len(self._files) == 1:
            given = f"Z{own}"
        if given[1:] != own or given[0] in "YXC":
            raise ImageFileError(
                f"{self.path} has {len(self._files)} files with the axes {own} {first.shape}, "
                f"which do not make {axes}; give Z{own}, T{own} or the like"
            )
        self._set_axes(StoredAxes.of(given, (len(self._files), *first.shape), self.path))
        self.dtype, self.is_rgb, self.resolution = first.dtype, first.is_rgb, first.resolution

    def _compare_headers(self) -> None:
        """Find a page that differs before the work begins, where its header can tell."""
        glance = _tiff_glance if self._files[0].suffix.lower() in _TIFFS else _picture_glance
        like = glance(self._files[0])
        for z, file in enumerate(self._files[1:], start=1):
            if glance(file) != like:
                # A page may well be stored in another way, and still be alike.
                self._page_file(z)

    def close(self) -> None:
        """Close the file that was read last."""
        if self._opened is not None:
            self._opened[1].close()
            self._opened = None

    def _read(self, z: int, rows: range, columns: range, channels: list[int]) -> NDArray[Any]:
        with self._lock:
            page = self._page_file(z)
            return page._read(0, rows, columns, channels)

    def _page_file(self, z: int) -> ImageStack:
        """The image of a slice, opened; like the first in size and type."""
        if self._opened is not None and self._opened[0] == z:
            return self._opened[1]
        self.close()
        file = self._open_page(self._files[z])
        try:
            self._compare(file)
        except ImageFileError:
            file.close()
            raise
        self._opened = (z, file)
        return file

    def _compare(self, file: ImageStack) -> None:
        if file.slice_axes:
            raise ImageFileError(
                f"{file.path} has {file.slices} slices; a folder of pages has one in each file"
            )
        found = (file.shape, file.dtype)
        if not hasattr(self, "_like"):
            self._like = found
        if found != self._like:
            raise ImageFileError(
                f"{file.path} has the shape {file.shape} and type {file.dtype}, but "
                f"{self._files[0].name} has {self._like[0]} and {self._like[1]}; "
                "move files that are not pages of the stack to another folder"
            )


def _pages_of(folder: Path) -> list[Path]:
    """All TIFFs, or all pictures; other files are passed over."""
    files = [file for file in folder.iterdir() if file.is_file() and file.name[0] != "."]
    tiffs = [file for file in files if file.suffix.lower() in _TIFFS]
    pictures = [file for file in files if file.suffix.lower() in _PICTURES]
    if tiffs and pictures:
        raise ImageFileError(
            f"{folder} holds TIFFs ({tiffs[0].name}) and pictures ({pictures[0].name}); "
            "leave one kind in it"
        )
    if not tiffs and not pictures:
        raise ImageFileError(
            f"{folder} is a folder without TIFFs or pictures; give the path of an image, "
            "or of a folder with one for each slice"
        )
    return sorted(tiffs or pictures, key=lambda file: natural_order(file.name))


def _tiff_glance(file: Path) -> object:
    try:
        chain = walk_chain(file)
    except (OSError, ValueError):
        return None
    return len(chain.offsets), chain.first


def _picture_glance(file: Path) -> object:
    try:
        with Image.open(file) as picture:
            return picture.size, picture.mode, getattr(picture, "n_frames", 1)
    # each of Pillow's readers refuses in its own way
    except Exception:
        return None
