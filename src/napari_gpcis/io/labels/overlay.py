"""A picture of the result: outlines and clicks over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import cv2
import imageio.v3 as iio
import numpy as np
from PIL.PngImagePlugin import PngInfo
from skimage.segmentation import find_boundaries

from napari_gpcis.io.labels.marks import SOFTWARE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gpcis.engine.click import Click
    from napari_gpcis.io.images.stack import ImageStack
    from napari_gpcis.io.labels.encode import LabelPage

__all__ = ["StackPage", "draw_overlay", "write_overlay"]

# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
_OUTLINES = np.array(
    [(240, 228, 66), (0, 158, 115), (204, 121, 167), (86, 180, 233), (230, 159, 0)], np.uint8
)
_POSITIVE, _NEGATIVE = (86, 180, 233), (213, 94, 0)
_SMALLEST, _LARGEST = 512, 2048


class _Cut(Protocol):
    def __getitem__(self, key: tuple[slice, slice], /) -> NDArray[Any]: ...


class StackPage:
    """A slice of a stack; `draw_overlay` reads only the pixels that it shows.

    Parameters
    ----------
    image : ImageStack
    z : int
        Slice index.
    """

    def __init__(self, image: ImageStack, z: int) -> None:
        self._image = image
        self._z = z

    def __getitem__(self, key: tuple[slice, slice]) -> NDArray[Any]:
        """Pixels of some rows and columns."""
        return self._image.read(self._z, *key)


def draw_overlay(image: _Cut, labels: LabelPage, clicks: Iterable[Click]) -> NDArray[np.uint8]:
    """Draw outlines and clicks over a normalised image.

    Parameters
    ----------
    image : ndarray, shape (Y, X) or (Y, X, C), or StackPage
        One slice; the first three of its channels are shown.
    labels : LabelPage, shape (Y, X)
        Its labels. If the slice is very large, only a sample of labels and image is read.
    clicks : iterable of Click
        Clicks of the slice: positive ones become blue discs, negative ones vermilion crosses.

    Returns
    -------
    ndarray of uint8, shape (Y', X', 3)
        Small images are enlarged by a whole factor and very large ones reduced, so that outlines
        and clicks are visible.
    """
    rows, columns = labels.shape
    longest = max(rows, columns)
    if longest > _LARGEST:
        step = -(-longest // _LARGEST)
        shown, marked, zoom = image[::step, ::step], labels[::step, ::step], 1 / step
    else:
        factor = max(1, -(-_SMALLEST // longest))
        shown = image[:, :].repeat(factor, 0).repeat(factor, 1)
        marked, zoom = labels[:, :].repeat(factor, 0).repeat(factor, 1), float(factor)
    canvas = _as_rgb(shown)
    # Two pixels wide inside the object, and darkened outside so that it shows on bright images.
    edge = find_boundaries(marked, mode="inner").astype(np.uint8)
    outline = (cv2.dilate(edge, np.ones((3, 3), np.uint8)) > 0) & (marked > 0)
    canvas[find_boundaries(marked, mode="outer")] //= 3
    canvas[outline] = _OUTLINES[marked[outline] % len(_OUTLINES)]
    for click in clicks:
        # A pixel's middle stays its middle when it is enlarged.
        _draw_click(canvas, click, int((click.row + 0.5) * zoom), int((click.col + 0.5) * zoom))
    return canvas


def write_overlay(path: Path, overlay: NDArray[np.uint8]) -> None:
    """Write an overlay as PNG, whatever the name's ending."""
    text = PngInfo()
    text.add_text("Software", SOFTWARE)
    iio.imwrite(path, overlay, extension=".png", plugin="pillow", pnginfo=text)


def _as_rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Stretch each channel from its 1st to its 99.8th percentile."""
    planes = image[..., None] if image.ndim == 2 else image[..., :3]
    with np.errstate(over="ignore"):
        single = planes.astype(np.float32)
    finite = np.nan_to_num(single, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = np.percentile(finite, (1, 99.8), axis=(0, 1))
    stretched = np.clip((finite - low) / np.maximum(high - low, 1e-12), 0, 1)
    if stretched.shape[-1] == 1:
        stretched = stretched.repeat(3, axis=-1)
    elif stretched.shape[-1] == 2:
        # Two channels as green and magenta.
        stretched = stretched[..., [1, 0, 1]]
    # In C's order, whatever that of the planes: cv2 draws on nothing else.
    pixels: NDArray[np.uint8] = (stretched * 255).astype(np.uint8, order="C")
    return pixels


def _draw_click(canvas: NDArray[np.uint8], click: Click, row: int, col: int) -> None:
    radius = max(4, round(max(canvas.shape) / 160))
    if click.stroke:
        cv2.circle(canvas, (col, row), radius // 4, _POSITIVE if click.positive else _NEGATIVE, -1)
        return
    if click.positive:
        cv2.circle(canvas, (col, row), radius + 2, (0, 0, 0), -1, cv2.LINE_AA)
        cv2.circle(canvas, (col, row), radius, _POSITIVE, -1, cv2.LINE_AA)
        return
    for colour, thickness in (((0, 0, 0), 6), (_NEGATIVE, 3)):
        cv2.drawMarker(
            canvas, (col, row), colour, cv2.MARKER_TILTED_CROSS, 2 * radius + 2, thickness
        )
