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
        ("axis-0 axis-1\n1 2\n", "0 columns named axis-0 .*with commas, semicolons or tabs"),
        ("axis-0,axis-1,postive\n1,2,0\n", "column 'postive'; rename it to 'positive'"),
        ("axis-0,axis-1,axis-2\n1,2,3\n", "has 3 axes, but a 2-D image needs 2 .row, column."),
        ("axis-0,axis-1\n1,2\n1,two\n", "line 3: axis-1 is 'two'; write a number"),
        ("axis-0,axis-1\nnan,2\n", "line 2: axis-0 is 'nan'; write a number"),
        ("axis-0,axis-1\n1e300,2\n", "line 2: axis-0 is '1e300'; write a number"),
        ("axis-0,axis-1\n1,\n", "line 2: axis-1 is ''; write a number"),
        ("axis-0,axis-1\n1,2,3\n", "line 2: 3 values for 2 columns"),
        ("axis-0,axis-1,positive\n1,2,-1\n", "line 2: positive is '-1'; write 1 or 0"),
        ("axis-0,axis-1,positive\n1,2,negative\n", "positive is 'negative'; write 1 or 0"),
        ("axis-0,axis-1,object,object\n1,2,3,4\n", "has two columns 'object'; leave one"),
        ("axis-0,axis-1\n0,40,2,7\n", "4 values for 2 columns; .*decimal commas need semicolons"),
        ("axis-0;axis-1\n1.000,5;2\n", "axis-0 is '1.000,5'; write a number"),
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


@pytest.mark.parametrize(
    "text",
    [
        "index,axis-0,axis-1,object\n0,40.2,40.4,2\n",
        "index;axis-0;axis-1;object\r\n0;40.2;40.4;2\r\n",
        "\ufeffindex;axis-0;axis-1;object\r\n0;40,2;40,4;2\r\n",
        "sep=;\r\nindex;axis-0;axis-1;object\r\n0;40,2;40,4;2,0\r\n",
        "index\taxis-0\taxis-1\tobject\n0\t40,2\t40.4\t2\n",
        'index,axis-0,axis-1,object\n0,"40,2","40,4",2\n',
        "\n\naxis-1;note, with a comma;axis-0;object\n40;a,b;40;2\n",
    ],
)
def test_separators_and_decimals_of_all_countries_are_read(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
    assert read_clicks(path, ndim=2) == [Click(0, 40, 40, True, 2)]


@pytest.mark.parametrize(
    ("name", "positive", "negative"),
    [
        ("label", "positive", "negative"),
        ("label", "Foreground", "background"),
        ("polarity", "+", "-"),
        ("sign", "1", "-1"),
        ("sign", "1", "0"),
        ("Is Positive", "True", "False"),
        ("anything", "pos", "neg"),
    ],
)
def test_a_sign_is_read_under_other_names(
    path: Path, name: str, positive: str, negative: str
) -> None:
    path.write_text(f"axis-0,axis-1,note,{name}\n1,2,7,{positive}\n3,4,8,{negative}\n")
    if name == "Is Positive":
        with pytest.raises(ClicksFileError, match="a column 'Is Positive'; rename it"):
            read_clicks(path, ndim=2)
        return
    assert [click.positive for click in read_clicks(path, ndim=2)] == [True, False]


@pytest.mark.parametrize(
    ("name", "values", "complaint"),
    [
        ("label", ("1", "0"), "'label' of two values, which may say .*; rename it to 'positive'"),
        ("inside", ("True", "False"), "a column 'inside' of two values"),
        ("type", ("1", "-1"), "a column 'type' of two values"),
        ("polarity", ("1", "cell"), "a column 'polarity' with 'cell' in it; rename"),
        ("label", ("1", "2"), "a column 'label', which may number the objects; rename"),
        ("a,b", ("pos,fg", "neg,fg"), "the columns 'a' and 'b', either of which"),
    ],
)
def test_a_column_that_could_be_the_sign_is_not_passed_over(
    path: Path, name: str, values: tuple[str, str], complaint: str
) -> None:
    path.write_text(f"axis-0,axis-1,{name}\n1,2,{values[0]}\n3,4,{values[1]}\n")
    with pytest.raises(ClicksFileError, match=complaint):
        read_clicks(path, ndim=2)


def test_features_that_cannot_be_a_sign_are_left_aside(path: Path) -> None:
    path.write_text("axis-0,axis-1,area,kind,selected\n1,2,0.5,cell,True\n3,4,1,debris,True\n")
    assert all(click.positive for click in read_clicks(path, ndim=2))


def stored(folder: Path, axes: str, *shape: int, **options: object) -> Path:
    image = folder / "image.tif"
    data = np.zeros(shape, np.uint8)
    tifffile.imwrite(image, data, photometric="minisblack", metadata={"axes": axes}, **options)
    return image


@pytest.mark.parametrize(
    ("axes", "shape", "row", "z"),
    [
        ("ZYX", (1, 20, 30), "0,5,6", 0),
        ("CZYX", (1, 1, 20, 30), "0,0,5,6", 0),
        ("CZYX", (1, 1, 20, 30), "0,5,6", 0),
        ("TCZYX", (1, 1, 1, 20, 30), "0,0,0,5,6", 0),
        ("TCZYX", (1, 1, 1, 20, 30), "0,0,5,6", 0),
        ("TCZYX", (1, 1, 1, 20, 30), "5,6", 0),
        ("TCZYX", (1, 2, 4, 20, 30), "0,1,3,5,6", 3),
        ("TCZYX", (1, 2, 4, 20, 30), "0,3,5,6", 3),
        ("TCZYX", (1, 2, 4, 20, 30), "3,5,6", 3),
        ("ZCYX", (4, 2, 20, 30), "3,1,5,6", 3),
        ("CYX", (2, 20, 30), "1,5,6", 0),
        ("TZCYX", (3, 4, 2, 20, 30), "2,1,1,5,6", 9),
    ],
)
@pytest.mark.parametrize("ome", [False, True])
def test_coordinates_along_channels_and_single_elements_are_dropped(
    path: Path, axes: str, shape: tuple[int, ...], row: str, z: int, ome: bool
) -> None:
    image = stored(path.parent, axes, *shape, ome=ome)
    path.write_text(f"{','.join(f'axis-{i}' for i in range(row.count(',') + 1))}\n{row}\n")
    with open_image(image) as stack:
        assert read_clicks_for(path, stack) == [Click(z, 5, 6)]


def test_what_coordinates_stand_for_is_asked_where_it_cannot_be_told(path: Path) -> None:
    image = stored(path.parent, "CTZYX", 3, 3, 1, 20, 30)
    path.write_text("axis-0,axis-1,axis-2,axis-3\n1,0,5,6\n")
    complaint = r"may be those along CTYX or TZYX of .* axes CTZYX .*; name the axes .*--axes"
    with open_image(image) as stack, pytest.raises(ClicksFileError, match=complaint):
        read_clicks_for(path, stack)
    # there is one slice only
    path.write_text("axis-0,axis-1,axis-2,axis-3\n1,2,5,6\n")
    with open_image(image) as stack:
        assert read_clicks_for(path, stack) == [Click(2, 5, 6)]


def test_a_coordinate_beyond_a_single_element_is_outside(path: Path) -> None:
    image = stored(path.parent, "ZYX", 1, 20, 30)
    path.write_text("axis-0,axis-1,axis-2\n4,5,6\n")
    complaint = "line 2: slice 4 is outside the image, whose slices go from 0 to 0"
    with open_image(image) as stack, pytest.raises(ClicksFileError, match=complaint):
        read_clicks_for(path, stack)


def test_strokes_survive_a_round_trip(path: Path) -> None:
    clicks = [
        Click(1, 10, 20, True, 1),
        Click(1, 10, 21, True, 1, "scribble", 1),
        Click(1, 10, 22, True, 1, "scribble", 1),
        Click(0, 0, 7, False, 2, "box", 2),
    ]
    write_clicks(path, clicks, ndim=3)
    header = path.read_text().splitlines()[0]
    assert header == "index,axis-0,axis-1,axis-2,object,positive,prompt,stroke"
    assert read_clicks(path, ndim=3) == clicks


def test_pixels_of_a_stroke_without_a_number_are_those_that_follow_one_another(path: Path) -> None:
    path.write_text("axis-0,axis-1,prompt\n1,1,scribble\n1,2,scribble\n5,5,\n7,7,Lasso\n")
    clicks = read_clicks(path, ndim=2)
    assert [(click.prompt, click.stroke > 0) for click in clicks] == [
        ("scribble", True),
        ("scribble", True),
        ("click", False),
        ("lasso", True),
    ]
    assert clicks[0].stroke == clicks[1].stroke != clicks[3].stroke


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("axis-0,axis-1,prompt\n1,1,brush\n", "prompt is 'brush'; write click, scribble, box or"),
        ("axis-0,axis-1,prompt,stroke\n1,1,scribble,0\n", "stroke is '0'; write a whole number"),
        ("axis-0,axis-1,prompt,stroke\n1,1,click,3\n", "stroke is '3'; write 0 for a click"),
        ("axis-0,axis-1,prompt\n1,1,box\n", "a box is a frame of negative pixels"),
    ],
)
def test_odd_prompts_are_named(path: Path, text: str, complaint: str) -> None:
    path.write_text(text)
    with pytest.raises(ClicksFileError, match=complaint):
        read_clicks(path, ndim=2)
