from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.history import Committed
from napari_gpcis.engine.geometry import Box
from napari_gpcis.io.annotations.gpcis_file import (
    AnnotationFileError,
    NamedClass,
    SavedAnnotation,
    read_annotation,
    save_annotation,
    to_metadata,
    with_metadata,
)
from napari_gpcis.io.errors import OutputFileError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gpcis.engine.types import Array


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work.gpcis"


def labels_of(*shape: int) -> Array:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape) % 7


def some_work() -> SavedAnnotation:
    return SavedAnnotation(
        labels_of(3, 20, 30),
        clicks=(Click(0, 1, 2, True, 4), Click(2, 19, 29, False, 5)),
        committed=(
            Committed(
                3, (Click(1, 5, 6, True, 3), Click(1, 0, 0, False, 3)), ((1, Box(0, 0, 7, 8)),)
            ),
            Committed(6, ()),
        ),
        object_diameter=12.5,
        image="Kerne, größer",
        image_identity="nuclei.tif 3×20×30 uint16 0123456789abcdef",
        placement={
            "scale": [2.0, 0.5, 0.5],
            "translate": [0.0, -3.25, 1e-7],
            "rotate": np.eye(3).tolist(),
            "shear": [0.0, 0.0, 0.1],
            "affine": np.eye(4).tolist(),
            "units": ["micrometer"] * 3,
            "axis_labels": ["z", "y", "x"],
        },
    )


def rewrite(path: Path, name: str, content: bytes | None) -> None:
    """Put something else in place of a member; None takes it out."""
    with zipfile.ZipFile(path) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    if content is None:
        del members[name]
    else:
        members[name] = content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one, held in members.items():
            archive.writestr(one, held)


def rewrite_head(path: Path, **changes: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        head = json.loads(archive.read("annotation.json"))
    rewrite(path, "annotation.json", json.dumps(head | changes).encode())


def test_an_annotation_survives_a_round_trip(path: Path) -> None:
    saved = some_work()
    save_annotation(path, saved)
    found = read_annotation(path)

    np.testing.assert_array_equal(found.labels, saved.labels)
    assert found.labels.dtype == np.int32
    for name in ("clicks", "committed", "mode", "object_diameter", "image", "image_identity"):
        assert getattr(found, name) == getattr(saved, name)
    assert found.placement == saved.placement


def test_classes_survive_a_round_trip(path: Path) -> None:
    classes = (NamedClass(number=1, name="nucleus", color="#ff0000"),)
    save_annotation(path, SavedAnnotation(labels_of(4, 5), mode="class", classes=classes))
    found = read_annotation(path)
    assert (found.mode, found.classes, found.shape) == ("class", classes, (1, 4, 5))


@pytest.mark.parametrize("shape", [(4, 5), (1, 1, 5), (1, 4, 3), (2, 1, 3, 4, 5), (3, 5, 4, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.int64, bool, ">u2"])
def test_labels_come_back_in_their_shape_and_type(
    path: Path, shape: tuple[int, ...], dtype: Any
) -> None:
    labels = labels_of(*shape).astype(dtype)
    save_annotation(path, SavedAnnotation(labels))
    found = read_annotation(path).labels
    np.testing.assert_array_equal(found, labels)
    assert np.dtype(found.dtype).kind in "iu"
    assert np.dtype(found.dtype).itemsize == labels.dtype.itemsize


def test_labels_are_written_plane_by_plane(path: Path) -> None:
    class Lazy:
        shape, dtype = (40, 5, 6), np.dtype(np.uint16)
        largest = 0

        def __getitem__(self, index: Any) -> Array:
            plane = np.zeros(self.shape, np.uint16)[index]
            self.largest = max(self.largest, plane.size)
            return plane

    labels = Lazy()
    save_annotation(path, SavedAnnotation(labels))
    assert labels.largest == 30
    assert read_annotation(path).shape == (40, 5, 6)


def test_the_members_are_plain_files(path: Path) -> None:
    save_annotation(path, some_work())
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["annotation.json", "clicks.csv", "labels.tif"]
        assert archive.testzip() is None
        assert archive.read("clicks.csv").decode().splitlines() == [
            "index,axis-0,axis-1,axis-2,object,positive",
            "0,0,1,2,4,1",
            "1,2,19,29,5,0",
        ]
        labels = tifffile.imread(io.BytesIO(archive.read("labels.tif")))
    np.testing.assert_array_equal(labels, some_work().labels)


def test_a_failed_save_leaves_the_old_file(path: Path) -> None:
    save_annotation(path, some_work())
    before = path.read_bytes()

    class Broken:
        shape, dtype = (3, 20, 30), np.dtype(np.uint8)

        def __getitem__(self, index: Any) -> Array:
            raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        save_annotation(path, replace(some_work(), labels=Broken()))
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"clicks": (Click(3, 0, 0),)}, r"slice 3, row 0, column 0 is outside .*; give labels"),
        ({"committed": (Committed(1, (Click(0, 0, 30),)),)}, "column 30 is outside"),
        ({"committed": (Committed(0, ()),)}, r"committed.0.label: Input should be greater"),
        ({"labels": np.zeros((3, 20, 30))}, "labels of whole numbers, got float64; convert"),
        ({"object_diameter": -1.0}, "object_diameter: Input should be greater than 0"),
        ({"object_diameter": float("nan")}, r"annotation.json is malformed"),
        ({"plane_axes": (1, 1)}, r"plane_axes are \[1, 1\]"),
        ({"placement": {"scale": [1.0]}}, r"scale is \[1.0\], which does not fit 3 axes"),
        ({"placement": {"colour": [1.0]}}, "colour is"),
        ({"placement": {"units": [1, 2, 3]}}, "units is"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(
    path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(AnnotationFileError, match=complaint):
        save_annotation(path, replace(some_work(), **changes))
    assert not path.exists()


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError, match=r"a name that ends in \.gpcis"):
        save_annotation(tmp_path / "work.zip", some_work())


@pytest.mark.parametrize("name", ["annotation.json", "clicks.csv", "labels.tif"])
def test_a_missing_member_is_reported(path: Path, name: str) -> None:
    save_annotation(path, some_work())
    rewrite(path, name, None)
    with pytest.raises(AnnotationFileError, match=f"holds no {name}; give a file that"):
        read_annotation(path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format": "other"}, "is not a saved annotation"),
        ({"version": 2}, "has version 2 of the format, .* update napari-gpcis"),
        ({"shape": [3, 20, 31]}, r"there are 3 planes \(20, 30\) .* says 3 planes \(20, 31\)"),
        ({"shape": [20, 30]}, "there are 3 planes .* says 1 planes"),
        ({"shape": [3, 20 * 10**6, 30 * 10**6]}, "labels.tif holds no such labels"),
        ({"shape": [3, 20, -30]}, r"malformed \(shape.2: Input should be greater"),
        ({"shape": [600]}, "malformed .shape: List should have at least 2"),
        ({"mode": "other"}, "malformed .mode: Input should be 'object' or 'class'"),
        ({"committed": [{"label": "3"}]}, "malformed .committed.0.label: Input should be a valid"),
        ({"committed": [{"label": 1, "clicks": [[1, 2]]}]}, "malformed .committed.0.clicks.0"),
        ({"committed": [{"label": 1, "clicks": [[9, 0, 0, True]]}]}, "slice 9, .* is outside"),
        ({"classes": [{"number": 1, "color": "red"}]}, "malformed .classes.0.color: String should"),
        ({"plane_axes": [0, 7]}, r"plane_axes are \[0, 7\]"),
        ({"placement": {"affine": [[1, 2], [3]]}}, "affine is"),
    ],
)
def test_a_malformed_head_is_reported(path: Path, changes: dict[str, Any], complaint: str) -> None:
    save_annotation(path, some_work())
    rewrite_head(path, **changes)
    with pytest.raises(AnnotationFileError, match=complaint) as caught:
        read_annotation(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("annotation.json", b"{", "annotation.json is malformed"),
        ("annotation.json", b"[" * 100_000, "annotation.json is malformed"),
        ("annotation.json", b"[]", "is not a saved annotation"),
        ("clicks.csv", b"axis-0,axis-1,axis-2\n1,2,x\n", "clicks.csv, line 2: axis-2 is 'x'"),
        ("clicks.csv", b"\xff\xfe", "cannot read"),
        ("labels.tif", b"II*\0 and nothing more", "cannot read"),
        ("labels.tif", b"", "cannot read"),
    ],
)
def test_a_damaged_member_is_reported(
    path: Path, name: str, content: bytes, complaint: str
) -> None:
    save_annotation(path, some_work())
    rewrite(path, name, content)
    with pytest.raises(AnnotationFileError, match=complaint):
        read_annotation(path)


def test_every_truncation_is_reported(path: Path) -> None:
    save_annotation(path, some_work())
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(AnnotationFileError, match=r"work\.gpcis"):
            read_annotation(path)


def test_an_absent_file_is_reported(path: Path) -> None:
    with pytest.raises(AnnotationFileError, match=r"there is no annotation .*; check"):
        read_annotation(path)


def test_a_zip_bomb_is_not_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_gpcis.io.annotations.gpcis_file._LARGEST_TEXT", 10_000)
    save_annotation(path, some_work())
    for name in ("annotation.json", "clicks.csv", "labels.tif"):
        rewrite(path, name, b" " * (10_001 + 8 * 3 * 20 * 30))
        with pytest.raises(AnnotationFileError, match=f"{name} has .* more than it can need"):
            read_annotation(path)
        save_annotation(path, some_work())


def test_labels_larger_than_their_file_can_hold_are_not_allocated(path: Path) -> None:
    save_annotation(path, SavedAnnotation(labels_of(20, 30)))
    with zipfile.ZipFile(path) as archive:
        tiff = io.BytesIO(archive.read("labels.tif"))
    with tifffile.TiffFile(tiff) as file:
        for tag in ("ImageLength", "ImageWidth"):
            file.pages.first.tags[tag].overwrite(1 << 20)
        rewrite(path, "labels.tif", tiff.getvalue())
    rewrite_head(path, shape=[1 << 20, 1 << 20])
    with pytest.raises(AnnotationFileError, match=r"labels\.tif holds no such labels"):
        read_annotation(path)


def test_metadata_brings_back_what_was_saved() -> None:
    saved = some_work()
    metadata = to_metadata(saved)
    assert metadata["committed"][0] == {
        "label": 3,
        "clicks": [[1, 5, 6, True], [1, 0, 0, False]],
        "places": [[1, 0, 0, 7, 8]],
    }
    found = with_metadata(saved.labels, metadata, saved.placement)
    assert found.committed == saved.committed
    assert to_metadata(found) == metadata


def test_metadata_may_hold_numbers_of_numpy_and_other_things() -> None:
    committed = [{"label": np.int64(2), "clicks": [[0, np.intp(1), 2, np.True_]], "note": "mine"}]
    found = with_metadata(labels_of(4, 5), {"committed": committed, "more": 1}, {})
    assert found.committed == (Committed(2, (Click(0, 1, 2, True, 2),)),)


@pytest.mark.parametrize("metadata", [{"committed": 3}, {"committed": [{}]}, {"mode": object()}, 5])
def test_metadata_of_other_make_is_reported(metadata: Any) -> None:
    with pytest.raises(AnnotationFileError, match=r"metadata\[\"gpcis\"\] .*; take it out"):
        with_metadata(labels_of(4, 5), metadata, {})


def test_slices_count_all_axes_that_are_not_the_planes() -> None:
    saved = SavedAnnotation(labels_of(2, 5, 3, 4), plane_axes=(3, 1))
    assert saved.shape == (6, 4, 5)
    clicks = [Click(5, 3, 1), Click(2, 0, 4)]
    positions = saved.positions(clicks)
    np.testing.assert_array_equal(positions, [[1, 1, 2, 3], [0, 4, 2, 0]])
    assert [saved.place(position) for position in positions] == [(5, 3, 1), (2, 0, 4)]
    with pytest.raises(ValueError, match="axis 2 between 0 and 2, got 3; remove"):
        saved.place([0, 0, 2.6, 0])


def test_strokes_come_back(path: Path) -> None:
    work = some_work()
    drawn = replace(
        work,
        clicks=(*work.clicks, Click(0, 3, 3, True, 4, "scribble", 2)),
        committed=(
            Committed(3, (Click(1, 5, 6, True, 3), Click(1, 5, 9, False, 3, "box", 1)), ()),
        ),
    )
    save_annotation(path, drawn)
    found = read_annotation(path)
    assert found.clicks == drawn.clicks
    assert found.committed == drawn.committed


def test_single_clicks_are_written_as_older_versions_read_them() -> None:
    [done, _] = to_metadata(some_work())["committed"]
    assert done["clicks"] == [[1, 5, 6, True], [1, 0, 0, False]]
