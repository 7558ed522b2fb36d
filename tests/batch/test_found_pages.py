"""Objects that nobody clicked, in batches: after the clicks of an image, or like another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_gpcis.batch.discover import find_jobs
from napari_gpcis.batch.examples import image_of
from napari_gpcis.batch.found_pages import pack_found, unpack_found
from napari_gpcis.batch.job import SegmentOptions
from napari_gpcis.batch.segment import segment_stack
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.proposals.proposal import Proposal
from napari_gpcis.io.annotations.gpcis_file import (
    AnnotationFileError,
    SavedAnnotation,
    save_annotation,
)
from napari_gpcis.io.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

CENTRES = [(40, 40), (40, 120), (120, 40), (120, 120)]


def disks(shift: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four bright disks, and their labels."""
    rows, cols = np.mgrid[:160, :160]
    image, labels = np.full((160, 160), 30, np.uint8), np.zeros((160, 160), np.int32)
    for label, (row, col) in enumerate(CENTRES, start=1):
        inside = (rows - row) ** 2 + (cols - col - shift) ** 2 < 20**2
        image[inside], labels[inside] = 180, label
    return image, labels


@pytest.mark.slow
def test_disks_are_found_in_a_stack_like_one_of_another_image(tmp_path: Path) -> None:
    image, labels = disks()
    tifffile.imwrite(tmp_path / "example.tif", image)
    saved = SavedAnnotation(np.where(labels == 1, 1, 0).astype(np.int32), image="example")
    save_annotation(tmp_path / "example.gpcis", saved)
    stack = np.stack([disks(shift)[0] for shift in (0, 3)])
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    report = segment_stack(
        tmp_path / "stack.tif",
        tmp_path / "example.gpcis",
        tmp_path / "labels.tif",
        find_all=True,
        table=tmp_path / "objects.csv",
        axes="ZYX",
        device="cpu",
        threads=1,
    )
    found = tifffile.imread(tmp_path / "labels.tif")
    assert report.labels == 4
    for row, col in CENTRES:
        assert found[0, row, col] == found[1, row, col] > 0
    assert np.mean((found[0] > 0) == (labels > 0)) > 0.97
    header, *lines = (tmp_path / "objects.csv").read_text().splitlines()
    scores = [float(line.split(",")[header.split(",").index("score")]) for line in lines]
    assert len(scores) == 4
    assert all(0.5 <= score <= 1 for score in scores)


def test_a_missing_image_of_the_examples_is_named_with_the_remedy(tmp_path: Path) -> None:
    saved = SavedAnnotation(
        np.ones((8, 8), np.int32), image_identity="cells.tif 8×8 uint8 0123456789abcdef"
    )
    with pytest.raises(AnnotationFileError, match=r"put cells\.tif into"):
        image_of(tmp_path / "work.gpcis", saved)
    (tmp_path / "cells.tif").touch()
    assert image_of(tmp_path / "work.gpcis", saved) == tmp_path / "cells.tif"


def test_an_image_beside_the_examples_is_found_by_its_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "work.tif", np.zeros((8, 8), np.uint8))
    saved = SavedAnnotation(np.ones((8, 8), np.int32))
    assert image_of(tmp_path / "work.gpcis", saved) == tmp_path / "work.tif"


def test_stored_proposals_are_read_as_they_were() -> None:
    mask = np.array([[True, False, True], [False, True, True]])
    stored = [
        Proposal(3, Box(1, 2, 3, 5), mask, 1 / 3, Click(3, 1, 2)),
        Proposal(3, Box(7, 7, 9, 10), ~mask, 0.7, Click(3, 7, 8)),
    ]
    for before, after in zip(stored, unpack_found(pack_found(stored)), strict=True):
        assert (before.box, before.score, before.click) == (after.box, after.score, after.click)
        assert np.array_equal(before.mask, after.mask)


def test_all_images_of_a_folder_go_by_the_examples(tmp_path: Path) -> None:
    folder, out = tmp_path / "images", tmp_path / "out"
    folder.mkdir()
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(folder / name, np.zeros((8, 8), np.uint8))
    example = tmp_path / "example.gpcis"
    example.touch()
    options = SegmentOptions(find_all=True)
    jobs = find_jobs([folder], None, out, options=options, like=example).jobs
    assert [job.image.name for job in jobs] == ["a.tif", "b.tif"]
    assert all(job.clicks == example and job.has_examples for job in jobs)


def test_examples_and_clicks_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="leave --clicks out"):
        find_jobs([tmp_path], tmp_path, tmp_path / "out", like=tmp_path / "example.gpcis")


def test_finding_all_objects_excludes_classes_and_propagation() -> None:
    for other in ({"mode": "class"}, {"propagate": True}):
        with pytest.raises(OptionError, match="leave class mode and propagate out"):
            SegmentOptions(find_all=True, **other)
