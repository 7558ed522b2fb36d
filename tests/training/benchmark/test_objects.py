from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
import pytest
from napari_gpcis_training.benchmark.objects import (
    BenchmarkObject,
    ObjectSet,
    Sampling,
    by_file,
    open_sets,
)
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.evaluate import evaluation_crops


def read_all(opened: ObjectSet, sampling: Sampling) -> list[BenchmarkObject]:
    told: list[str] = []
    places = opened.choose(sampling, told.append)
    assert not told
    return [item for number, some in by_file(places) for item in opened.read(number, some)]


def open_one(folder: Path, layout: str = "auto") -> ObjectSet:
    (opened,) = open_sets([folder], layout, lambda line: None)
    return opened


def test_the_validation_split_is_that_of_training(data_root: Path, config_path: Path) -> None:
    config = load_config(config_path)
    for source in config.data:
        held_out = load_set(data_root, source, "validation", 30)
        wanted = [
            (part.name.partition("/")[2], int(row[0]))
            for part in held_out.slices
            for row in part.objects
        ]
        items = read_all(open_one(data_root / source.name), Sampling(per_image=None))
        assert [(item.image_name, item.number) for item in items] == wanted
        # and the sample is that of the validation crops
        count = len(evaluation_crops(held_out, 2, per_slice=2))
        assert len(read_all(open_one(data_root / source.name), Sampling(2, 2))) == count == 2


def test_all_objects_can_be_had(data_root: Path) -> None:
    everything = Sampling(per_image=None, split="all")
    assert len(read_all(open_one(data_root / "cells"), everything)) == 24
    assert len(read_all(open_one(data_root / "volume"), everything)) == 36


def test_an_object_brings_image_target_and_sizes(data_root: Path) -> None:
    items = read_all(open_one(data_root / "cells"), Sampling())
    assert {item.image_name for item in items} == {"00", "07"}
    assert all(item.data == "cells" for item in items)
    labels = iio.imread(data_root / "cells" / "labels" / "00.png")
    own = [item for item in items if item.image_name == "00"]
    assert own[0].image is own[1].image
    for item in own:
        np.testing.assert_array_equal(item.target, labels == item.number)
        assert item.valid.all()
        assert item.diameter == pytest.approx(2 * np.sqrt(item.target.sum() / np.pi))
    assert own[0].typical_diameter == pytest.approx(np.median([item.diameter for item in own]))


@pytest.fixture
def grabcut(tmp_path: Path) -> Path:
    folder = tmp_path / "bench" / "GrabCut"
    (folder / "data_GT").mkdir(parents=True)
    (folder / "boundary_GT").mkdir()
    for index in range(9):
        trimap = np.zeros((40, 50), np.uint8)
        cv2.circle(trimap, (25, 20), 10 + index, 128, cv2.FILLED)
        cv2.circle(trimap, (25, 20), 7 + index, 255, cv2.FILLED)
        image = np.stack([trimap] * 3, -1)
        iio.imwrite(folder / "data_GT" / f"{index}.png", image)
        iio.imwrite(folder / "boundary_GT" / f"{index}.bmp", trimap)
    return folder


def test_every_mask_of_a_papers_set_counts_and_its_seam_is_ignored(grabcut: Path) -> None:
    items = read_all(open_one(grabcut), Sampling())
    assert len(items) == 9
    trimap = iio.imread(grabcut / "boundary_GT" / "4.bmp")
    item = items[4]
    np.testing.assert_array_equal(item.target, trimap == 255)
    np.testing.assert_array_equal(item.valid, trimap != 128)
    assert item.typical_diameter is None
    assert len(read_all(open_one(grabcut), Sampling(objects=3))) == 3


def test_a_folder_of_sets_is_all_of_them(data_root: Path, grabcut: Path) -> None:
    opened = open_sets([data_root, grabcut.parent], "auto", lambda line: None)
    assert [each.name for each in opened] == ["cells", "volume", "GrabCut"]


def test_a_set_must_not_be_there_twice(data_root: Path) -> None:
    with pytest.raises(ValueError, match="different names, got cells, volume, cells"):
        open_sets([data_root, data_root / "cells"], "auto", lambda line: None)


@pytest.mark.parametrize("folder", ["", "missing"])
def test_a_folder_without_data_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        open_sets([tmp_path / folder], "auto", lambda line: None)


def test_an_unknown_layout_is_refused(data_root: Path) -> None:
    with pytest.raises(ValueError, match="layout"):
        open_sets([data_root / "cells"], "imagenet", lambda line: None)


def test_a_broken_image_is_told_and_the_rest_stays(data_root: Path, tmp_path: Path) -> None:
    shutil.copytree(data_root / "cells", tmp_path / "cells")
    (tmp_path / "cells" / "images" / "00.png").write_bytes(b"no image")
    told: list[str] = []
    places = open_one(tmp_path / "cells").choose(Sampling(), told.append)
    assert {place.plane for place in places} == {"07"}
    assert len(told) == 1
    assert "00" in told[0]
