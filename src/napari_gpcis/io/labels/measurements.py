"""Measurements of labelled objects as CSV: a line for each object and slice."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from skimage.measure import regionprops_table

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

__all__ = ["write_measurements"]

_OF_SHAPE = {
    "area": "area",
    "centroid-0": "centroid_row",
    "centroid-1": "centroid_col",
    "perimeter": "perimeter",
    "axis_major_length": "major_axis",
    "axis_minor_length": "minor_axis",
    "eccentricity": "eccentricity",
    "solidity": "solidity",
}
_ASKED = ("label", "centroid", *(name for name in _OF_SHAPE if not name.startswith("centroid")))


def write_measurements(
    path: str | os.PathLike[str],
    slices: Iterable[tuple[int, NDArray[Any], NDArray[Any]]],
    *,
    spacing: tuple[float, float] = (1.0, 1.0),
    unit: str = "px",
    certainty: Mapping[int, float | None] | None = None,
) -> int:
    """Write size, shape and mean intensity of the objects of each slice.

    Parameters
    ----------
    path : path
        CSV file to write, whole or not at all.
    slices : iterable of (int, int array, array)
        Slice index; labels, shape (Y, X); image, shape (Y, X) or (Y, X, C).
    spacing : tuple of float
        Height and width of a pixel in `unit`. Perimeters are known of square pixels only.
    unit : str
        Unit of lengths; areas are in its square.
    certainty : mapping of int to float or None, optional
        Mean probability of each label, where it is known.

    Returns
    -------
    int
        Number of lines.

    Raises
    ------
    OutputFileError
        When `path` cannot be written.
    """
    written = 0
    with atomic_write(path) as part, os_errors_as_output_errors(path):
        with part.open("w", encoding="utf-8", newline="") as file:
            writer: csv.DictWriter[str] | None = None
            for z, labels, image in slices:
                for row in _rows(z, labels, image, spacing, unit, certainty or {}):
                    if writer is None:
                        writer = csv.DictWriter(file, list(row))
                        writer.writeheader()
                    writer.writerow(row)
                    written += 1
            if writer is None:
                file.write("object,slice\r\n")
    return written


def _rows(
    z: int,
    labels: NDArray[Any],
    image: NDArray[Any],
    spacing: tuple[float, float],
    unit: str,
    certainty: Mapping[int, float | None],
) -> Iterable[dict[str, object]]:
    if not labels.any():
        return
    is_square = spacing[0] == spacing[1]
    asked = [name for name in _ASKED if is_square or name != "perimeter"]
    found = regionprops_table(labels, image, (*asked, "intensity_mean"), spacing=spacing)
    intensities = [name for name in found if name.startswith("intensity_mean")]
    for at, label in enumerate(found["label"].tolist()):
        sure = certainty.get(label)
        row: dict[str, object] = {"object": label, "slice": z, "unit": unit}
        row |= {
            name: f"{found[key][at]:.6g}" if key in found else "" for key, name in _OF_SHAPE.items()
        }
        row |= {
            name.replace("intensity_mean-", "mean_intensity_").replace(
                "intensity_mean", "mean_intensity"
            ): f"{found[name][at]:.6g}"
            for name in intensities
        }
        yield row | {"certainty": "" if sure is None else f"{sure:.4f}"}
