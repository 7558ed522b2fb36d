from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import typer
from napari_gpcis_training.commands.check import check
from napari_gpcis_training.data.check import Check, check_files, diameter_quartiles, find_sets
from napari_gpcis_training.data.layouts import detect_layout, find_files, find_pairs
from typer.testing import CliRunner

from tests.training.conftest import draw_cells


def run(*words: object) -> Any:
    app = typer.Typer()
    app.command()(check)
    return CliRunner().invoke(app, [str(word) for word in words])


def check_set(folder: Path) -> Check:
    return check_files(*find_files(folder, detect_layout(folder)))


def test_good_data_are_described(cells: tuple[Path, Path]) -> None:
    made = check_set(cells[0].parent)
    assert made.layout == "folder"
    assert made.problems == []
    assert made.usable
    assert [file.name for file in made.files] == ["0", "1", "2", "3"]
    first = made.files[0]
    assert (first.shape, first.dtype, first.labelled, first.binary) == (
        *((1, 96, 96, 1), "uint8", 1),
        False,
    )
    assert sorted(first.areas) == sorted(np.bincount(draw_cells(0)[1].ravel())[1:].tolist())
    low, middle, high = made.as_json()["diameters"]
    assert 16 < low < middle < high < 32


def test_channels_depth_and_slices_are_described(folders: tuple[Path, Path]) -> None:
    image, labels = draw_cells(0)
    stack = np.stack([np.stack([image, image.T])] * 4).astype(np.uint16)
    tifffile.imwrite(folders[0] / "s.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
    numbers = np.stack([labels, 0 * labels, labels, labels])
    tifffile.imwrite(folders[1] / "s.tif", numbers, photometric="minisblack")
    (file,) = check_set(folders[0].parent).files
    assert (file.shape, file.dtype, file.labelled) == ((4, 96, 96, 2), "uint16", 3)
    assert len(file.areas) == 9


def test_in_binary_masks_regions_are_objects(folders: tuple[Path, Path]) -> None:
    image, labels = draw_cells(0)
    iio.imwrite(folders[0] / "a.png", image)
    iio.imwrite(folders[1] / "a.png", np.where(labels, 255, 0).astype(np.uint8))
    (file,) = check_set(folders[0].parent).files
    assert file.binary
    assert len(file.areas) == 3


def test_every_problem_is_listed_with_its_file(cells: tuple[Path, Path]) -> None:
    images, labels = cells
    iio.imwrite(images / "lonely.png", np.zeros((8, 8), np.uint8))
    iio.imwrite(images / "0.png", np.full((96, 96), 7, np.uint8))
    tifffile.imwrite(labels / "1_labels.tif", np.zeros((96, 96), np.uint8))
    tifffile.imwrite(labels / "2_labels.tif", np.ones((9, 96), np.uint8))
    shutil.copy(images / "3.png", images / "4.png")
    shutil.copy(labels / "3_labels.tif", labels / "4.tif")
    (images / "5.tif").write_bytes(tifffile_bytes()[:900])
    shutil.copy(labels / "3_labels.tif", labels / "5.tif")
    problems = check_set(images.parent).problems
    for line, words in zip(
        sorted(problems),
        (
            "0.png: it shows one grey level only",
            "1_labels.tif: no object is labelled",
            "2_labels.tif: 9 × 96 px, but the image has 96 × 96",
            "4.png: the same file as 3.png",
            "cannot read",
            "lonely.png: there are no labels of that name",
        ),
        strict=True,
    ):
        assert words in line
    assert any("5.tif" in line and "cut short" in line for line in problems)


def tifffile_bytes() -> bytes:
    import io

    file = io.BytesIO()
    tifffile.imwrite(file, draw_cells(5)[0])
    return file.getvalue()


def test_labels_without_a_large_object_are_a_problem(cells: tuple[Path, Path]) -> None:
    files, remarks = find_pairs(*cells)
    assert check_files(files, remarks, min_area=30).problems == []
    problems = check_files(files, remarks, min_area=5000).problems
    assert len(problems) == 4
    assert "no object has 5000 px or more" in problems[0]


def test_several_masks_of_one_photograph_are_no_duplicates(tmp_path: Path) -> None:
    for kind, names in (("images", ["a.png"]), ("masks", ["a#001.png", "a#002.png"])):
        (tmp_path / kind).mkdir()
        for name in names:
            iio.imwrite(tmp_path / kind / name, np.pad(np.full((4, 4), 255, np.uint8), 4))
    made = check_set(tmp_path)
    assert made.layout == "berkeley"
    assert made.problems == []


def test_diameters_are_those_of_circles() -> None:
    assert diameter_quartiles([]) == []
    assert diameter_quartiles([np.pi * 25] * 4) == [10.0, 10.0, 10.0]


def test_a_folder_of_sets_is_all_of_them(data_root: Path, tmp_path: Path) -> None:
    assert [path.name for path in find_sets(data_root)] == ["cells", "volume"]
    assert find_sets(data_root / "cells") == [data_root / "cells"]
    with pytest.raises(ValueError, match="expected a data set"):
        find_sets(tmp_path)


def test_the_command_shows_a_table_and_ends_well(cells: tuple[Path, Path]) -> None:
    shown = run("--images", cells[0], "--labels", cells[1])
    assert shown.exit_code == 0
    assert "4 files, 12 objects" in shown.output
    assert "96 × 96" in shown.output
    assert "problem" not in shown.output


def test_labels_beside_the_images_need_no_second_folder(tmp_path: Path) -> None:
    image, labels = draw_cells(0)
    iio.imwrite(tmp_path / "a.png", image)
    iio.imwrite(tmp_path / "a_masks.png", labels)
    assert run("--images", tmp_path).exit_code == 0


def test_problems_are_exit_code_1_and_nothing_usable_is_2(cells: tuple[Path, Path]) -> None:
    iio.imwrite(cells[0] / "lonely.png", np.zeros((8, 8), np.uint8))
    shown = run(cells[0].parent)
    assert shown.exit_code == 1
    assert "problem: lonely.png" in shown.output
    for path in cells[1].iterdir():
        path.write_bytes(b"?")
    assert run(cells[0].parent).exit_code == 2
    assert run(cells[0] / "nowhere").exit_code == 2
    assert run().exit_code == 2
    assert run(cells[0], "--images", cells[0]).exit_code == 2


def test_json_holds_all_of_it(cells: tuple[Path, Path]) -> None:
    (cells[1] / "2_labels.tif").write_bytes(b"?")
    shown = run(cells[0].parent, "--json")
    assert shown.exit_code == 1
    made = json.loads(shown.stdout)["nuclei"]
    assert (made["layout"], made["objects"], len(made["files"])) == ("folder", 9, 4)
    assert made["files"][2]["problems"] == made["problems"]
    assert "2_labels.tif" in made["problems"][0]


def test_a_split_is_written_once_and_compared_after_that(
    cells: tuple[Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "split.json"
    words = (cells[0].parent, "--split", path, "--seed", 3, "--hold-out", 0.5)
    assert "2 to train on, 2 held out" in run(*words).output
    before = path.read_text()
    assert "is of these images" in run(*words, "--seed", 4).output
    assert path.read_text() == before
    for index, folder in enumerate(cells):
        (folder / ("0.png", "0_labels.tif")[index]).unlink()
    shown = run(*words)
    assert shown.exit_code == 2
    assert "is missing (0)" in shown.output


def test_a_wrong_rule_or_layout_is_refused(cells: tuple[Path, Path], tmp_path: Path) -> None:
    assert "expected a layout" in run(cells[0].parent, "--layout", "imagenet").output
    shown = run(cells[0].parent, "--split", tmp_path / "s.json", "--by", "colour")
    assert shown.exit_code == 2
    assert "got 'colour'" in shown.output


def test_copies_of_one_group_are_no_problem(cells: tuple[Path, Path], tmp_path: Path) -> None:
    for kind, suffix in enumerate((".png", "_labels.tif")):
        for name in "0123":
            (cells[kind] / f"{name}{suffix}").rename(cells[kind] / f"plate{name}_a{suffix}")
        shutil.copy(cells[kind] / f"plate0_a{suffix}", cells[kind] / f"plate0_b{suffix}")
    assert "the same file as plate0_a.png" in run(cells[0].parent).output
    words = (cells[0].parent, "--group-pattern", r"plate(\d)", "--hold-out", 0.5)
    path = tmp_path / "split.json"
    assert run(*words, "--split", path, "--by", "group").exit_code == 0
    (made,) = json.loads(path.read_text())["sets"].values()
    assert {name[5] for name in made["train"]}.isdisjoint(name[5] for name in made["held_out"])
