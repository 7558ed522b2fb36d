"""What we write opens in a real napari window, and what napari writes we read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
import tifffile

from napari_gpcis.engine.click import Click
from napari_gpcis.io.annotations.clicks import read_clicks, write_clicks
from napari_gpcis.io.images.open import open_image
from napari_gpcis.io.labels.writer import label_writer

pytestmark = pytest.mark.gui

CLICKS = [
    Click(0, 5, 17, positive=True, object_id=1),
    Click(2, 11, 3, positive=False, object_id=1),
    Click(1, 0, 0, positive=True, object_id=2),
]


@pytest.fixture
def viewer(make_napari_viewer: Callable[[], Any]) -> Any:
    return make_napari_viewer()


@pytest.mark.parametrize(
    ("ndim", "expected"),
    [(2, [[5, 17], [11, 3], [0, 0]]), (3, [[0, 5, 17], [2, 11, 3], [1, 0, 0]])],
)
def test_a_clicks_file_opens_as_a_points_layer(
    viewer: Any, tmp_path: Path, ndim: int, expected: list[list[int]]
) -> None:
    path = tmp_path / "clicks.csv"
    write_clicks(path, CLICKS, ndim)

    (layer,) = viewer.open(str(path))

    assert layer._type_string == "points"
    np.testing.assert_array_equal(layer.data, expected)


def test_points_saved_by_napari_are_positive_clicks_of_one_object(
    viewer: Any, tmp_path: Path
) -> None:
    path = tmp_path / "points.csv"
    layer = viewer.add_points([[2, 4.4, 7.6], [0, 10, -0.2]])
    layer.save(str(path))

    assert read_clicks(path, 3) == [Click(2, 4, 8), Click(0, 10, 0)]


def test_a_clicks_file_comes_back_from_napari_with_objects_and_signs(
    viewer: Any, tmp_path: Path
) -> None:
    written, saved = tmp_path / "clicks.csv", tmp_path / "saved.csv"
    write_clicks(written, CLICKS, 3)

    (layer,) = viewer.open(str(written))
    layer.save(str(saved))

    assert read_clicks(saved, 3) == CLICKS


@pytest.mark.parametrize(("shape", "axes"), [((20, 30), "YX"), ((3, 20, 30), "ZYX")])
def test_a_label_tiff_opens_as_a_labels_layer(
    viewer: Any, tmp_path: Path, shape: tuple[int, ...], axes: str
) -> None:
    image, written = tmp_path / "image.tif", tmp_path / "labels.tif"
    tifffile.imwrite(image, np.zeros(shape, np.uint8), metadata={"axes": axes}, imagej=True)
    labels = np.arange(np.prod(shape)).reshape(shape) % 7
    with open_image(image) as stack, label_writer(written, stack, highest=7) as writer:
        for page in labels.reshape(-1, *shape[-2:]):
            writer.write(page)

    (layer,) = viewer.open(str(written), layer_type="labels")

    assert layer._type_string == "labels"
    np.testing.assert_array_equal(np.asarray(layer.data), labels)


@pytest.mark.parametrize("suffix", [".zip", ".geojson", ".json"])
def test_labels_are_saved_as_shapes(viewer: Any, tmp_path: Path, suffix: str) -> None:
    labels = np.zeros((3, 20, 30), np.int32)
    labels[1, 4:9, 5:12], labels[2, 4:9, 5:12] = 1, 2
    path = tmp_path / f"cells{suffix}"
    viewer.add_labels(labels, name="cells").save(str(path))
    if suffix == ".zip":
        assert [(roi.name, roi.position) for roi in roifile.roiread(path)] == [
            ("1 slice 2", 2),
            ("2 slice 3", 3),
        ]
    else:
        whole = json.loads(path.read_text())
        assert len(whole["features" if suffix == ".geojson" else "annotations"]) == 2
