"""Masks of the benchmark sets, decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.measure import label as connected_regions

from napari_gpcis.io.images.open import open_image
from napari_gpcis_training.data.planes import LabelArray, LabelledPlane, eight_bit, empty
from napari_gpcis_training.data.planes import join_planes as join

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_gpcis_training.data.planes import Array, Chosen

_IGNORED = 128


def read_trimap(
    image: Path, mask: Path, name: str, chosen: Chosen | None = None
) -> Iterator[LabelledPlane]:
    """GrabCut and Berkeley: in channel 0, 128 does not count and more is the object."""
    code = _read(mask)
    code = code[..., 0] if code.ndim == 3 else code
    ignore = code == _IGNORED
    labels = LabelArray((code > _IGNORED).astype(np.uint8))
    for plane in join(name, image, labels, mask.name, chosen):
        yield LabelledPlane(plane.name, plane.image, plane.labels, ignore)


def read_any_channel(
    image: Path, mask: Path, name: str, chosen: Chosen | None = None
) -> Iterator[LabelledPlane]:
    """DAVIS and COCO_MVal: the object is where any channel is above 0."""
    code = _read(mask)
    code = code.max(axis=-1) if code.ndim == 3 else code
    yield from join(name, image, LabelArray((code > 0).astype(np.uint8)), mask.name, chosen)


def read_regions(
    image: Path, mask: Path, name: str, chosen: Chosen | None = None
) -> Iterator[LabelledPlane]:
    """ssTEM: every region of neighbouring pixels, diagonal ones apart, is an object."""
    code = _read(mask)
    code = code.max(axis=-1) if code.ndim == 3 else code
    labels = LabelArray(connected_regions(code > 0, connectivity=1))
    yield from join(name, image, labels, mask.name, chosen)


def read_instances(
    image: Path, instances: Path, name: str, chosen: Chosen | None = None
) -> Iterator[LabelledPlane]:
    """SBD: `Segmentation` of `GTinst` in a Matlab file numbers the objects."""
    yield from join(name, image, LabelArray(_read_matlab(instances)), instances.name, chosen)


def read_mask_folder(
    image: Path, folder: Path, name: str, chosen: Chosen | None = None
) -> Iterator[LabelledPlane]:
    """DSB2018: a mask file per object, numbered in the order of the files' names."""
    with open_image(image) as stack:
        shape, pixels = (stack.rows, stack.columns), eight_bit(stack.page(), stack.is_rgb)
    labels = np.zeros(shape, np.uint16)
    for number, path in enumerate(sorted(folder.glob("*.png")), start=1):
        mask = _read(path)
        mask = mask.max(axis=-1) if mask.ndim == 3 else mask
        if mask.shape != shape:
            raise ValueError(
                f"{path.name} of {name}: {mask.shape[0]} × {mask.shape[1]} px, but the image has "
                f"{shape[0]} × {shape[1]}; download it again"
            )
        labels[mask > 0] = number
    if not labels.any():
        raise empty(f"{name}/masks")
    if chosen is None or chosen(0, 1):
        yield LabelledPlane(name, pixels, labels)


def _read(path: Path) -> Array:
    with open_image(path) as stack:
        return stack.page()


def _read_matlab(path: Path) -> Array:
    from scipy.io import loadmat

    try:
        values: dict[str, Any] = loadmat(path, variable_names=["GTinst"])
        found = values["GTinst"]["Segmentation"][0, 0]
    # a damaged Matlab file makes its reader raise almost anything
    except Exception as error:
        raise ValueError(
            f"{path.name}: no GTinst.Segmentation can be read ({error}); download it again"
        ) from error
    return np.asarray(found)
