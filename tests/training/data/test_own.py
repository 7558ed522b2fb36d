from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from napari_gpcis_training.data.own import load_own_data, split_own
from napari_gpcis_training.data.splits import Item

from tests.training.conftest import draw_cells


def test_two_labelled_images_are_too_few(cells: tuple[Path, Path]) -> None:
    for index in (2, 3):
        (cells[0] / f"{index}.png").unlink()
        (cells[1] / f"{index}_labels.tif").unlink()
    with pytest.raises(ValueError, match="at least 3 labelled images or slices, got 2"):
        load_own_data(*cells, seed=0)


def test_binary_masks_become_objects_and_the_diameter_is_measured(
    folders: tuple[Path, Path],
) -> None:
    for index in range(3):
        image, labels = draw_cells(index)
        iio.imwrite(folders[0] / f"{index}.png", image)
        iio.imwrite(folders[1] / f"{index}.png", np.where(labels, 255, 0).astype(np.uint8))
    data = load_own_data(*folders, seed=0)
    assert data.name == "nuclei"
    assert data.objects == 9
    areas = np.concatenate(
        [item.objects[:, 5] for part in (data.training, data.held_out) for item in part.slices]
    )
    assert data.diameter == pytest.approx(2 * np.sqrt(np.median(areas) / np.pi))
    assert (len(data.training.slices), len(data.held_out.slices)) == (2, 1)


def test_a_stack_in_which_some_slices_are_labelled_is_enough(folders: tuple[Path, Path]) -> None:
    planes = [draw_cells(z) for z in range(6)]
    image = np.stack([plane for plane, _ in planes]).astype(np.uint16) * 100
    labels = np.stack([numbers for _, numbers in planes]).astype(np.int32) + 100_000
    labels[labels == 100_000] = 0
    labels[[1, 4]] = 0
    tifffile.imwrite(folders[0] / "s.tif", image, photometric="minisblack")
    tifffile.imwrite(folders[1] / "s.tif", labels, photometric="minisblack")
    data = load_own_data(*folders, seed=0)
    used = {item.name for part in (data.training, data.held_out) for item in part.slices}
    assert used == {f"s[{z}]" for z in (0, 2, 3, 5)}
    assert data.objects == 12
    assert all(item.image.dtype == np.uint8 for item in data.training.slices)


def test_the_data_say_how_they_were_split(cells: tuple[Path, Path]) -> None:
    data = load_own_data(*cells, seed=1)
    assert data.split is not None
    assert (data.split.rule, data.split.seed) == ("file", 1)
    assert [item.name for item in data.training.slices] == list(data.split.train)
    assert [item.name for item in data.held_out.slices] == list(data.split.held_out)


def test_whole_files_are_held_out_by_the_seed() -> None:
    items = [Item(str(file), str(file), z, 2) for file in range(5) for z in range(2)]
    chosen = set()
    for seed in range(8):
        made = split_own(items, seed)
        assert sorted(made.train + made.held_out) == [item.name for item in items]
        assert {name[0] for name in made.train}.isdisjoint(name[0] for name in made.held_out)
        assert split_own(items, seed) == made
        chosen.add(made.held_out)
    assert len(chosen) > 1


def test_of_one_or_two_stacks_a_block_is_held_out() -> None:
    one = split_own([Item("s", "s", z, 20) for z in range(20)], seed=3)
    assert (one.rule, len(one.held_out)) == ("block", 4)
    two = split_own(
        [Item(file, file, z, count) for file, count in (("a", 1), ("b", 2)) for z in range(count)],
        seed=0,
    )
    assert len(two.held_out) == 1
    assert "a" in two.train
