"""What napari saves of a labels layer with this plugin: ROIs, GeoJSON, COCO's annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.io.errors import OutputFileError
from napari_gpcis.io.labels.shapes import shape_writer
from napari_gpcis.io.labels.slices import Slices
from napari_gpcis.widget.layers.axis_names import is_time

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["write_shapes_file"]


def write_shapes_file(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a labels layer, of 2 axes or more, as the shapes that the suffix stands for.

    Raises
    ------
    OutputFileError
        When the layer is no image of a single scale, or `path` cannot be written.
    """
    if meta.get("multiscale") or np.ndim(data) < 2:
        raise OutputFileError(
            f"expected labels of a single scale, got the layer {meta.get('name')!r}; save its "
            "full resolution"
        )
    *leading, rows, columns = np.shape(data)
    axes = _letters(meta.get("axis_labels") or (), len(leading))
    slices = Slices(str(meta.get("name") or "labels"), rows, columns, axes, tuple(leading))
    with shape_writer(path, slices) as shapes:
        for z in range(slices.count):
            shapes.write(z, np.asarray(data[np.unravel_index(z, leading) if leading else ...]))
    return [path]


def _letters(labels: Sequence[str], count: int) -> str:
    """Letters of the leading axes; none where one would come twice."""
    names = [str(label).lower() for label in labels[:count]] or [""] * count
    letters = "".join("T" if is_time(name) else "Z" for name in names)
    return letters if len(set(letters)) == len(letters) else ""
