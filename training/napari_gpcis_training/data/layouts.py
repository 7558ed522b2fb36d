"""Data sets in the layouts that they are distributed in, and a lab's own folder.

============ =============================================================================
folder       images and labels of the same names: in ``images/`` and ``labels/`` (or
             ``masks/`` …), or side by side with endings such as ``_masks``, ``_seg.npy``
grabcut      ``data_GT/``, ``boundary_GT/``: 128 does not count, more is the object
berkeley     ``images/``, ``masks/`` coded alike; several masks of an image end in a letter
davis        ``img/``, ``gt/``: the object is whatever is not 0
coco_mval    the same; or images/ and labels/
sbd          ``img/*.jpg``, ``inst/*.mat``, ``train.txt``, ``val.txt``
dsb2018      ``ID/images/ID.png``, ``ID/masks/*.png``; or images/ and labels/
sstem        ``raw/*.tif``, ``mitochondria/*.png``: connected regions are objects
============ =============================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from napari_gpcis.io.images.open import open_image
from napari_gpcis_training.data import masks
from napari_gpcis_training.data.pairs import image_files, pair_files, read_pair, stem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_gpcis_training.data.planes import Chosen, LabelledPlane

    Reader = Callable[[Path, Path, str, Chosen | None], Iterator[LabelledPlane]]

_IMAGES = ("images", "image", "imgs", "img", "raw")
_LABELS = ("labels", "label", "masks", "mask", "annotations", "ground_truth", "gt")
_ONE_SLICE = (".png", ".jpg", ".jpeg", ".bmp")
_MASK_NUMBER = re.compile(r"(#\d+|[a-z])$")
_FRAME = re.compile(r"[-_]?\d+$")
_PHOTOGRAPH = re.compile(r"_(\d+)$")


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """An image or stack with its labels.

    Attributes
    ----------
    name : str
        Unique in its data set: the image's stem; of Berkeley the mask's.
    image, labels : Path
        File of the image's labels; in DSB2018's own layout the folder of the masks.
    group : str
        Name of what a split keeps together: the photograph, the film; the file's name when unknown.
    layout : str
        One of `LAYOUTS`.
    axes : str or None
        Letters of the image's axes as stored, of a lab's own folder; from the file when None.
    """

    name: str
    image: Path
    labels: Path
    group: str
    layout: str
    axes: str | None = None

    def planes(self, chosen: Chosen | None = None) -> Iterator[LabelledPlane]:
        """Read the labelled slices, one at a time; slices without any label are passed over.

        Parameters
        ----------
        chosen : callable, optional
            Given slice index and number of slices, whether the slice is read; all are.

        Raises
        ------
        EmptyLabelsError
            When all slices were asked for and nothing is labelled.
        ValueError
            Naming the file, when one is corrupt, sizes differ, or labels are none.
        """
        reader = read_pair if self._is_pair else _LAYOUTS[self.layout].read
        if reader is read_pair:
            yield from read_pair(self.image, self.labels, self.name, chosen, self.axes)
        else:
            yield from reader(self.image, self.labels, self.name, chosen)

    @property
    def slices(self) -> int:
        """Number of slices of the image.

        Raises
        ------
        ValueError
            When it cannot be read.
        """
        if self.image.suffix.lower() in _ONE_SLICE:
            return 1
        with open_image(self.image, axes=self.axes) as stack:
            return stack.slices

    @property
    def _is_pair(self) -> bool:
        """Say whether a set that has a layout of its own is here in the form of a lab's folder."""
        return self.layout == "dsb2018" and self.labels.is_file()


class _Layout(NamedTuple):
    """Subfolders of images and masks, and how a pair is read."""

    folders: tuple[str, str] | None
    read: Reader


_LAYOUTS: dict[str, _Layout] = {
    "folder": _Layout(None, read_pair),
    "grabcut": _Layout(("data_GT", "boundary_GT"), masks.read_trimap),
    "berkeley": _Layout(("images", "masks"), masks.read_trimap),
    "davis": _Layout(("img", "gt"), masks.read_any_channel),
    "sbd": _Layout(("img", "inst"), masks.read_instances),
    "coco_mval": _Layout(("img", "gt"), masks.read_any_channel),
    "dsb2018": _Layout(None, masks.read_mask_folder),
    "sstem": _Layout(("raw", "mitochondria"), masks.read_regions),
}
LAYOUTS: tuple[str, ...] = tuple(_LAYOUTS)


def detect_layout(folder: Path) -> str:
    """Recognise a layout by its subfolders.

    Berkeley's are those of a lab's folder too: it is recognised by its folder's name, or by masks
    such as ``image#001``. COCO_MVal differs from DAVIS by its folder's name only.

    Raises
    ------
    ValueError
        When the folder has none of them.
    """
    name = folder.resolve().name.lower()
    if _has(folder, "data_GT", "boundary_GT"):
        return "grabcut"
    if _has(folder, "img", "inst"):
        return "sbd"
    if _has(folder, "raw", "mitochondria"):
        return "sstem"
    if _has(folder, "img", "gt"):
        return "coco_mval" if "coco" in name else "davis"
    if _has(folder, "images", "masks") and ("berkeley" in name or _has_numbered_masks(folder)):
        return "berkeley"
    if _subfolders(folder) or _label_files_beside(folder):
        return "folder"
    if any(
        stem_of(path) == entry.name
        for entry in _stage1_folders(folder)
        for path in image_files(entry / "images")
    ):
        return "dsb2018"
    raise ValueError(
        f"expected a data set in {folder}, such as images/ and labels/ with files of the same "
        f"names, got none; check the folder, or name its layout: {', '.join(LAYOUTS)}"
    )


def find_files(
    folder: Path, layout: str = "auto", part: str | None = None
) -> tuple[list[LabelledFile], list[str]]:
    """Find the labelled images of a data set.

    Parameters
    ----------
    folder : Path
        Folder of the data set.
    layout : str
        One of `LAYOUTS`, or "auto".
    part : {"train", "val"}, optional
        Split of SBD, which has lists of them.

    Returns
    -------
    files : list of LabelledFile
        Sorted by name.
    remarks : list of str
        A line for each file without a counterpart, and for each that has two.

    Raises
    ------
    ValueError
        When the folder is missing, or is not laid out so.
    """
    if not folder.is_dir():
        raise ValueError(f"expected a folder, got {folder}; check its name")
    layout = detect_layout(folder) if layout == "auto" else layout
    if layout not in LAYOUTS:
        raise ValueError(f"expected a layout of {', '.join(LAYOUTS)} or auto, got {layout!r}")
    if layout == "sbd":
        return _find_sbd(folder, part)
    if layout == "dsb2018" and not _subfolders(folder):
        return _find_stage1(folder)
    if layout in ("folder", "dsb2018") or (layout == "coco_mval" and not _has(folder, "img", "gt")):
        images, labels = _subfolders(folder) or (folder, folder)
        return find_pairs(images, labels, layout)
    return _find_masks(folder, layout)


def find_pairs(
    images: Path, labels: Path, layout: str = "folder", axes: str | None = None
) -> tuple[list[LabelledFile], list[str]]:
    """Pair a lab's images and labels, in two folders or one; see `pairs.pair_files`."""
    pairs, problems = pair_files(images, labels)
    files = [
        LabelledFile(pair.name, pair.image, pair.labels, _group(pair.name, layout), layout, axes)
        for pair in pairs
    ]
    return files, problems


def _find_masks(folder: Path, layout: str) -> tuple[list[LabelledFile], list[str]]:
    """Pair each mask with the image of its stem, or of its stem without a number."""
    names = _LAYOUTS[layout].folders
    if names is None or not _has(folder, *names):
        raise ValueError(
            f"expected the layout {layout}, {' and '.join(f'{name}/' for name in names or ())} in "
            f"{folder}, got others; check the folder or --layout"
        )
    images = {stem_of(path): path for path in image_files(folder / names[0])}
    remarks: list[str] = []
    files: list[LabelledFile] = []
    for path in image_files(folder / names[1]):
        name = stem_of(path)
        stem = name if name in images else _MASK_NUMBER.sub("", name)
        if stem in images:
            group = folder.resolve().name if layout == "sstem" else _group(stem, layout)
            files.append(LabelledFile(name, images[stem], path, group, layout))
        else:
            remarks.append(f"{path.name}: there is no image of that name in {names[0]}/")
    used = {file.image for file in files}
    remarks += [
        f"{path.name}: there is no mask of that name in {names[1]}/"
        for path in images.values()
        if path not in used
    ]
    return sorted(files, key=lambda file: file.name), remarks


def _find_sbd(folder: Path, part: str | None) -> tuple[list[LabelledFile], list[str]]:
    lists = [folder / f"{name}.txt" for name in ((part,) if part else ("train", "val"))]
    missing = [path.name for path in lists if not path.is_file()]
    if missing:
        raise ValueError(f"expected {' and '.join(missing)} in {folder}, got none; add the lists")
    stems = sorted({line.strip() for path in lists for line in path.read_text().splitlines()})
    files: list[LabelledFile] = []
    remarks: list[str] = []
    for stem in filter(None, stems):
        image, labels = folder / "img" / f"{stem}.jpg", folder / "inst" / f"{stem}.mat"
        absent = [
            f"{path.parent.name}/{path.name}" for path in (image, labels) if not path.is_file()
        ]
        if absent:
            remarks.append(f"{stem}: listed, but there is no {' or '.join(absent)}")
        else:
            files.append(LabelledFile(stem, image, labels, stem, "sbd"))
    return files, remarks


def _find_stage1(folder: Path) -> tuple[list[LabelledFile], list[str]]:
    files: list[LabelledFile] = []
    remarks: list[str] = []
    for entry in _stage1_folders(folder):
        images = image_files(entry / "images")
        if len(images) == 1:
            labels = entry / "masks"
            files.append(LabelledFile(entry.name, images[0], labels, entry.name, "dsb2018"))
        else:
            remarks.append(f"{entry.name}: {len(images)} images, expected one")
    return files, remarks


def _stage1_folders(folder: Path) -> Iterator[Path]:
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return (entry for entry in entries if _has(entry, "images", "masks"))


def _subfolders(folder: Path) -> tuple[Path, Path] | None:
    """Folders of images and of labels in a lab's folder."""
    images = next((folder / name for name in _IMAGES if (folder / name).is_dir()), None)
    labels = next((folder / name for name in _LABELS if (folder / name).is_dir()), None)
    return (images, labels) if images and labels else None


def _label_files_beside(folder: Path) -> bool:
    try:
        return bool(pair_files(folder, folder)[0])
    except ValueError:
        return False


def _has_numbered_masks(folder: Path) -> bool:
    images = {path.stem for path in image_files(folder / "images")}
    stems = [path.stem for path in image_files(folder / "masks") if path.stem not in images]
    return bool(stems) and all(_MASK_NUMBER.sub("", stem) in images for stem in stems)


def _has(folder: Path, *names: str) -> bool:
    return all((folder / name).is_dir() for name in names)


def _group(stem: str, layout: str) -> str:
    """Photograph of COCO_MVal, film of DAVIS."""
    if layout == "coco_mval":
        match = _PHOTOGRAPH.search(stem)
        return match.group(1) if match else stem
    return _FRAME.sub("", stem) or stem if layout == "davis" else stem
