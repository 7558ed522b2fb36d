"""Marks by which our own outputs are known, so that none is taken for an image to segment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SOFTWARE", "is_output"]

SOFTWARE = "napari-gpcis"
"""Value of TIFF's tag and PNG's text of that name in labels and previews."""

_TIFFS = (".tif", ".tiff", ".btf", ".tf8")
_SOFTWARE_TAG = 305


def is_output(path: Path) -> bool:
    """True for labels, previews and sets of ROIs that we wrote, and any labels in OME-Zarr."""
    try:
        if path.is_dir():
            return "image-label" in _zarr_attributes(path)
        if path.suffix.lower() in _TIFFS:
            return _software_of_tiff(path) == SOFTWARE
        if path.suffix.lower() == ".zip":
            return _holds_rois(path)
        return path.suffix.lower() == ".png" and _software_of_png(path) == SOFTWARE
    except Exception:
        # Whatever is wrong with a file is reported when it is opened as an image.
        return False


def _software_of_tiff(path: Path) -> object:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        return tiff.pages.first.tags.valueof(_SOFTWARE_TAG)


def _holds_rois(path: Path) -> bool:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    # A set without any is as empty as a zip file can be.
    return all(name.endswith(".roi") for name in names)


def _software_of_png(path: Path) -> object:
    from PIL import Image

    with Image.open(path) as picture:
        return picture.info.get("Software")


def _zarr_attributes(folder: Path) -> dict[str, Any]:
    """Attributes of a group in either format; since OME-Zarr 0.5 they lie one level down."""
    attributes: dict[str, Any] = {}
    if (folder / ".zattrs").is_file():
        attributes = json.loads((folder / ".zattrs").read_text(encoding="utf-8"))
    elif (folder / "zarr.json").is_file():
        attributes = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))["attributes"]
    ome = attributes.get("ome")
    return ome if isinstance(ome, dict) else attributes
