"""What the axes of an image hold, as the file says that it was opened from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_gpcis.io.errors import UserError
from napari_gpcis.io.images.open import open_image

if TYPE_CHECKING:
    from napari.layers import Image

__all__ = ["is_named", "is_time", "name_axes_by_file"]

_NAMES = {"T": "t", "C": "c", "S": "c", "Z": "z", "Y": "y", "X": "x"}


def is_named(label: str) -> bool:
    """True for an axis with a label of its own; napari's are "axis -3" or "-3"."""
    return not label.removeprefix("axis ").lstrip("-").isdigit()


def is_time(label: str) -> bool:
    """True if a label says that an axis is time."""
    return label.lower() in ("t", "time")


def name_axes_by_file(layer: Image) -> None:
    """Label the axes of an image as its file does (OME, ImageJ, OME-Zarr), where nobody has.

    napari's own readers drop what a file says of its axes. Nothing is changed where the file
    cannot be read here, or holds another array than the layer.

    Parameters
    ----------
    layer : Image
        Whose ``source.path`` is the file.
    """
    labels = [str(label) for label in layer.axis_labels]
    if layer.ndim < 3 or not layer.source.path or any(map(is_named, labels)):
        return
    try:
        with open_image(layer.source.path) as stack:
            letters, shape = stack.stored_axes.letters, stack.stored_axes.shape
    except (UserError, OSError):
        return
    data: Any = layer.data[0] if layer.multiscale else layer.data
    sizes = tuple(int(size) for size in data.shape[: layer.ndim])
    stored = list(zip(letters, shape, strict=True))
    long = [(letter, size) for letter, size in stored if size > 1]
    for axes in (stored, long, stored[:-1], long[:-1]):  # the last ones without colours
        if tuple(size for _, size in axes) == sizes:
            named = [
                _NAMES.get(letter, label) for (letter, _), label in zip(axes, labels, strict=True)
            ]
            layer.axis_labels = tuple(named)
            return
