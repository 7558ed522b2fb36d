"""Everything that is not a TIFF: PNG, JPEG, GIF and what else `imageio` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.resolution import Resolution
from napari_gpcis.io.stacks import ImageStack, unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["PictureStack"]


class PictureStack(ImageStack):
    """A picture, or an animation whose frames become slices along T."""

    def __init__(self, path: Path) -> None:
        self.path = path
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
        if first.ndim not in (2, 3) or first.dtype.kind not in "buif":
            self.close()
            raise ImageFileError(
                f"{path} has slices of shape {first.shape} and type {first.dtype}; "
                "save it as a grey or colour TIFF"
            )
        self.dtype = first.dtype
        self.rows, self.columns = first.shape[:2]
        self.slices = frames
        self.slice_axis = "T" if frames > 1 else ""
        self._opaque = _without_alpha(first.shape)
        self.channels = self._opaque if self._opaque > 1 else 0
        self.is_rgb = self.channels == 3
        if dpi and all(dpi):
            self.resolution = Resolution.of_dpi(dpi)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._handle.close()

    def _read(self, z: int) -> NDArray[Any]:
        page = np.asarray(self._file.read(index=z))
        if page.ndim == 2:
            return page
        return page[..., : self._opaque] if self._opaque > 1 else page[..., 0]


def _without_alpha(shape: tuple[int, ...]) -> int:
    """Channels of a slice that carry colour: of grey + alpha and RGB + alpha all but the last."""
    if len(shape) == 2:
        return 1
    return shape[2] - 1 if shape[2] in (2, 4) else shape[2]
