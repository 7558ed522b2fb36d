from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from napari_builtins.io import napari_get_reader, napari_write_points

from napari_gpcis.engine.click import Click
from napari_gpcis.io.annotations.clicks import read_clicks, read_clicks_for, write_clicks
from napari_gpcis.io.errors import ClicksFileError
from napari_gpcis.io.images.open import open_image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clicks.csv"


def test_clicks_survive_a_round_trip(path: Path) -> None:
    clicks = [Click(3, 10, 20, True, 1), Click(0, 0, 7, False, 12)]
    write_clicks(path, clicks, ndim=3)
    assert path.read_text().splitlines()[0] == "index,axis-0,axis-1,axis-2,object,positive"
    assert read_clicks(path, ndim=3) == clicks


def test_napari_reads_what_we_write(path: Path) -> None:
    write_clicks(path, [Click(0, 10, 20), Click(0, 11, 21, False)], ndim=2)
    [(points, _, kind)] = napari_get_reader(str(path))(str(path))
    assert kind == "points"
    np.testing.assert_array_equal(points, [[10, 20], [11, 21]])


def test_we_read_what_napari_writes(path: Path) -> None:
    napari_write_points(str(path), np.array([[2.0, 10.4, 20.6]]), {})
    assert read_clicks(path, ndim=3) == [Click(2, 10, 21, True, 1)]


def test_spreadsheet_habits_are_forgiven(path: Path) -> None:
    path.write_bytes(
        b"\xef\xbb\xbf positive, axis-1 ,axis-0,object\r\n"
        b"TRUE, 20.0,10,2.0\r\n\r\n0,5,6,1\r\n,,,\r\n"
    )
    assert read_clicks(path, ndim=2) == [Click(0, 10, 20, True, 2), Click(0, 6, 5, False, 1)]


def test_other_features_of_a_points_layer_are_left_aside(path: Path) -> None:
    properties = {"positive": np.array([1, 0]), "note": np.array([0.5, 0.7])}
    napari_write_points(str(path), np.array([[1, 2], [3, 4]]), {"properties": properties})
    assert [click.positive for click in read_clicks(path, ndim=2)] == [True, False]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty; save the points layer from napari"),
        ("axis-0,axis-1\n", "has a header but no clicks; add one line"),
        ("y,x\n1,2\n", "0 columns named axis-0 in its header .y,x.; save the points"),
        ("axis-0,axis-0\n1,2\n", "2 columns named axis-0"),
        ("axis-0;axis-1\n1;2\n", "0 columns named axis-0"),
        ("axis-0,axis-1,postive\n1,2,0\n", "column 'postive'; rename it to 'positive'"),
        ("axis-0,axis-1,axis-2\n1,2,3\n", "has 3 axes, but a 2-D image needs 2 .row, column."),
        ("axis-0,axis-1\n1,2\n1,two\n", "line 3: axis-1 is 'two'; write a number"),
        ("axis-0,axis-1\nnan,2\n", "line 2: axis-0 is 'nan'; write a number"),
        ("axis-0,axis-1\n1,\n", "line 2: axis-1 is ''; write a number"),
        ("axis-0,axis-1\n1,2,3\n", "line 2: 3 values for 2 columns"),
        ("axis-0,axis-1,positive\n1,2,-1\n", "line 2: positive is '-1'; write 1 or 0"),
        ("axis-0,axis-1,object\n1,2,0\n", "line 2: object is '0'; write a whole number"),
        ("axis-0,axis-1,object\n1,2,1.5\n", "line 2: object is '1.5'"),
    ],
)
def test_a_malformed_file_is_reported(path: Path, text: str, complaint: str) -> None:
    path.write_text(text)
    with pytest.raises(ClicksFileError, match=complaint) as caught:
        read_clicks(path, ndim=2)
    assert "clicks.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_binary_file_is_reported(path: Path) -> None:
    path.write_bytes(b"\x89PNG\xff\xfe\0\0")
    with pytest.raises(ClicksFileError, match="is not a CSV text file; save"):
        read_clicks(path, ndim=2)


def test_an_absent_file_is_reported(path: Path) -> None:
    with pytest.raises(ClicksFileError, match=r"there is no clicks file .*; check"):
        read_clicks(path, ndim=2)
    with pytest.raises(ClicksFileError, match="is a folder; give"):
        read_clicks(path.parent, ndim=2)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("0,20,5", "line 3: row 20 is outside the image, whose rows go from 0 to 19; remove"),
        ("0,3,-0.6", "line 3: column -1 is outside the image, whose columns go from 0 to 29"),
        ("4,3,3", "line 3: slice 4 is outside the image, whose slices go from 0 to 3"),
    ],
)
def test_a_click_outside_the_image_is_reported(path: Path, row: str, complaint: str) -> None:
    image = path.with_suffix(".tif")
    tifffile.imwrite(image, np.zeros((4, 20, 30), np.uint8), photometric="minisblack")
    path.write_text(f"axis-0,axis-1,axis-2\n0,19.4,-0.5\n{row}\n")
    with open_image(image) as stack, pytest.raises(ClicksFileError, match=complaint):
        read_clicks_for(path, stack)


@pytest.fixture
def hyperstack(path: Path) -> Path:
    image = path.with_suffix(".tif")
    array = np.zeros((3, 4, 20, 30), np.uint8)
    tifffile.imwrite(image, array, imagej=True, metadata={"axes": "TZYX"})
    return image


def test_clicks_in_time_and_depth_become_slices(path: Path, hyperstack: Path) -> None:
    path.write_text("axis-0,axis-1,axis-2,axis-3,object\n2,1,10,20,7\n0,3,5,6,1\n")
    with open_image(hyperstack) as stack:
        found = read_clicks_for(path, stack)
    assert found == [Click(9, 10, 20, True, 7), Click(3, 5, 6, True, 1)]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("3,0,5,5", "line 2: time point 3 is outside the image, whose time points go from 0 to 2"),
        ("0,4,5,5", "line 2: slice 4 is outside the image, whose slices go from 0 to 3"),
        ("0,0,5,30", "line 2: column 30 is outside the image"),
    ],
)
def test_a_click_outside_a_hyperstack_is_reported(
    path: Path, hyperstack: Path, row: str, complaint: str
) -> None:
    path.write_text(f"axis-0,axis-1,axis-2,axis-3\n{row}\n")
    with open_image(hyperstack) as stack, pytest.raises(ClicksFileError, match=complaint):
        read_clicks_for(path, stack)


def test_numbered_slices_do_for_no_hyperstack(path: Path, hyperstack: Path) -> None:
    path.write_text("axis-0,axis-1,axis-2\n9,10,20\n")
    complaint = r"has 3 axes, but .* needs 4 \(time point, slice, row, column\); give the image"
    with open_image(hyperstack) as stack, pytest.raises(ClicksFileError, match=complaint):
        read_clicks_for(path, stack)
