from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from napari_gpcis_training.data.layouts import LAYOUTS, detect_layout, find_files
from napari_gpcis_training.data.planes import EmptyLabelsError
from scipy.io import savemat

from tests.training.conftest import draw_cells

IMAGE, LABELS = draw_cells(0)
COLOUR = np.dstack([IMAGE] * 3)
ONE = (LABELS == 1).astype(np.uint8)


def put(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, pixels)


def trimap() -> np.ndarray:
    code = np.where(ONE, 255, 0).astype(np.uint8)
    code[0, :10] = 128
    return code


def grabcut(folder: Path) -> None:
    put(folder / "data_GT" / "book.bmp", COLOUR)
    put(folder / "data_GT" / "stone.jpg", COLOUR)
    for name in ("book", "stone"):
        put(folder / "boundary_GT" / f"{name}.bmp", trimap())


def berkeley(folder: Path) -> None:
    for name in ("one", "two"):
        put(folder / "images" / f"{name}.jpg", COLOUR)
    for name in ("one", "two#001", "two#002"):
        put(folder / "masks" / f"{name}.png", np.dstack([trimap()] * 3))


def davis(folder: Path) -> None:
    for frame in ("bear_00010", "bear_00070", "camel_00001"):
        put(folder / "img" / f"{frame}.jpg", COLOUR)
        put(folder / "gt" / f"{frame}.png", np.dstack([0 * ONE, 7 * ONE, 0 * ONE]))


def coco_mval(folder: Path) -> None:
    for name in ("cat00_0017", "cat01_0017"):
        put(folder / "img" / f"{name}.jpg", COLOUR)
        put(folder / "gt" / f"{name}.png", ONE * 255)


def sbd(folder: Path) -> None:
    for name in ("2008_1", "2008_2", "2008_3"):
        put(folder / "img" / f"{name}.jpg", COLOUR)
        (folder / "inst").mkdir(exist_ok=True)
        # as distributed: a 1 x 1 struct array
        instances = {"Segmentation": LABELS, "Boundaries": 0, "Categories": [[1], [2], [3]]}
        savemat(folder / "inst" / f"{name}.mat", {"GTinst": instances}, do_compression=True)
    (folder / "train.txt").write_text("2008_2\n2008_1\n")
    (folder / "val.txt").write_text("2008_3\n")


def dsb2018(folder: Path) -> None:
    for name in ("aa", "bb"):
        put(folder / name / "images" / f"{name}.png", np.dstack([COLOUR, 255 + 0 * IMAGE]))
        for number in (1, 2, 3):
            put(
                folder / name / "masks" / f"{number}.png",
                np.where(LABELS == number, 255, 0).astype(np.uint8),
            )


def sstem(folder: Path) -> None:
    for name in ("00", "01"):
        (folder / "raw").mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / "raw" / f"{name}.tif", IMAGE)
        put(folder / "mitochondria" / f"{name}.png", np.where(LABELS, 255, 0).astype(np.uint8))


def folder(folder: Path) -> None:
    for name in ("a", "b"):
        put(folder / "images" / f"{name}.png", IMAGE)
        put(folder / "masks" / f"{name}_mask.png", LABELS)


MAKERS: dict[str, Callable[[Path], None]] = {
    "folder": folder,
    "grabcut": grabcut,
    "berkeley": berkeley,
    "davis": davis,
    "sbd": sbd,
    "coco_mval": coco_mval,
    "dsb2018": dsb2018,
    "sstem": sstem,
}
NAMES = {
    "folder": ["a", "b"],
    "grabcut": ["book", "stone"],
    "berkeley": ["one", "two#001", "two#002"],
    "davis": ["bear_00010", "bear_00070", "camel_00001"],
    "sbd": ["2008_1", "2008_2", "2008_3"],
    "coco_mval": ["cat00_0017", "cat01_0017"],
    "dsb2018": ["aa", "bb"],
    "sstem": ["00", "01"],
}
SEVERAL_OBJECTS = ("folder", "sbd", "dsb2018", "sstem")


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def there(tmp_path: Path, layout: str) -> Path:
    """A data set in the layout."""
    name = "COCO_MVal" if layout == "coco_mval" else "set"
    MAKERS[layout](tmp_path / name)
    return tmp_path / name


def test_every_layout_is_recognised_and_read(there: Path, layout: str) -> None:
    assert detect_layout(there) == layout
    files, remarks = find_files(there)
    assert remarks == []
    assert [file.name for file in files] == NAMES[layout]
    assert {file.layout for file in files} == {layout}
    assert files == find_files(there, layout)[0]
    for file in files:
        (plane,) = file.planes()
        wanted = LABELS if layout in SEVERAL_OBJECTS else ONE
        np.testing.assert_array_equal(plane.labels, wanted)
        assert plane.name == file.name
        assert plane.image.dtype == np.uint8
        assert plane.image.shape[:2] == wanted.shape
        assert (plane.ignore is not None) == (layout in ("grabcut", "berkeley"))


def test_a_file_of_another_size_is_named(there: Path, layout: str) -> None:
    file = find_files(there)[0][0]
    path = next(file.labels.glob("*.png")) if file.labels.is_dir() else file.labels
    if layout == "sbd":
        savemat(path, {"GTinst": {"Segmentation": LABELS[:, :-3]}})
    else:
        iio.imwrite(path, iio.imread(path)[:, :-3])
    with pytest.raises(ValueError, match=rf"{path.name}.*96 × 93 px, but the image has 96 × 96"):
        list(file.planes())


@pytest.mark.parametrize("damage", ["cut short", "nonsense", "empty"])
def test_a_damaged_file_is_named(there: Path, damage: str) -> None:
    file = find_files(there)[0][0]
    path = next(file.labels.glob("*.png")) if file.labels.is_dir() else file.labels
    content = {"cut short": path.read_bytes()[:100], "nonsense": b"nonsense" * 9, "empty": b""}
    path.write_bytes(content[damage])
    with pytest.raises(ValueError, match=path.name):
        list(file.planes())


def test_an_empty_label_is_told_apart_from_damage(there: Path, layout: str) -> None:
    file = find_files(there)[0][0]
    if layout == "sbd":
        savemat(file.labels, {"GTinst": {"Segmentation": 0 * LABELS}})
    for path in sorted(file.labels.glob("*.png")) if file.labels.is_dir() else [file.labels]:
        if path.suffix != ".mat":
            iio.imwrite(path, 0 * iio.imread(path))
    with pytest.raises(EmptyLabelsError, match="no object is labelled"):
        list(file.planes())


def test_files_without_a_counterpart_are_remarked(there: Path, layout: str) -> None:
    file = find_files(there)[0][0]
    if file.labels.is_dir():
        shutil.rmtree(file.labels)
    else:
        file.labels.unlink()
    files, remarks = find_files(there, layout)
    assert file.name not in [other.name for other in files]
    if layout != "dsb2018":  # whose folder without masks is none of its folders
        assert len(remarks) == 1
        assert file.image.stem in remarks[0]


def test_128_does_not_count_in_grabcut(tmp_path: Path) -> None:
    grabcut(tmp_path)
    (plane,) = find_files(tmp_path)[0][0].planes()
    assert plane.ignore is not None
    assert plane.ignore.sum() == 10
    assert not plane.labels[plane.ignore].any()


def test_masks_of_one_photograph_have_names_of_their_own(tmp_path: Path) -> None:
    berkeley(tmp_path)
    put(tmp_path / "images" / "three.jpg", COLOUR)
    for end in "ab":
        put(tmp_path / "masks" / f"three{end}.png", trimap())
    files, remarks = find_files(tmp_path)
    assert remarks == []
    groups = [(file.name, file.group) for file in files]
    assert groups[1:3] == [("threea", "three"), ("threeb", "three")]
    assert len({file.image for file in files}) == 3


def test_films_and_photographs_are_groups(tmp_path: Path) -> None:
    davis(tmp_path / "davis")
    coco_mval(tmp_path / "coco")
    sstem(tmp_path / "stack1")
    assert [f.group for f in find_files(tmp_path / "davis")[0]] == ["bear", "bear", "camel"]
    assert [f.group for f in find_files(tmp_path / "coco")[0]] == ["0017", "0017"]
    assert [f.group for f in find_files(tmp_path / "stack1")[0]] == ["stack1", "stack1"]


def test_sbd_has_lists(tmp_path: Path) -> None:
    sbd(tmp_path)
    assert [file.name for file in find_files(tmp_path, part="train")[0]] == ["2008_1", "2008_2"]
    assert [file.name for file in find_files(tmp_path, part="val")[0]] == ["2008_3"]
    (tmp_path / "inst" / "2008_2.mat").unlink()
    assert find_files(tmp_path)[1] == ["2008_2: listed, but there is no inst/2008_2.mat"]
    (tmp_path / "val.txt").unlink()
    with pytest.raises(ValueError, match=r"expected val\.txt"):
        find_files(tmp_path)


@pytest.mark.parametrize("layout", ["coco_mval", "dsb2018"])
def test_some_sets_may_have_the_form_of_a_labs_folder(tmp_path: Path, layout: str) -> None:
    for name in ("cat00_0017", "dog00_0018"):
        put(tmp_path / "images" / f"{name}.png", IMAGE)
        put(tmp_path / "labels" / f"{name}.png", ONE)
    assert detect_layout(tmp_path) == "folder"
    files, _ = find_files(tmp_path, layout)
    assert [file.layout for file in files] == [layout] * 2
    assert files[0].group == ("0017" if layout == "coco_mval" else "cat00_0017")
    (plane,) = files[0].planes()
    np.testing.assert_array_equal(plane.labels, ONE)


def test_images_and_labels_side_by_side_are_a_labs_folder(tmp_path: Path) -> None:
    put(tmp_path / "a.png", IMAGE)
    put(tmp_path / "a_masks.png", LABELS)
    assert detect_layout(tmp_path) == "folder"
    assert [file.name for file in find_files(tmp_path)[0]] == ["a"]


def test_regions_that_touch_by_a_corner_are_two_in_sstem(tmp_path: Path) -> None:
    sstem(tmp_path)
    mask = np.zeros((96, 96), np.uint8)
    mask[10:20, 10:20] = mask[20:30, 20:30] = 255
    put(tmp_path / "mitochondria" / "00.png", mask)
    (plane,) = find_files(tmp_path)[0][0].planes()
    assert plane.labels.max() == 2


def test_folders_that_are_no_data_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a folder"):
        find_files(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="images/ and labels/"):
        find_files(tmp_path)
    with pytest.raises(ValueError, match="a layout of folder, grabcut"):
        find_files(tmp_path, "imagenet")
    with pytest.raises(ValueError, match="data_GT/ and boundary_GT/"):
        find_files(tmp_path, "grabcut")
    # a folder of data sets is not one itself
    berkeley(tmp_path / "Berkeley")
    with pytest.raises(ValueError, match="expected a data set"):
        detect_layout(tmp_path)


def test_a_matlab_file_without_instances_is_named(tmp_path: Path) -> None:
    sbd(tmp_path)
    savemat(tmp_path / "inst" / "2008_1.mat", {"GTcls": 3})
    with pytest.raises(ValueError, match=r"2008_1\.mat: no GTinst"):
        list(find_files(tmp_path)[0][0].planes())
