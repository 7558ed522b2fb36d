"""Images and label files of a lab, paired by name and read slice by slice."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.io.annotations.gpcis_file import SUFFIX as ANNOTATION
from napari_gpcis.io.annotations.gpcis_file import read_annotation
from napari_gpcis.io.images.open import open_image
from napari_gpcis_training.data.cellpose import read_numpy_labels
from napari_gpcis_training.data.planes import LabelArray, join_planes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_gpcis_training.data.planes import Chosen, LabelledPlane, LabelPages

_TIFFS = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk")
_BLURRED = (".jpg", ".jpeg")
IMAGE_SUFFIXES = (*_TIFFS, *_BLURRED, ".png", ".bmp", ".gif", ".webp")
_LABELS_END = re.compile(
    r"[-_. ](labels?|masks?|cp[-_]masks|seg|segmentation|gt|ground[-_]?truth|annotations?)$", re.I
)
_IMAGES_END = re.compile(r"[-_. ](img|image|raw)$", re.I)
_OTHER_OUTPUT = re.compile(r"_(flows|cp_output|outlines|cp_outlines|dP|cellprob)$")
"""Names that Cellpose writes beside an image and its masks."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An image file and the file of its labels."""

    image: Path
    labels: Path

    @property
    def name(self) -> str:
        """The image's stem."""
        return stem_of(self.image)


def pair_files(images: Path, labels: Path) -> tuple[list[Pair], list[str]]:
    """Pair the files of two folders, or of one, by their names.

    A label file has the name of its image, or that with an ending such as ``_labels`` or
    ``-mask``, in place of ``_img`` or ``_raw`` if the image has such an ending; the suffixes may
    differ. Label files are images, Cellpose's ``_seg.npy`` (taken
    rather than the ``_cp_masks`` beside it), and annotations that napari-gpcis saved, which may
    also name their image inside.

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
    image_files = _files(images, IMAGE_SUFFIXES, "--images")
    label_files = _files(labels, (*IMAGE_SUFFIXES, ".npy", ANNOTATION), "--labels")
    if images.resolve() == labels.resolve():
        label_files = [path for path in label_files if _is_labels(path)]
        image_files = [path for path in image_files if path not in label_files]
    by_stem = {stem_of(path): path for path in _without_outputs(image_files)}
    problems = _doubles(_without_outputs(image_files), by_stem)
    bases = _bases(by_stem)
    found: dict[str, Path] = {}
    for path in _without_outputs(_without_second_masks(label_files)):
        stem = _image_stem(path, by_stem)
        stem = stem if stem in by_stem else bases.get(stem, stem)
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


def read_pair(
    image: Path,
    labels: Path,
    name: str,
    chosen: Chosen | None = None,
    axes: str | None = None,
) -> Iterator[LabelledPlane]:
    """Read the labelled slices of a pair; see `planes.join_planes`."""
    with open_labels(labels) as pages:
        yield from join_planes(name, image, pages, labels.name, chosen, axes)


@contextmanager
def open_labels(path: Path) -> Iterator[LabelPages]:
    """Open a file of labels of any kind.

    Raises
    ------
    ValueError
        When it is damaged or cannot hold labels.
    """
    if path.suffix.lower() in _BLURRED:
        raise ValueError(f"{path.name}: JPEG blurs label numbers; save the labels as PNG or TIFF")
    if path.suffix.lower() == ANNOTATION:
        yield _annotated_objects(path)
    elif path.suffix.lower() == ".npy":
        yield read_numpy_labels(path)
    else:
        with open_image(path) as stack:
            yield stack


def stem_of(path: Path) -> str:
    """The name without its suffix, also without ``.ome``."""
    stem = path.stem
    return stem[:-4] if stem.lower().endswith(".ome") else stem


def image_files(folder: Path) -> list[Path]:
    """Image files of a folder, sorted; none of a folder that is missing."""
    if not folder.is_dir():
        return []
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != "."]
    return [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]


def _annotated_objects(path: Path) -> LabelArray:
    saved = read_annotation(path)
    if saved.mode == "class":
        raise ValueError(
            f"{path.name}: its labels are classes, not objects; give an annotation of object mode"
        )
    row, col = saved.plane_axes or (-2, -1)
    labels = np.moveaxis(np.asarray(saved.labels), (row, col), (-2, -1))
    return LabelArray(labels.reshape(-1, *labels.shape[-2:]) if labels.ndim > 2 else labels)


def _files(folder: Path, suffixes: Iterable[str], option: str) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"expected a folder, got {folder}; check {option}")
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != "."]
    wanted = [path for path in files if path.suffix.lower() in tuple(suffixes)]
    if not wanted:
        raise ValueError(
            f"expected TIFF, PNG or other image files in {folder}, got "
            f"{len(files)} files and none of these; check {option}"
        )
    return wanted


def _is_labels(path: Path) -> bool:
    return path.suffix.lower() in (".npy", ANNOTATION) or bool(_LABELS_END.search(stem_of(path)))


def _image_stem(labels: Path, images: dict[str, Path]) -> str:
    """Stem of the image that a label file belongs to; one that is in `images` if any is."""
    stem = stem_of(labels)
    stem = stem if stem in images else _LABELS_END.sub("", stem)
    if stem not in images and labels.suffix.lower() == ANNOTATION:
        try:
            named = Path(read_annotation(labels).image).name
        except ValueError:  # found again when it is read, and reported then
            return stem
        return next((each for each in (named, Path(named).stem) if each in images), stem)
    return stem


def _bases(images: Iterable[str]) -> dict[str, str]:
    """Stems of images by what is left without their ending, where that is one's alone."""
    found: dict[str, list[str]] = {}
    for stem in images:
        found.setdefault(_IMAGES_END.sub("", stem), []).append(stem)
    return {base: stems[0] for base, stems in found.items() if len(stems) == 1}


def _without_outputs(files: Iterable[Path]) -> list[Path]:
    stems = {stem_of(path) for path in files}
    return [
        path
        for path in files
        if not (_OTHER_OUTPUT.search(stem_of(path)) and _before_output(path) & stems)
    ]


def _before_output(path: Path) -> set[str]:
    """Stems that a file of Cellpose belongs to, if it is one: of image, masks or dictionary."""
    stem = _OTHER_OUTPUT.sub("", stem_of(path))
    return {stem, f"{stem}_seg", f"{stem}_cp_masks"}


def _without_second_masks(files: list[Path]) -> list[Path]:
    dictionaries = {path.stem for path in files if path.suffix.lower() == ".npy"}
    return [
        path
        for path in files
        if re.sub("_cp_masks$", "_seg", path.stem) not in dictionaries
        or path.suffix.lower() == ".npy"
    ]


def _doubles(files: Iterable[Path], by_stem: dict[str, Path]) -> list[str]:
    return [
        f"{path.name}: {by_stem[stem_of(path)].name} has the same name; rename or remove one"
        for path in files
        if by_stem[stem_of(path)] != path
    ]
