"""Label images, written slice by slice."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_gpcis.io.atomic import saying_why, whole_or_nothing

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_gpcis.io.stacks import ImageStack

__all__ = ["LabelWriter", "label_dtype", "label_writer"]

# Beyond this much, counted before compression, a classic TIFF might not hold the stack.
_CLASSIC_BYTES = 4_000_000_000


def label_dtype(highest: int) -> np.dtype[Any]:
    """Smallest type that label files use and that holds labels up to `highest`."""
    return np.dtype(np.uint16 if highest <= np.iinfo(np.uint16).max else np.uint32)


@contextmanager
def label_writer(
    path: str | os.PathLike[str], image: ImageStack, highest: int
) -> Iterator[LabelWriter]:
    """Write the labels of `image` to a compressed TIFF that appears only when it is complete.

    Parameters
    ----------
    path : path
        Where the finished file will be.
    image : ImageStack
        Gives the slices' number, axis and size, and the resolution.
    highest : int
        Largest label that will be written; it decides between 16 and 32 bit.

    Raises
    ------
    OutputFileError
        When `path` cannot be written, on entering already.
    ValueError
        When the block ends before every slice was written.
    """
    dtype = label_dtype(highest)
    total = image.slices * image.rows * image.columns * dtype.itemsize
    with whole_or_nothing(path) as part:
        with saying_why(path):
            tiff = tifffile.TiffWriter(part, bigtiff=total > _CLASSIC_BYTES)
        writer = LabelWriter(path, tiff, image, dtype)
        try:
            yield writer
        finally:
            with saying_why(path):
                tiff.close()
        if writer.written != image.slices:
            raise ValueError(
                f"expected {image.slices} slices, got {writer.written}; write each slice once"
            )


class LabelWriter:
    """Appends slices to a label TIFF; made by `label_writer`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        tiff: tifffile.TiffWriter,
        image: ImageStack,
        dtype: np.dtype[Any],
    ) -> None:
        self.written = 0
        self._path = path
        self._tiff = tiff
        self._dtype = dtype
        self._shape = (image.rows, image.columns)
        self._tags = image.resolution.tags()
        self._description = _description(image)

    def write(self, labels: NDArray[Any]) -> None:
        """Append the next slice.

        Parameters
        ----------
        labels : ndarray of int, shape (Y, X)
            Labels, 0 for background.
        """
        if labels.shape != self._shape:
            raise ValueError(
                f"expected labels of shape {self._shape}, got {labels.shape}; "
                "write slices of the image's own size"
            )
        with saying_why(self._path):
            self._tiff.write(
                labels.astype(self._dtype, copy=False),
                photometric="minisblack",
                compression="zlib",
                metadata=None,
                description=self._description if self.written == 0 else None,
                contiguous=False,
                **self._tags,
            )
        self.written += 1


def _description(image: ImageStack) -> str | None:
    """Header that tells readers the axis of the slices, and ImageJ the unit and spacing."""
    lines = image.resolution.imagej_lines()
    if image.slice_axis not in ("", "Z", "T"):
        shape = [image.slices, image.rows, image.columns]
        return json.dumps({"shape": shape, "axes": f"{image.slice_axis}YX"})
    if not image.slice_axis and not lines:
        return None
    kind = "frames" if image.slice_axis == "T" else "slices"
    head = ["ImageJ=1.11a", f"images={image.slices}", f"{kind}={image.slices}"]
    return "\n".join([*head, *lines, "loop=false", ""])
