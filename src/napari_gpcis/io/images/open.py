"""Open an image of any format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.files import is_zarr_folder
from napari_gpcis.io.images.axes import parse_axes

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from napari_gpcis.io.images.stack import ImageStack

__all__ = ["may_be_image", "open_image"]

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_NAMES = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk", ".svs", ".ndpi", ".qptiff")
# Endings that imageio lists, too, but that are seldom those of images.
_RARELY_IMAGES = {
    *(".chk", ".dat", ".doc", ".eps", ".h5", ".hdf", ".hdf5", ".npz", ".ogg", ".pdf", ".ps"),
    *(".rec", ".swf", ".ts", ".xl"),
}


def open_image(
    path: str | os.PathLike[str],
    channels: Sequence[int] | None = None,
    *,
    axes: str | None = None,
    series: int = 0,
) -> ImageStack:
    """Open an image or a stack without reading its pixels.

    Parameters
    ----------
    path : path
        A TIFF (classic, BigTIFF, ImageJ, OME, …), a zarr or OME-Zarr store, a folder with one
        image file per slice, or anything that `imageio` reads.
    channels : sequence of int, optional
        Channels to keep, counted from 0; all by default.
    axes : str, optional
        A letter for each axis of the stored array, such as ZYX, TCYX or YXC, in place of what
        the file says; axes of one element may be left out.
    series : int
        Index of the image in a file that holds several, counted from 0.

    Returns
    -------
    ImageStack
        Indexable by slice; a context manager that closes the file.

    Raises
    ------
    ImageFileError
        With one line that names the problem and the remedy.
    """
    stack = _open(Path(path), None if axes is None else parse_axes(axes), series)
    if channels is not None:
        try:
            stack.keep_channels(channels)
        except ImageFileError:
            stack.close()
            raise
    return stack


def may_be_image(path: Path) -> bool:
    """True for a zarr folder, and for a file that has the name or the first bytes of an image.

    Parameters
    ----------
    path : Path
        An existing file or folder; it is not opened as an image.
    """
    if path.name.startswith("."):
        return False
    if path.is_dir():
        return is_zarr_folder(path)
    suffix = path.suffix.lower()
    if suffix in (*_TIFF_NAMES, ".zip") or path.name.lower().endswith(".companion.ome"):
        return True
    from imageio.config import known_extensions

    if suffix in known_extensions and suffix not in _RARELY_IMAGES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(4) in _TIFF_MAGIC
    except OSError:
        return False


def _open(path: Path, axes: str | None, series: int) -> ImageStack:
    if not path.exists():
        raise ImageFileError(f"there is no image {path}; check its name and folder")
    if _is_zarr(path):
        from napari_gpcis.io.images.zarr import ZarrStack

        return ZarrStack(path, axes, series)
    if path.is_dir():
        from napari_gpcis.io.images.folder import PageFolder

        return PageFolder(path, axes, series, open_page=open_image)
    if _is_tiff(path):
        from napari_gpcis.io.images.tiff import TiffStack

        return TiffStack(path, axes, series)
    from napari_gpcis.io.images.picture import PictureStack

    return PictureStack(path, axes, series)


def _is_zarr(path: Path) -> bool:
    if path.is_dir():
        return is_zarr_folder(path)
    return path.suffix.lower() == ".zip"


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
    named = path.name.lower().endswith((*_TIFF_NAMES, ".companion.ome"))
    return magic in _TIFF_MAGIC or named
