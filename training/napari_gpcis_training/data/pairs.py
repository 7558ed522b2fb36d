"""Images and label files of a lab, paired by name and read slice by slice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.segmentation import relabel_sequential

from napari_gpcis.engine.normalise import Normalisation, composite, measure
from napari_gpcis.io.stacks import open_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_gpcis.io.stacks import ImageStack

Array = np.ndarray[Any, np.dtype[Any]]

_TIFFS = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk")
_BLURRED = (".jpg", ".jpeg")
_SUFFIXES = (*_TIFFS, *_BLURRED, ".png", ".bmp", ".gif", ".webp")
_LABELS_END = re.compile(
    r"[-_. ](labels?|masks?|cp[-_]masks|seg|segmentation|gt|ground[-_]?truth|annotations?)$", re.I
)
_MOST_LABELS = np.iinfo(np.uint16).max


@dataclass(frozen=True, slots=True)
class Pair:
    """An image file and the file of its labels."""

    image: Path
    labels: Path


@dataclass(frozen=True, slots=True)
class Plane:
    """One labelled slice.

    Attributes
    ----------
    pair : int
        Index of the files that it is from.
    name : str
        File name and, of a stack, slice index.
    image : uint8, shape (Y, X) or (Y, X, 3)
    labels : uint16, shape (Y, X)
    """

    pair: int
    name: str
    image: Array
    labels: Array


def pair_files(images: Path, labels: Path) -> tuple[list[Pair], list[str]]:
    """Pair the files of two folders, or of one, by their names.

    A label file has the name of its image, or that with an ending such as ``_labels`` or
    ``-mask``; the suffixes may differ.

    Returns
    -------
    pairs : list of Pair
        Sorted by name.
    problems : list of str
        A line for each file without a counterpart, and for each that has two.

    Raises
    ------
    ValueError
        When a folder is missing or holds no images.
    """
    image_files, label_files = _files(images, "--images"), _files(labels, "--labels")
    if images.resolve() == labels.resolve():
        label_files = [path for path in label_files if _LABELS_END.search(_stem(path))]
        image_files = [path for path in image_files if path not in label_files]
    by_stem = {_stem(path): path for path in image_files}
    problems = _doubles(image_files, by_stem)
    found: dict[str, Path] = {}
    for path in label_files:
        stem = _stem(path)
        stem = stem if stem in by_stem else _LABELS_END.sub("", stem)
        if stem not in by_stem:
            problems.append(f"{path.name}: there is no image of that name in {images}")
        elif stem in found:
            problems.append(f"{path.name}: the image has other labels already, {found[stem].name}")
        else:
            found[stem] = path
    problems += [
        f"{path.name}: there are no labels of that name in {labels}"
        for stem, path in by_stem.items()
        if stem not in found
    ]
    return [Pair(by_stem[stem], found[stem]) for stem in sorted(found)], problems


def read_planes(pair: Pair, number: int) -> Iterator[Plane]:
    """Read the labelled slices of a pair; slices without any label are passed over.

    Raises
    ------
    ValueError
        When a file is damaged, the sizes differ, labels are none, or nothing is labelled.
    """
    if pair.labels.suffix.lower() in _BLURRED:
        raise ValueError(
            f"{pair.labels.name}: JPEG blurs label numbers; save the labels as PNG or TIFF"
        )
    with open_image(pair.image) as image, open_image(pair.labels) as labels:
        _compare_sizes(image, labels)
        found = False
        for z in range(labels.slices):
            numbers = _label_numbers(labels.page(z), pair.labels.name)
            if numbers.any():
                found = True
                name = f"{pair.image.name}[{z}]" if labels.slices > 1 else pair.image.name
                yield Plane(number, name, _eight_bit(image.page(z), image.is_rgb), numbers)
    if not found:
        raise ValueError(f"{pair.labels.name}: no object is labelled; label some, or leave it out")


def _files(folder: Path, option: str) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"expected a folder, got {folder}; check {option}")
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != "."]
    images = [path for path in files if path.suffix.lower() in _SUFFIXES]
    if not images:
        raise ValueError(
            f"expected TIFF, PNG or other image files in {folder}, got "
            f"{len(files)} files and none of these; check {option}"
        )
    return images


def _stem(path: Path) -> str:
    stem = path.stem
    return stem[:-4] if stem.lower().endswith(".ome") else stem


def _doubles(files: Iterable[Path], by_stem: dict[str, Path]) -> list[str]:
    return [
        f"{path.name}: {by_stem[_stem(path)].name} has the same name; rename or remove one"
        for path in files
        if by_stem[_stem(path)] != path
    ]


def _compare_sizes(image: ImageStack, labels: ImageStack) -> None:
    if (image.rows, image.columns) != (labels.rows, labels.columns):
        raise ValueError(
            f"{labels.path.name}: {labels.rows} × {labels.columns} px, but the image has "
            f"{image.rows} × {image.columns}; export the labels again from this image"
        )
    if image.slices != labels.slices:
        raise ValueError(
            f"{labels.path.name}: slices: {labels.slices}, but the image has {image.slices}; "
            "export the labels again from this image"
        )


def _label_numbers(page: Array, name: str) -> Array:
    """Labels as uint16, numbered anew where they are larger."""
    if page.ndim == 3 and (page == page[..., :1]).all():
        page = page[..., 0]
    if page.ndim == 3:
        raise ValueError(f"{name}: labels in colour; save them as grey levels, one per object")
    if page.dtype.kind == "f" and not (np.isfinite(page).all() and (page == np.rint(page)).all()):
        raise ValueError(f"{name}: values that are not whole; save label numbers, 0 for background")
    if page.min(initial=0) < 0:
        raise ValueError(f"{name}: negative labels; save label numbers, 0 for background")
    if page.max(initial=0) > _MOST_LABELS:
        page = relabel_sequential(page.astype(np.int64))[0]
        if page.max() > _MOST_LABELS:
            raise ValueError(f"{name}: {page.max()} objects in a slice; cut it into parts")
    return page.astype(np.uint16)


def _eight_bit(page: Array, is_rgb: bool) -> Array:
    """Grey or RGB in 8 bits; channels are coloured as the engine does."""
    if page.dtype == np.uint8 and (page.ndim == 2 or is_rgb):
        return page
    pixels = page if page.ndim == 3 else page[..., None]
    given = measure(pixels.reshape(-1, pixels.shape[-1]), Normalisation(), joint=is_rgb)
    planes = np.rint(255 * composite(pixels, given, rgb=is_rgb)).astype(np.uint8)
    return planes[0] if page.ndim == 2 else np.ascontiguousarray(np.moveaxis(planes, 0, -1))
