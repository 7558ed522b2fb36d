from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from napari_gpcis_training.data.layouts import find_pairs
from napari_gpcis_training.data.own import load_own_data
from napari_gpcis_training.data.pairs import pair_files
from napari_gpcis_training.data.planes import EmptyLabelsError

from napari_gpcis.io.annotations.gpcis_file import SavedAnnotation, save_annotation
from tests.training.conftest import draw_cells


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("a.png", "a.tif"),
        ("a.tif", "a_labels.tif"),
        ("a.ome.tif", "a-mask.png"),
        ("a.PNG", "a_cp_masks.png"),
        ("a_seg.png", "a_seg.tif"),
        ("a.tif", "a_seg.npy"),
        ("a.tif", "a.gpcis"),
        ("a_img.tif", "a_masks.tif"),
        ("a-image.png", "a.tif"),
        ("a_raw.tif", "a_raw_labels.tif"),
    ],
)
def test_labels_are_found_by_name(folders: tuple[Path, Path], image: str, labels: str) -> None:
    (folders[0] / image).touch()
    (folders[1] / labels).touch()
    (folders[0] / "notes.txt").touch()
    pairs, problems = pair_files(*folders)
    assert [(pair.image.name, pair.labels.name) for pair in pairs] == [(image, labels)]
    assert problems == []


def test_images_and_labels_may_share_a_folder(folders: tuple[Path, Path]) -> None:
    for name in ("a.png", "a_mask.png", "b.tif", "b_mask.png", "c.tif", "c.gpcis"):
        (folders[0] / name).touch()
    pairs, problems = pair_files(folders[0], folders[0])
    assert [pair.labels.name for pair in pairs] == ["a_mask.png", "b_mask.png", "c.gpcis"]
    assert problems == []


def test_of_all_that_cellpose_writes_its_dictionary_is_taken(folders: tuple[Path, Path]) -> None:
    for name in ("a.tif", "a_seg.npy", "a_cp_masks.png", "a_flows.tif", "a_cp_outlines.png"):
        (folders[0] / name).touch()
    pairs, problems = pair_files(folders[0], folders[0])
    assert [(pair.image.name, pair.labels.name) for pair in pairs] == [("a.tif", "a_seg.npy")]
    assert problems == []


def test_all_bad_files_are_named_at_once(cells: tuple[Path, Path]) -> None:
    images, labels = cells
    iio.imwrite(images / "lonely.png", np.zeros((8, 8), np.uint8))
    iio.imwrite(labels / "stray.png", np.zeros((8, 8), np.uint8))
    iio.imwrite(labels / "0.png", draw_cells(0)[1])  # besides 0_labels.tif
    tifffile.imwrite(labels / "1_labels.tif", np.ones((96, 90), np.uint8))
    tifffile.imwrite(labels / "2_labels.tif", np.zeros((96, 96), np.uint8))
    (labels / "3_labels.tif").write_bytes((labels / "3_labels.tif").read_bytes()[:200])
    with pytest.raises(ValueError, match="6 files cannot be used") as caught:
        load_own_data(*cells, seed=0)
    lines = str(caught.value).splitlines()[1:]
    for name in ("lonely.png", "stray.png", "0_labels.tif", "1_labels", "2_labels", "3_labels"):
        assert any(name in line for line in lines), name
    assert any("96 × 90" in line and "96 × 96" in line for line in lines)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.full((96, 96), 0.5, np.float32), "not whole"),
        (np.full((96, 96), -1, np.int16), "negative"),
        (np.dstack([np.eye(96), np.zeros((96, 96)), np.eye(96)]).astype(np.uint8), "in colour"),
        (np.ones((5, 96, 96), np.uint8), "slices: 5, but the image has 1"),
    ],
)
def test_labels_that_are_none_are_refused(
    cells: tuple[Path, Path], labels: np.ndarray, words: str
) -> None:
    kind = "rgb" if labels.shape[-1] == 3 else "minisblack"
    tifffile.imwrite(cells[1] / "1_labels.tif", labels, photometric=kind)
    with pytest.raises(ValueError, match=rf"1_labels\.tif: .*{words}"):
        load_own_data(*cells, seed=0)


def test_labels_that_jpeg_has_blurred_are_refused(cells: tuple[Path, Path]) -> None:
    (cells[1] / "1_labels.tif").rename(cells[1] / "1.jpg")
    with pytest.raises(ValueError, match=r"1\.jpg: JPEG blurs"):
        load_own_data(*cells, seed=0)


def test_channels_are_mixed_into_colours(folders: tuple[Path, Path]) -> None:
    image, labels = draw_cells(0)
    both = np.stack([image, image.T]).astype(np.float32)
    both[0, 0, 0] = np.nan
    tifffile.imwrite(folders[0] / "a.tif", both, metadata={"axes": "CYX"})
    tifffile.imwrite(folders[1] / "a.tif", labels)
    (file,), _ = find_pairs(*folders)
    (plane,) = file.planes()
    assert plane.image.shape == (96, 96, 3)
    assert plane.image.max() == 255


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64, np.float64])
def test_large_label_numbers_are_numbered_anew(
    folders: tuple[Path, Path], dtype: type[np.generic]
) -> None:
    image, labels = draw_cells(0)
    large = np.where(labels, labels * 1_000_003.0, 0).astype(dtype)
    tifffile.imwrite(folders[0] / "a.tif", image)
    tifffile.imwrite(folders[1] / "a.tif", large)
    (file,), _ = find_pairs(*folders)
    (plane,) = file.planes()
    np.testing.assert_array_equal(plane.labels, labels)


def test_only_the_slices_that_are_wanted_are_read(folders: tuple[Path, Path]) -> None:
    image, labels = draw_cells(0)
    tifffile.imwrite(folders[0] / "s.tif", np.stack([image] * 6), photometric="minisblack")
    tifffile.imwrite(folders[1] / "s.tif", np.stack([labels] * 6), photometric="minisblack")
    (file,), _ = find_pairs(*folders)
    planes = list(file.planes(lambda z, count: z >= count - 2))
    assert [plane.name for plane in planes] == ["s[4]", "s[5]"]
    assert [(plane.z, plane.slices) for plane in planes] == [(4, 6), (5, 6)]
    assert file.slices == 6


def test_a_volume_cut_short_is_named_with_the_slice(folders: tuple[Path, Path]) -> None:
    image, labels = draw_cells(0)
    path = folders[0] / "s.tif"
    tifffile.imwrite(path, np.stack([image] * 6), photometric="minisblack", compression="zlib")
    tifffile.imwrite(folders[1] / "s.tif", np.stack([labels] * 6), photometric="minisblack")
    with tifffile.TiffFile(path) as opened:
        place = opened.pages[4].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[place : place + 40] = bytes(40)
    path.write_bytes(content)
    (file,), _ = find_pairs(*folders)
    with pytest.raises(ValueError, match=r"s\.tif at slice 4"):
        list(file.planes())


def save(path: Path, labels: np.ndarray, **more: object) -> None:
    save_annotation(path, SavedAnnotation(labels, **more))  # type: ignore[arg-type]


def test_annotations_of_ours_are_labels(folders: tuple[Path, Path]) -> None:
    image, labels = draw_cells(0)
    iio.imwrite(folders[0] / "cells.png", image)
    save(folders[1] / "cells_labels.gpcis", labels.astype(np.int32))
    (file,), problems = find_pairs(*folders)
    (plane,) = file.planes()
    np.testing.assert_array_equal(plane.labels, labels)
    assert problems == []


@pytest.mark.parametrize("named", ["cells", "cells.png", "plate 3/cells.png"])
def test_an_annotation_may_name_its_image_inside(folders: tuple[Path, Path], named: str) -> None:
    image, labels = draw_cells(0)
    iio.imwrite(folders[0] / "cells.png", image)
    save(folders[1] / "monday.gpcis", labels, image=named)
    pairs, problems = pair_files(*folders)
    assert [(pair.name, pair.labels.name) for pair in pairs] == [("cells", "monday.gpcis")]
    assert problems == []


def test_the_planes_of_an_annotation_lie_where_it_says(folders: tuple[Path, Path]) -> None:
    planes = [draw_cells(z) for z in range(3)]
    image, labels = (np.stack(stack) for stack in zip(*planes, strict=True))
    tifffile.imwrite(folders[0] / "s.tif", image, photometric="minisblack")
    save(folders[1] / "s.gpcis", np.moveaxis(labels, 0, 1), plane_axes=(0, 2))
    (file,), _ = find_pairs(*folders)
    for plane, wanted in zip(file.planes(), labels, strict=True):
        np.testing.assert_array_equal(plane.labels, wanted)


def test_annotations_of_classes_or_of_nothing_are_refused(folders: tuple[Path, Path]) -> None:
    image, labels = draw_cells(0)
    for name in "ab":
        iio.imwrite(folders[0] / f"{name}.png", image)
    save(folders[1] / "a.gpcis", labels, mode="class")
    save(folders[1] / "b.gpcis", np.zeros_like(labels))
    (classes, nothing), _ = find_pairs(*folders)
    with pytest.raises(ValueError, match=r"a\.gpcis: its labels are classes"):
        list(classes.planes())
    with pytest.raises(EmptyLabelsError, match=r"b\.gpcis: no object is labelled"):
        list(nothing.planes())


def test_a_damaged_annotation_is_named(cells: tuple[Path, Path]) -> None:
    (cells[1] / "1_labels.tif").unlink()
    (cells[1] / "1.gpcis").write_bytes(b"not a zip")
    (cells[1] / "new.gpcis").write_bytes(b"nor this")
    with pytest.raises(ValueError, match="2 files cannot be used") as caught:
        load_own_data(*cells, seed=0)
    assert "1.gpcis" in str(caught.value) and "new.gpcis" in str(caught.value)


def test_images_and_masks_in_one_folder_may_both_have_endings(folders: tuple[Path, Path]) -> None:
    names = ("a_img.tif", "a_masks.tif", "b_img.tif", "b_masks.tif", "b.tif")
    for name in names:
        (folders[0] / name).touch()
    pairs, problems = pair_files(folders[0], folders[0])
    assert [(pair.image.name, pair.labels.name) for pair in pairs] == [
        ("a_img.tif", "a_masks.tif"),
        ("b.tif", "b_masks.tif"),
    ]
    assert problems == [f"b_img.tif: there are no labels of that name in {folders[0]}"]


@pytest.mark.parametrize(
    ("axis", "axes", "remedy"), [(0, "CYX", "--axes CYX"), (-1, "YXC", "--axes YXC")]
)
def test_channels_that_a_file_does_not_name_are_named_by_axes(
    folders: tuple[Path, Path], axis: int, axes: str, remedy: str
) -> None:
    image, labels = draw_cells(0)
    image = image if image.ndim == 2 else image[..., 0]
    data = np.stack([image, image // 2, image], axis)
    tifffile.imwrite(folders[0] / "a.tif", data, photometric="minisblack")
    tifffile.imwrite(folders[1] / "a.tif", labels)
    (file,), _ = find_pairs(*folders)
    with pytest.raises(ValueError, match=f"channels, say so .{remedy}"):
        list(file.planes())
    (file,), _ = find_pairs(*folders, axes=axes)
    (plane,) = file.planes()
    assert plane.image.shape == (*labels.shape, 3)
    assert file.slices == 1
