from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from napari_gpcis_training.config import DataSource
from napari_gpcis_training.data.sets import index_objects, load_set, split_files, to_uint8


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
    with pytest.raises(ValueError, match="same names"):
        load_set(tmp_path, source, "train", 30)
    iio.imwrite(tmp_path / "lab" / "labels" / "a.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="got none"):
        load_set(tmp_path, source, "validation", 30)


def test_a_corrupt_file_is_named(tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (tmp_path / "lab" / kind).mkdir(parents=True)
        (tmp_path / "lab" / kind / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"broken\.png"):
        load_set(tmp_path, DataSource(name="lab"), "validation", 30)
