from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from napari_gpcis_training.config import DataSource, load_config
from napari_gpcis_training.data.layouts import find_files
from napari_gpcis_training.data.sets import (
    LabelledSet,
    Part,
    index_objects,
    load_set,
    load_sets,
    split_files,
    to_uint8,
)
from napari_gpcis_training.data.splits import items_of, read_split, split_items, write_split

from tests.training.conftest import draw_cells


def names(loaded: LabelledSet) -> list[str]:
    return [item.name.partition("/")[2] for item in loaded.slices]


def lab(folder: Path, stems: list[str]) -> None:
    """Write pairs of one form."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for index, stem in enumerate(stems):
        image, labels = draw_cells(index)
        iio.imwrite(folder / "images" / f"{stem}.png", image)
        iio.imwrite(folder / "labels" / f"{stem}.png", labels)


def test_every_seventh_file_from_the_first_is_held_out() -> None:
    names = [f"{index:02d}" for index in range(15)]
    train, held_out = split_files(list(reversed(names)))
    assert held_out == ["00", "07", "14"]
    assert train == [name for name in names if name not in held_out]


def test_a_photograph_in_validation_is_never_trained_on() -> None:
    names = ["a00_7", "b00_7", "c00_8", "d00_7", "e00_9"]
    train, held_out = split_files(names, r"_(\d+)$")
    assert held_out == ["a00_7"]
    assert train == ["c00_8", "e00_9"]


def test_the_last_sixth_of_a_volume_is_held_out(data_root: Path) -> None:
    source = DataSource(name="volume")
    train = [item.name for item in load_set(data_root, source, "train", 30).slices]
    held_out = [item.name for item in load_set(data_root, source, "validation", 30).slices]
    assert held_out == ["volume/stack[10]", "volume/stack[11]"]
    assert len(train) == 10
    assert not set(train) & set(held_out)


def test_objects_are_indexed_with_box_and_area() -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[2:8, 3:13] = 4
    labels[15, 20] = 9
    made = index_objects("x", np.zeros((20, 30), np.uint8), labels, False, min_area=10)
    assert made.objects.tolist() == [[4, 2, 3, 8, 13, 60]]


def test_components_become_objects_of_their_own() -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[2:8, 3:9] = labels[12:18, 3:9] = 5
    image = np.zeros((20, 30), np.uint8)
    assert len(index_objects("x", image, labels, True, 10).objects) == 2
    assert len(index_objects("x", image, labels, False, 10).objects) == 1


def test_deep_images_are_scaled_between_percentiles() -> None:
    image = np.linspace(1000, 5000, 100 * 100).reshape(100, 100).astype(np.uint16)
    scaled = to_uint8(image)
    assert scaled.dtype == np.uint8
    assert scaled.min() == 0
    assert scaled.max() == 255
    assert abs(int(scaled[50, 0]) - 127) <= 1


def test_images_and_labels_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="one size"):
        index_objects("x", np.zeros((5, 5)), np.zeros((5, 6), np.uint8), False, 1)


def test_folders_without_pairs_or_objects_are_refused(tmp_path: Path) -> None:
    source = DataSource(name="lab")
    with pytest.raises(ValueError, match="folder"):
        load_set(tmp_path, source, "train", 30)
    for kind in ("images", "labels"):
        (tmp_path / "lab" / kind).mkdir(parents=True)
    iio.imwrite(tmp_path / "lab" / "images" / "a.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="labels"):
        load_set(tmp_path, source, "train", 30)
    iio.imwrite(tmp_path / "lab" / "labels" / "a.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="got none"):
        load_set(tmp_path, source, "validation", 30)


def test_the_split_of_the_default_configuration_never_changes(tmp_path: Path) -> None:
    """What our figures refer to: written out, not computed."""
    coco = next(source for source in load_config("default").data if source.name == "coco_mval")
    stems = [
        f"{kind}{index:02d}_{photo:04d}"
        for index, (kind, photo) in enumerate(
            zip(
                "aabbccddeeffgghh",
                (1, 2, 3, 1, 4, 5, 6, 7, 8, 9, 7, 10, 11, 12, 13, 12),
                strict=True,
            )
        )
    ]
    lab(tmp_path / "coco_mval", stems)
    assert names(load_set(tmp_path, coco, "validation", 30)) == ["a00_0001", "d07_0007", "h14_0013"]
    assert names(load_set(tmp_path, coco, "train", 30)) == [
        *("a01_0002", "b02_0003", "c04_0004", "c05_0005", "d06_0006", "e08_0008", "e09_0009"),
        *("f11_0010", "g12_0011", "g13_0012", "h15_0012"),
    ]
    for source in load_config("default").data:
        assert (source.layout, source.split, source.path, source.split_file) == (
            *("auto", "default"),
            None,
            None,
        )


@pytest.mark.parametrize("part", ["train", "validation"])
def test_all_that_is_wrong_with_a_set_is_listed(tmp_path: Path, part: Part) -> None:
    lab(tmp_path / "lab", [f"{index:02d}" for index in range(9)])
    images, labels = tmp_path / "lab" / "images", tmp_path / "lab" / "labels"
    (images / "00.png").write_bytes(b"not a picture")
    (labels / "01.png").write_bytes((labels / "01.png").read_bytes()[:60])
    iio.imwrite(labels / "02.png", np.ones((5, 5), np.uint8))
    iio.imwrite(labels / "stray.png", np.ones((5, 5), np.uint8))
    (labels / "03.png").unlink()
    (images / "04.png").write_bytes(b"")
    with pytest.raises(ValueError, match="lab: 6 files cannot be used") as caught:
        load_set(tmp_path, DataSource(name="lab"), part, 30)
    for name in ("00.png", "01.png", "02.png", "03.png", "04.png", "stray.png"):
        assert name in str(caught.value)


def test_a_damaged_file_of_the_other_part_is_found_too(tmp_path: Path) -> None:
    lab(tmp_path / "lab", [f"{index:02d}" for index in range(9)])
    iio.imwrite(tmp_path / "lab" / "labels" / "00.png", np.ones((5, 5), np.uint8))
    with pytest.raises(ValueError, match=r"00\.png"):
        load_set(tmp_path, DataSource(name="lab"), "train", 30)


def test_all_that_is_wrong_with_several_sets_is_listed(tmp_path: Path, data_root: Path) -> None:
    good, bad, missing = (DataSource(name=name) for name in ("cells", "bad", "missing"))
    (tmp_path / "cells").symlink_to(data_root / "cells")
    lab(tmp_path / "bad", ["a", "b"])
    (tmp_path / "bad" / "images" / "a.png").write_bytes(b"?")
    with pytest.raises(ValueError, match=r"(?s)bad: 1 file .*a\.png.*missing"):
        load_sets(tmp_path, [bad, good, missing], "train", 30)
    (loaded,) = load_sets(tmp_path, [good], "train", 30)
    assert len(loaded.slices) == 6


def test_images_without_objects_are_left_out(tmp_path: Path) -> None:
    lab(tmp_path / "lab", ["a", "b", "c"])
    iio.imwrite(tmp_path / "lab" / "labels" / "b.png", np.zeros((96, 96), np.uint8))
    assert names(load_set(tmp_path, DataSource(name="lab"), "train", 30)) == ["c"]


def test_a_source_chooses_its_own_folder_rule_and_seed(tmp_path: Path) -> None:
    lab(tmp_path / "deep" / "plates", [f"{plate}_{well}" for plate in "abcde" for well in range(3)])
    chosen = set()
    for seed in range(6):
        source = DataSource(
            name="lab", path="deep/plates", split="group", group_pattern="^(.)", seed=seed
        )
        parts = [load_set(tmp_path, source, part, 30) for part in ("train", "validation")]
        train, held_out = ({name[0] for name in names(part)} for part in parts)
        assert train.isdisjoint(held_out)
        assert len(held_out) == 1
        assert parts[0].split == parts[1].split
        chosen |= held_out
    assert len(chosen) > 1


def test_a_block_of_a_volume_can_be_held_out(data_root: Path) -> None:
    source = DataSource(name="volume", split="block", hold_out=0.25, seed=1)
    train, held_out = (
        {int(name[6:-1]) for name in names(load_set(data_root, source, part, 30))}
        for part in ("train", "validation")
    )
    assert len(held_out) == 3
    assert min(abs(a - b) for a in train for b in held_out) == 2


def test_a_written_split_is_used_again(tmp_path: Path) -> None:
    lab(tmp_path / "lab", [f"{index:02d}" for index in range(9)])
    files, _ = find_files(tmp_path / "lab")
    made = split_items(items_of(files), by="file", hold_out=0.5, seed=8)
    write_split(tmp_path / "split.json", {"lab": made})
    source = DataSource(name="lab", split_file="split.json")
    loaded = load_set(tmp_path, source, "validation", 30)
    assert names(loaded) == list(made.held_out)
    assert loaded.split == made == read_split(tmp_path / "split.json")
    for kind in ("images", "labels"):
        (tmp_path / "lab" / kind / "00.png").rename(tmp_path / "lab" / kind / "new.png")
    with pytest.raises(ValueError, match="written split"):
        load_set(tmp_path, source, "train", 30)


def test_sbd_is_split_as_its_lists_say(tmp_path: Path) -> None:
    from scipy.io import savemat

    for folder in ("img", "inst"):
        (tmp_path / "SBD" / folder).mkdir(parents=True)
    for name in "abc":
        image, labels = draw_cells(0)
        iio.imwrite(tmp_path / "SBD" / "img" / f"{name}.jpg", image)
        savemat(tmp_path / "SBD" / "inst" / f"{name}.mat", {"GTinst": {"Segmentation": labels}})
    (tmp_path / "SBD" / "train.txt").write_text("c\na\n")
    (tmp_path / "SBD" / "val.txt").write_text("b\n")
    source = DataSource(name="sbd", path="SBD")
    train, held_out = (load_set(tmp_path, source, part, 30) for part in ("train", "validation"))
    assert (names(train), names(held_out)) == (["a", "c"], ["b"])
    assert train.split == held_out.split
    assert train.split is not None
    assert (train.split.train, train.split.held_out) == (("a", "c"), ("b",))
    by_rule = source.model_copy(update={"split": "file", "hold_out": 0.6})
    assert len(load_set(tmp_path, by_rule, "validation", 30).slices) == 2


def test_more_labels_than_16_bits_hold_are_numbered_anew() -> None:
    image, labels = draw_cells(0)
    made = index_objects("x", image, labels.astype(np.uint32) * 70_000, False, 10)
    np.testing.assert_array_equal(made.labels, labels)
    assert len(made.objects) == 3


def test_a_stack_without_tiffs_own_name_is_read_by_what_it_is(tmp_path: Path) -> None:
    image, labels = draw_cells(0)
    for kind, pixels in (("images", image), ("labels", labels)):
        (tmp_path / "lab" / kind).mkdir(parents=True)
        stack = np.stack([pixels] * 6)
        tifffile.imwrite(tmp_path / "lab" / kind / "s.lsm", stack, photometric="minisblack")
    loaded = load_set(tmp_path, DataSource(name="lab"), "validation", 30)
    assert names(loaded) == ["s[5]"]
