"""Labels as OME-Zarr: a folder with a file for each tile.

Version 0.4, which is zarr's second format: whatever reads OME-Zarr reads it (napari with its
plugins, Bio-Formats, MoBIE, neuroglancer), while 0.5 needs newer versions, such as `ome-zarr` from
0.12 on; zarr-python writes both. Its zlib chunks are, besides, what encoded tiles are already.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.io.files import atomic_folder, is_zarr_folder, os_errors_as_output_errors
from napari_gpcis.io.labels.encode import tile_shape

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from napari_gpcis.io.images.stack import ImageStack
    from napari_gpcis.io.labels.encode import EncodedPage

__all__ = ["ZarrPages", "open_label_zarr"]

_VERSION = "0.4"
_ARRAY = "0"


@contextmanager
def open_label_zarr(
    path: str | os.PathLike[str], image: ImageStack, dtype: np.dtype[Any]
) -> Iterator[ZarrPages]:
    """Open an OME-Zarr folder that appears only when the block succeeds.

    Parameters
    ----------
    path : path
        Path of the finished folder; an older one is replaced if it is zarr.
    image : ImageStack
        Source of axes, size and resolution.
    dtype : numpy.dtype
        Type of the labels.

    Raises
    ------
    OutputFileError
        When `path` cannot be written, on entering already.
    """
    with atomic_folder(path, "zarr", is_zarr_folder) as part:
        with os_errors_as_output_errors(path):
            _write_metadata(part, image, dtype)
        yield ZarrPages(part, image)


class ZarrPages:
    """Adds encoded pages to an array of zarr; made by `open_label_zarr`."""

    def __init__(self, folder: Path, image: ImageStack) -> None:
        self._array = folder / _ARRAY
        self._slice_shape = image.slice_shape
        self._written = 0

    def write(self, page: EncodedPage) -> None:
        """Add the next page; its tiles become chunks as they are, background needs none."""
        place = map(str, np.unravel_index(self._written, self._slice_shape or (1,)))
        folder = self._array.joinpath(*place) if self._slice_shape else self._array
        for index, tile in enumerate(page.tiles):
            if tile:
                row, column = divmod(index, page.grid[1])
                chunk = folder / f"{row}" / f"{column}"
                chunk.parent.mkdir(parents=True, exist_ok=True)
                chunk.write_bytes(tile)
        self._written += 1


def _write_metadata(folder: Path, image: ImageStack, dtype: np.dtype[Any]) -> None:
    # Imported late, as it takes a while to load.
    import zarr

    axes, scale, translation = image.resolution.ome_zarr(image.slice_axes)
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(translation):
        transformations.append({"type": "translation", "translation": translation})
    datasets = [{"path": _ARRAY, "coordinateTransformations": transformations}]
    # A name of its own would make two outputs differ that hold the same.
    multiscale = {"version": _VERSION, "name": "labels", "axes": axes, "datasets": datasets}
    attributes = {"multiscales": [multiscale], "image-label": {"version": _VERSION}}
    group = zarr.create_group(folder, zarr_format=2, attributes=attributes)
    group.create_array(
        _ARRAY,
        shape=(*image.slice_shape, image.rows, image.columns),
        chunks=(*(1 for _ in image.slice_shape), *tile_shape((image.rows, image.columns))),
        dtype=dtype.newbyteorder("<"),
        compressors=[{"id": "zlib", "level": 5}],
        fill_value=0,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
