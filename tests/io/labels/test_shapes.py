from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
from skimage import measure
from skimage.draw import polygon2mask

from napari_gpcis.io.errors import OutputFileError
from napari_gpcis.io.labels.encode import encode_page
from napari_gpcis.io.labels.marks import is_output
from napari_gpcis.io.labels.shapes import SHAPE_SUFFIXES, shape_path, shape_writer
from napari_gpcis.io.labels.slices import ClassStyle, Slices

ROWS, COLUMNS = 40, 53
STACK = Slices("cells.tif", ROWS, COLUMNS, "Z", (3,))


def labelled(seed: int) -> np.ndarray:
    """Objects with ragged borders, holes, and pieces that lie apart."""
    noise = np.random.default_rng(seed).random((ROWS, COLUMNS)) > 0.5
    labels = measure.label(noise, connectivity=1)
    labels[labels > 0] = labels[labels > 0] % 7 * 10 + 1
    return labels.astype(np.uint16)


def write(path: Path, pages: list[np.ndarray], slices: Slices) -> Path:
    with shape_writer(path, slices) as shapes:
        for z, page in enumerate(pages):
            shapes.write(z, page)
    return path


def fill(rings: list[Any]) -> np.ndarray:
    """Even-odd filling of rings of x and y."""
    mask = np.zeros((ROWS, COLUMNS), bool)
    for ring in rings:
        mask ^= polygon2mask(mask.shape, np.asarray(ring, float)[:, ::-1] - 0.5)
    return mask


def drawn_rois(path: Path) -> list[np.ndarray]:
    pages = [np.zeros((ROWS, COLUMNS), np.uint16) for _ in range(3)]
    for roi in roifile.roiread(path):
        label, _, z = roi.name.split()
        assert roi.position == int(z)
        pages[roi.position - 1][fill(roi.coordinates(multi=True))] = int(label)
    return pages


def drawn_geojson(path: Path) -> list[np.ndarray]:
    pages = [np.zeros((ROWS, COLUMNS), np.uint16) for _ in range(3)]
    for feature in json.loads(path.read_text())["features"]:
        geometry, name = feature["geometry"], feature["properties"]["name"]
        parts = geometry["coordinates"]
        if geometry["type"] == "Polygon":
            parts = [parts]
        pages[geometry["plane"]["z"]][fill([ring for part in parts for ring in part])] = int(name)
    return pages


def drawn_coco(path: Path) -> list[np.ndarray]:
    pages = [np.zeros((ROWS, COLUMNS), np.uint16) for _ in range(3)]
    for item in json.loads(path.read_text())["annotations"]:
        outline = item["segmentation"]
        if isinstance(outline, dict):
            runs = np.repeat(np.arange(len(outline["counts"])) % 2, outline["counts"])
            mask = runs.reshape(outline["size"], order="F").astype(bool)
        else:
            mask = fill([np.reshape(ring, (-1, 2)) for ring in outline])
        assert item["area"] == mask.sum()
        rows, columns = np.nonzero(mask)
        left, top, width, height = item["bbox"]
        assert (rows.min(), columns.min()) == (top, left)
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (height, width)
        pages[item["image_id"] - 1][mask] = item["object"]
    return pages


@pytest.mark.parametrize(
    ("suffix", "drawn"),
    [(".zip", drawn_rois), (".geojson", drawn_geojson), (".json", drawn_coco)],
)
def test_shapes_drawn_are_the_labels_again(tmp_path: Path, suffix: str, drawn: Any) -> None:
    pages = [labelled(0), np.zeros((ROWS, COLUMNS), np.uint16), labelled(1)]
    encoded = [encode_page(page, np.uint16) for page in pages]
    path = write(tmp_path / f"cells{suffix}", encoded, STACK)
    for page, again in zip(pages, drawn(path), strict=True):
        np.testing.assert_array_equal(again, page)


def test_an_object_of_a_slice_is_one_roi_whatever_its_pieces(tmp_path: Path) -> None:
    page = np.zeros((ROWS, COLUMNS), np.uint16)
    page[2:9, 3:9] = 5
    page[4, 5] = 0  # a hole
    page[20:22, 20:22] = 5  # a piece apart
    page[30:32, 30:35] = 6
    path = write(tmp_path / "a.zip", [page], Slices("a.tif", ROWS, COLUMNS))
    five, six = roifile.roiread(path)
    assert (five.name, five.composite, five.position) == ("5", True, 0)
    assert (five.left, five.top, five.right, five.bottom) == (3, 2, 22, 22)
    assert (six.name, six.composite, six.roitype) == ("6", False, roifile.ROI_TYPE.TRACED)
    assert (six.left, six.top, six.right, six.bottom) == (30, 30, 35, 32)


def test_a_single_object_is_a_set_of_rois_too(tmp_path: Path) -> None:
    page = np.ones((ROWS, COLUMNS), np.uint16)
    path = write(tmp_path / "a.zip", [page], Slices("a.tif", ROWS, COLUMNS))
    (roi,) = roifile.roiread(path)
    assert roi.coordinates().max(0).tolist() == [COLUMNS, ROWS]


def test_rois_of_a_hyperstack_say_slice_and_frame(tmp_path: Path) -> None:
    slices = Slices("a.tif", ROWS, COLUMNS, "TZ", (2, 3))
    page = labelled(0) == 1
    path = write(tmp_path / "a.zip", [page.astype(np.uint16)] * 6, slices)
    places = [(roi.t_position, roi.z_position, roi.position) for roi in roifile.roiread(path)]
    assert places == [(1, 1, 1), (1, 2, 2), (1, 3, 3), (2, 1, 4), (2, 2, 5), (2, 3, 6)]


def test_far_to_the_right_no_coordinate_wraps_around(tmp_path: Path) -> None:
    page = np.zeros((3, 40_000), np.uint16)
    page[1, 39_990:39_995] = 1
    path = write(tmp_path / "a.zip", [page], Slices("a.tif", 3, 40_000))
    (roi,) = roifile.roiread(path)
    corners = {tuple(corner) for corner in roi.coordinates().tolist()}
    assert corners == {(39_990, 1), (39_990, 2), (39_995, 2), (39_995, 1)}


def test_geojson_says_what_qupath_asks_for(tmp_path: Path) -> None:
    page = np.zeros((ROWS, COLUMNS), np.uint16)
    page[2:6, 3:9] = 2
    page[3, 5] = 0
    classes = {2: ClassStyle("vessel", (230, 159, 0))}
    slices = Slices("a.tif", ROWS, COLUMNS, "T", (4,), classes)
    path = write(tmp_path / "a.geojson", [page * 0, page], slices)
    whole = json.loads(path.read_text())
    assert whole["type"] == "FeatureCollection"
    (feature,) = whole["features"]
    assert feature["properties"] == {
        "objectType": "annotation",
        "name": "vessel",
        "classification": {"name": "vessel", "color": [230, 159, 0]},
    }
    assert feature["geometry"]["plane"] == {"c": -1, "z": 0, "t": 1}
    exterior, hole = feature["geometry"]["coordinates"]
    assert exterior[0] == exterior[-1] and hole[0] == hole[-1]
    assert signed_area(exterior) == 24
    assert signed_area(hole) == -1


def signed_area(ring: list[list[int]]) -> float:
    x, y = np.array(ring).T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def test_coco_has_a_category_for_each_class_and_an_image_for_each_slice(tmp_path: Path) -> None:
    page = np.zeros((ROWS, COLUMNS), np.uint16)
    page[2:6, 3:9], page[10:12] = 2, 4
    slices = Slices("a.tif", ROWS, COLUMNS, "Z", (2,), {1: ClassStyle("sky"), 2: ClassStyle("sea")})
    whole = json.loads(write(tmp_path / "a.json", [page, page], slices).read_text())
    assert [item["file_name"] for item in whole["images"]] == ["a0001.tif", "a0002.tif"]
    assert whole["images"][1] == {
        "id": 2,
        "file_name": "a0002.tif",
        "width": COLUMNS,
        "height": ROWS,
    }
    assert whole["categories"] == [
        {"id": 1, "name": "sky"},
        {"id": 2, "name": "sea"},
        {"id": 4, "name": "class 4"},
    ]
    assert [item["category_id"] for item in whole["annotations"]] == [2, 4, 2, 4]
    assert [item["id"] for item in whole["annotations"]] == [1, 2, 3, 4]


@pytest.mark.parametrize("suffix", SHAPE_SUFFIXES)
def test_what_fails_leaves_the_older_file_alone(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("older")
    with pytest.raises(ValueError, match="slices of the image's own size"):
        write(path, [np.ones((2, 2), np.uint16)], STACK)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SHAPE_SUFFIXES)
def test_equal_labels_give_equal_files(tmp_path: Path, suffix: str) -> None:
    pages = [labelled(2)] * 3
    one = write(tmp_path / f"one{suffix}", pages, STACK)
    other = write(tmp_path / f"other{suffix}", pages, STACK)
    assert one.read_bytes() == other.read_bytes()


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError, match=r"ends in \.zip"):
        write(tmp_path / "a.svg", [], STACK)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("a_labels.tif", "a_labels_rois.zip"),
        ("a.ome.zarr", "a_rois.zip"),
        ("a.b.tiff", "a.b_rois.zip"),
    ],
)
def test_shapes_lie_beside_the_labels(labels: str, expected: str) -> None:
    assert shape_path(Path("out") / labels, "roi") == Path("out") / expected


def test_a_set_of_rois_is_no_image_to_segment(tmp_path: Path) -> None:
    assert is_output(write(tmp_path / "a.zip", [labelled(0)], Slices("a.tif", ROWS, COLUMNS)))
