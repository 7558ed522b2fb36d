"""Layers written to folders of TIFFs, page by page, for a program that reads files."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari.layers import Image, Labels
    from numpy.typing import NDArray

__all__ = ["LayerPair", "export", "pair_of"]

_UNUSUAL = re.compile(r"[^\w.-]+")
_CLASSIC_BYTES = 4_000_000_000


@dataclass(frozen=True, slots=True)
class LayerPair:
    """An image layer's data, and the labels' of the same size.

    Attributes
    ----------
    name : str
        Of the image layer.
    image, labels : array
        Lazy or not. Labels have the axes (…, Y, X).
    channel_axis : int or None
        The axis that the image has and the labels have not.
    is_rgb : bool
        Whether this is the last one and holds red, green and blue.
    """

    name: str
    image: Any
    labels: Any
    channel_axis: int | None
    is_rgb: bool

    @property
    def pages(self) -> int:
        """Slices that will be written."""
        return math.prod(self.labels.shape[:-2])


def pair_of(image: Image, labels: Labels) -> LayerPair:
    """Pair two layers.

    Raises
    ------
    ValueError
        If their sizes differ in more than an axis of channels.
    """
    pixels = image.data[0] if image.multiscale else image.data
    numbers = labels.data[0] if labels.multiscale else labels.data
    size, wanted = tuple(pixels.shape), tuple(numbers.shape)
    if size == wanted:
        return LayerPair(image.name, pixels, numbers, None, False)
    if image.rgb and size[:-1] == wanted:
        return LayerPair(image.name, pixels, numbers, len(size) - 1, True)
    for axis in range(len(size)):
        if size[:axis] + size[axis + 1 :] == wanted:
            return LayerPair(image.name, pixels, numbers, axis, False)
    raise ValueError(
        f"“{labels.name}” has the size {wanted}, but “{image.name}” {size}; choose the labels that "
        "were drawn on this image"
    )


def export(pairs: Sequence[LayerPair], images: Path, labels: Path) -> Iterator[int]:
    """Write every pair to a TIFF of the same name in each of two folders, which are made.

    Yields
    ------
    int
        Pages written so far; whoever stops asking stops the writing.
    """
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    done = 0
    for number, pair in enumerate(pairs, start=1):
        name = f"{number:02d} {_UNUSUAL.sub('_', pair.name)}.tif"
        for path, pages in ((images / name, _image_pages(pair)), (labels / name, _pages(pair))):
            with tifffile.TiffWriter(path, bigtiff=_bytes_of(pair) > _CLASSIC_BYTES) as writer:
                for page in pages:
                    writer.write(
                        page,
                        photometric="rgb" if pair.is_rgb and page.ndim == 3 else "minisblack",
                        planarconfig="contig" if page.ndim == 3 else None,
                        metadata=None,
                        contiguous=False,
                    )
                    done += 1
                    yield done


def _pages(pair: LayerPair) -> Iterator[NDArray[Any]]:
    for place in np.ndindex(*pair.labels.shape[:-2]):
        page = np.asarray(pair.labels[place])
        yield page.astype(np.uint8) if page.dtype == bool else page


def _image_pages(pair: LayerPair) -> Iterator[NDArray[Any]]:
    """Pages of shape (Y, X), or (Y, X, C) with channels."""
    axis = pair.channel_axis
    for place in np.ndindex(*pair.labels.shape[:-2]):
        if axis is None:
            page = np.asarray(pair.image[place])
        else:
            key: list[Any] = [*place, slice(None), slice(None)]
            key.insert(axis, slice(None))
            page = np.asarray(pair.image[tuple(key)])
            # the slices' indices, integers, take their axes away
            page = np.moveaxis(page, max(0, axis - len(place)), -1)
        yield page.astype(np.uint8) if page.dtype == bool else page


def _bytes_of(pair: LayerPair) -> int:
    widest = max(np.dtype(data.dtype).itemsize for data in (pair.image, pair.labels))
    return int(math.prod(pair.image.shape) * widest)
