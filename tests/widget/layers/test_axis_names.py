"""Axes of an image layer take the names that the file gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Image
from napari.layers._source import layer_source

from napari_gpcis.widget.layers.axis_names import name_axes_by_file


def layer_of(path: Path, data: Any, **arguments: Any) -> Image:
    with layer_source(path=str(path)):
        return Image(data, **arguments)


@pytest.mark.parametrize(
    ("shape", "axes", "labels"),
    [
        ((3, 32, 40), "ZYX", ("z", "y", "x")),
        ((3, 32, 40), "CYX", ("c", "y", "x")),
        ((2, 5, 3, 32, 40), "TZCYX", ("t", "z", "c", "y", "x")),
    ],
)
def test_an_ome_file_says_what_its_axes_hold(
    tmp_path: Path, shape: tuple[int, ...], axes: str, labels: tuple[str, ...]
) -> None:
    data = np.zeros(shape, np.uint8)
    path = tmp_path / "image.ome.tif"
    tifffile.imwrite(path, data, metadata={"axes": axes}, ome=True)
    layer = layer_of(path, data)
    name_axes_by_file(layer)
    assert tuple(layer.axis_labels) == labels


def test_axes_of_one_element_may_be_gone_from_the_layer(tmp_path: Path) -> None:
    path = tmp_path / "image.ome.tif"
    tifffile.imwrite(path, np.zeros((1, 4, 32, 40), np.uint8), metadata={"axes": "TCYX"}, ome=True)
    layer = layer_of(path, np.zeros((4, 32, 40), np.uint8))
    name_axes_by_file(layer)
    assert tuple(layer.axis_labels) == ("c", "y", "x")


def test_names_that_are_there_stay_and_other_data_get_none(tmp_path: Path) -> None:
    path = tmp_path / "image.ome.tif"
    data = np.zeros((3, 32, 40), np.uint8)
    tifffile.imwrite(path, data, metadata={"axes": "CYX"}, ome=True)
    named = layer_of(path, data, axis_labels=("time", "y", "x"))
    name_axes_by_file(named)
    assert tuple(named.axis_labels) == ("time", "y", "x")
    for other in (layer_of(path, data[:2]), layer_of(tmp_path / "gone.tif", data), Image(data)):
        before = tuple(other.axis_labels)
        name_axes_by_file(other)
        assert tuple(other.axis_labels) == before
