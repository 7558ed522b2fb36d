"""Labelled slices: what one is, and how pixels become an 8-bit image and label numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from skimage.segmentation import relabel_sequential

from napari_gpcis.engine.normalise import Normalisation, composite, measure
from napari_gpcis.io.images.open import open_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Chosen = Callable[[int, int], bool]

Array = np.ndarray[Any, np.dtype[Any]]

_MOST_LABELS = np.iinfo(np.uint16).max
_MOST_CHANNELS = 10


@dataclass(frozen=True, slots=True)
class LabelledPlane:
    """One labelled slice.

    Attributes
    ----------
    name : str
        The file's name; of a volume with the slice index, as in ``stack[3]``.
    image : uint8, shape (Y, X) or (Y, X, 3)
    labels : int, shape (Y, X)
        0 is background, 1 and up are objects.
    ignore : bool, shape (Y, X), or None
        Pixels that do not count.
    z, slices : int
        Index of the slice, and how many the file has.
    """

    name: str
    image: Array
    labels: Array
    ignore: Array | None = None
    z: int = 0
    slices: int = 1


class EmptyLabelsError(ValueError):
    """Labels of the right form in which nothing is labelled."""


class LabelPages(Protocol):
    """Labels, a slice at a time."""

    @property
    def rows(self) -> int:
        """Pixels from top to bottom."""

    @property
    def columns(self) -> int:
        """Pixels from left to right."""

    @property
    def slices(self) -> int:
        """Number of slices."""

    def page(self, z: int) -> Array:
        """Read one slice, shape (Y, X)."""


@dataclass(frozen=True, slots=True)
class LabelArray:
    """Labels in memory, shape (Y, X) or (Z, Y, X)."""

    values: Array

    @property
    def rows(self) -> int:
        """Pixels from top to bottom."""
        return int(self.values.shape[-2])

    @property
    def columns(self) -> int:
        """Pixels from left to right."""
        return int(self.values.shape[-1])

    @property
    def slices(self) -> int:
        """Number of slices."""
        return 1 if self.values.ndim == 2 else len(self.values)

    def page(self, z: int) -> Array:
        """Slice `z`."""
        page: Array = self.values if self.values.ndim == 2 else self.values[z]
        return page


def join_planes(
    name: str,
    image: Path,
    labels: LabelPages,
    labels_name: str,
    chosen: Chosen | None = None,
    axes: str | None = None,
) -> Iterator[LabelledPlane]:
    """Read an image and its labels slice by slice; slices without any label are passed over.

    Parameters
    ----------
    name : str
        Name of the planes.
    image : Path
        Image or stack.
    labels : LabelPages
        Of as many slices.
    labels_name : str
        File that messages name.
    chosen : callable, optional
        Called with slice index and number of slices; true for a slice that is wanted.
    axes : str, optional
        Letters of the image's axes as stored, such as CYX; from the file when not given.

    Raises
    ------
    EmptyLabelsError
        When all slices were wanted and nothing is labelled.
    ValueError
        When the image is damaged, the sizes differ, or labels are none.
    """
    with open_image(image, axes=axes) as stack:
        sizes = (stack.slices, stack.rows, stack.columns)
        _compare_sizes(sizes, (labels.slices, labels.rows, labels.columns), labels_name)
        found = chosen is not None
        for z in range(labels.slices):
            if chosen is not None and not chosen(z, labels.slices):
                continue
            numbers = label_numbers(labels.page(z), labels_name)
            if numbers.any():
                found = True
                plane = name_of_slice(name, z, labels.slices)
                pixels = eight_bit(stack.page(z), stack.is_rgb)
                yield LabelledPlane(plane, pixels, numbers, None, z, labels.slices)
    if not found:
        raise empty(labels_name)


def name_of_slice(name: str, z: int, slices: int) -> str:
    """The file's name, of a volume with the slice index."""
    return f"{name}[{z}]" if slices > 1 else name


def empty(labels_name: str) -> EmptyLabelsError:
    """The error of a file in which nothing is labelled."""
    return EmptyLabelsError(f"{labels_name}: no object is labelled; label some, or leave it out")


def label_numbers(page: Array, name: str) -> Array:
    """Labels as uint16, numbered anew where they are larger.

    Raises
    ------
    ValueError
        When they are in colour, fractional or negative, or too many.
    """
    if page.ndim == 3 and (page == page[..., :1]).all():
        page = page[..., 0]
    if page.ndim == 3:
        raise ValueError(f"{name}: labels in colour; save them as grey levels, one per object")
    if page.dtype.kind == "f" and not (np.isfinite(page).all() and (page == np.rint(page)).all()):
        raise ValueError(f"{name}: values that are not whole; save label numbers, 0 for background")
    if page.min(initial=0) < 0:
        raise ValueError(f"{name}: negative labels; save label numbers, 0 for background")
    if page.max(initial=0) > _MOST_LABELS:
        page = _numbered_anew(page)
        if page.max() > _MOST_LABELS:
            raise ValueError(f"{name}: {page.max()} objects in a slice; cut it into parts")
    return page.astype(np.uint16)


def eight_bit(page: Array, is_rgb: bool) -> Array:
    """Grey or RGB in 8 bits; channels are coloured as the engine does."""
    if page.dtype == np.uint8 and (page.ndim == 2 or is_rgb):
        return page
    pixels = page if page.ndim == 3 else page[..., None]
    given = measure(pixels.reshape(-1, pixels.shape[-1]), Normalisation(), joint=is_rgb)
    planes = np.rint(255 * composite(pixels, given, rgb=is_rgb)).astype(np.uint8)
    return planes[0] if page.ndim == 2 else np.ascontiguousarray(np.moveaxis(planes, 0, -1))


def _numbered_anew(page: Array) -> Array:
    if page.dtype.kind == "f" or page.max() > np.iinfo(np.int64).max:
        page = np.unique(page, return_inverse=True)[1].reshape(page.shape) + (page.min() > 0)
    numbers: Array = relabel_sequential(page.astype(np.int64))[0]
    return numbers


def _compare_sizes(image: tuple[int, ...], labels: tuple[int, ...], name: str) -> None:
    remedy = "export the labels again from this image"
    if labels[0] == 1 and image[0] > 1:
        # Channels that the file does not call so look like slices or columns.
        if image[1:] == labels[1:]:
            remedy = f"if these are channels, say so (--axes CYX), or else {remedy}"
        elif image[:2] == labels[1:] and image[2] <= _MOST_CHANNELS:
            remedy = f"if its last axis holds channels, say so (--axes YXC), or else {remedy}"
    if image[1:] != labels[1:]:
        raise ValueError(
            f"{name}: {labels[1]} × {labels[2]} px, but the image has "
            f"{image[1]} × {image[2]}; {remedy}"
        )
    if image[0] != labels[0]:
        raise ValueError(f"{name}: slices: {labels[0]}, but the image has {image[0]}; {remedy}")
