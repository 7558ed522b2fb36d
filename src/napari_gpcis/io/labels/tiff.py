"""Labels as a tiled, compressed BigTIFF, which grows by one encoded page at a time."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import tifffile

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis.io.labels.encode import background_tile
from napari_gpcis.io.labels.marks import SOFTWARE

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import numpy as np

    from napari_gpcis.io.images.stack import ImageStack
    from napari_gpcis.io.labels.encode import EncodedPage

__all__ = ["TiffPages", "open_label_tiff"]

# TIFF's number for the zlib format, which its specification calls Adobe deflate.
_DEFLATE = 8
# Axes that ImageJ has words for, in its order.
_IMAGEJ_WORDS = {"T": "frames", "Z": "slices"}


@contextmanager
def open_label_tiff(
    path: str | os.PathLike[str], image: ImageStack, dtype: np.dtype[Any]
) -> Iterator[TiffPages]:
    """Open a TIFF that appears only when the block succeeds.

    Parameters
    ----------
    path : path
        Path of the finished file; an older one is replaced.
    image : ImageStack
        Source of axes and resolution.
    dtype : numpy.dtype
        Type of the labels.

    Raises
    ------
    OutputFileError
        When `path` cannot be written, on entering already.
    """
    with atomic_write(path) as part:
        with os_errors_as_output_errors(path):
            # Whatever the size: pages are compressed, so nobody knows before the end.
            tiff = tifffile.TiffWriter(part, bigtiff=True, byteorder="<")
        try:
            yield TiffPages(tiff, image, dtype)
        finally:
            with os_errors_as_output_errors(path):
                tiff.close()


class TiffPages:
    """Appends encoded pages to a TIFF; made by `open_label_tiff`."""

    def __init__(self, tiff: tifffile.TiffWriter, image: ImageStack, dtype: np.dtype[Any]) -> None:
        self._tiff = tiff
        self._shape = (image.rows, image.columns)
        self._dtype = dtype
        self._tags = image.resolution.tags()
        self._description = _description(image)

    def write(self, page: EncodedPage) -> None:
        """Append a page; its tiles go into the file as they are."""
        # Readers other than tifffile trip over a tile that is not there.
        empty = background_tile(page.tile, page.dtype)
        self._tiff.write(
            (tile or empty for tile in page.tiles),
            shape=self._shape,
            dtype=self._dtype,
            tile=page.tile,
            photometric="minisblack",
            compression=_DEFLATE,
            metadata=None,
            description=self._description,
            software=SOFTWARE,
            contiguous=False,
            **self._tags,
        )
        self._description = None


def _description(image: ImageStack) -> str | None:
    """Header that tells readers the axes of the slices, and ImageJ the unit and spacing."""
    lines = image.resolution.imagej_lines()
    if not set(image.slice_axes) <= set(_IMAGEJ_WORDS):
        shape = [*image.slice_shape, image.rows, image.columns]
        return json.dumps({"shape": shape, "axes": f"{image.slice_axes}YX"})
    if not image.slice_axes and not lines:
        return None
    sizes = dict(zip(image.slice_axes, image.slice_shape, strict=True)) or {"Z": 1}
    counts = [f"{word}={sizes[axis]}" for axis, word in _IMAGEJ_WORDS.items() if axis in sizes]
    many = ["hyperstack=true"] if len(sizes) > 1 else []
    head = ["ImageJ=1.11a", f"images={image.slices}", *counts, *many]
    return "\n".join([*head, *lines, "loop=false", ""])
