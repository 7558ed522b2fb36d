"""Label images, written slice by slice; the name decides between TIFF and OME-Zarr."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np

from napari_gpcis.io.files import os_errors_as_output_errors
from napari_gpcis.io.labels.encode import EncodedPage, encode_page, tile_shape

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from napari_gpcis.io.images.stack import ImageStack
    from napari_gpcis.io.labels.encode import LabelPage

__all__ = ["LabelWriter", "label_dtype", "label_writer"]


def label_dtype(highest: int) -> np.dtype[Any]:
    """Smallest type of label files that holds labels up to `highest`."""
    return np.dtype(np.uint16 if highest <= np.iinfo(np.uint16).max else np.uint32)


@contextmanager
def label_writer(
    path: str | os.PathLike[str], image: ImageStack, highest: int
) -> Iterator[LabelWriter]:
    """Write the labels of `image`, compressed; they appear only when they are complete.

    Parameters
    ----------
    path : path
        Path of the labels: an OME-Zarr folder if it ends in ``.zarr``, otherwise a TIFF.
        Older labels are replaced at the end.
    image : ImageStack
        Source of the number, axes and size of slices, and of the resolution.
    highest : int
        Largest label that will be written; decides between 16 and 32 bit.

    Raises
    ------
    OutputFileError
        When `path` cannot be written, on entering already.
    ValueError
        When the block ends before every slice was written.
    """
    dtype = label_dtype(highest)
    with _open_pages(path, image, dtype) as pages:
        writer = LabelWriter(path, pages, image, dtype)
        yield writer
        if writer.written != image.slices:
            raise ValueError(
                f"expected {image.slices} slices, got {writer.written}; write each slice once"
            )


class _Pages(Protocol):
    def write(self, page: EncodedPage) -> None: ...


def _open_pages(
    path: str | os.PathLike[str], image: ImageStack, dtype: np.dtype[Any]
) -> AbstractContextManager[_Pages]:
    if Path(path).suffix.lower() == ".zarr":
        from napari_gpcis.io.labels.zarr import open_label_zarr

        return open_label_zarr(path, image, dtype)
    from napari_gpcis.io.labels.tiff import open_label_tiff

    return open_label_tiff(path, image, dtype)


class LabelWriter:
    """Appends slices to a label file; made by `label_writer`.

    Attributes
    ----------
    written : int
        Number of slices written so far.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        pages: _Pages,
        image: ImageStack,
        dtype: np.dtype[Any],
    ) -> None:
        self.written = 0
        self._path = path
        self._pages = pages
        self._dtype = dtype
        self._shape = (image.rows, image.columns)

    def write(self, labels: LabelPage) -> None:
        """Append the next slice.

        Parameters
        ----------
        labels : LabelPage
            Labels, 0 for background: an array of shape (Y, X), anything that can be sliced
            like one, or an `EncodedPage`, which costs least.
        """
        if labels.shape != self._shape:
            raise ValueError(
                f"expected labels of shape {self._shape}, got {labels.shape}; "
                "write slices of the image's own size"
            )
        page = labels if self._fits(labels) else encode_page(labels, self._dtype)
        with os_errors_as_output_errors(self._path):
            self._pages.write(page)
        self.written += 1

    def _fits(self, labels: LabelPage) -> TypeGuard[EncodedPage]:
        """True if the tiles can go into the file as they are."""
        return (
            isinstance(labels, EncodedPage)
            and labels.dtype == self._dtype
            and labels.tile == tile_shape(self._shape)
        )
