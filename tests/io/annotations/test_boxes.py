"""Boxes files: corners under the usual names, read as frames of labelled pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.prompts import box_limits, rounds
from napari_gpcis.io.annotations.clicks import read_clicks_for
from napari_gpcis.io.errors import ClicksFileError
from napari_gpcis.io.images.open import open_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_gpcis.io.images.stack import ImageStack


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "boxes.csv"


@pytest.fixture
def image(tmp_path: Path) -> Iterator[ImageStack]:
    tifffile.imwrite(tmp_path / "image.tif", np.zeros((60, 80), np.uint8))
    with open_image(tmp_path / "image.tif") as opened:
        yield opened


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[ImageStack]:
    content = np.zeros((3, 60, 80), np.uint8)
    tifffile.imwrite(
        tmp_path / "stack.tif", content, photometric="minisblack", metadata={"axes": "ZYX"}
    )
    with open_image(tmp_path / "stack.tif") as opened:
        yield opened


@pytest.mark.parametrize(
    "header",
    ["r0,c0,r1,c1", "top,left,bottom,right", "Y0;X0;Y1;X1", "ymin\txmin\tymax\txmax"],
)
def test_corners_are_known_by_the_usual_names(path: Path, image: ImageStack, header: str) -> None:
    separator = next(mark for mark in ",;\t" if mark in header)
    path.write_text(f"{header}\n{separator.join(['10', '20', '30', '40'])}\n")
    clicks = read_clicks_for(path, image)
    assert box_limits(clicks, (60, 80)) == Box(10, 20, 31, 41)


def test_boxes_without_a_label_are_objects_of_their_own(path: Path, image: ImageStack) -> None:
    path.write_text("r0,c0,r1,c1,label\n1,1,9,9,\n11,1,19,9,7\n21,1,29,9,\n")
    frames = rounds(read_clicks_for(path, image))
    assert [frame[0].object_id for frame in frames] == [8, 7, 9]
    assert [frame[0].stroke for frame in frames] == [1, 2, 3]


def test_a_box_of_a_stack_names_its_slice(path: Path, stack: ImageStack) -> None:
    path.write_text("z,r0,c0,r1,c1\n2,1,1,9,9\n")
    assert {click.z for click in read_clicks_for(path, stack)} == {2}


def test_clicks_follow_the_boxes_of_their_object(
    path: Path, image: ImageStack, tmp_path: Path
) -> None:
    path.write_text("r0,c0,r1,c1,label\n1,1,9,9,3\n21,21,29,29,\n")
    clicks = tmp_path / "clicks.csv"
    clicks.write_text("axis-0,axis-1,object,prompt\n5,5,3,scribble\n5,6,3,scribble\n8,8,4,click\n")
    made = rounds(read_clicks_for(clicks, image, path))
    assert [(own[0].object_id, own[0].prompt) for own in made] == [
        (3, "box"),
        (5, "box"),
        (3, "scribble"),
        (4, "click"),
    ]
    assert len({own[0].stroke for own in made}) == 4


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("r0,c0,r1,c1\n", "has a header but no boxes"),
        ("r0,c0,r1,c1\n1,2,x,4\n", "line 2: r1 is 'x'"),
        ("r0,c0,r1,c1,label\n1,2,3,4,0\n", "label is '0'; write a whole number"),
        ("r0,c0,r1,c1\n70,2,75,4\n", "line 2: expected a box inside 60 rows"),
        ("r0,c0,r1,c1,z\n1,2,3,4,1\n", "slices go from 0 to 0"),
    ],
)
def test_malformed_boxes_are_named(
    path: Path, image: ImageStack, text: str, complaint: str
) -> None:
    path.write_text(text)
    with pytest.raises(ClicksFileError, match=complaint):
        read_clicks_for(path, image)


def test_a_stack_needs_the_slice(path: Path, stack: ImageStack) -> None:
    path.write_text("r0,c0,r1,c1\n1,2,3,4\n")
    with pytest.raises(ClicksFileError, match="has 3 slices, but the box names none"):
        read_clicks_for(path, stack)
