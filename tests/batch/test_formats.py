"""`segment_stack` from and to every format, and what it says on the way."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_gpcis import segment_stack
from napari_gpcis.engine.click import Click
from napari_gpcis.io.annotations.clicks import write_clicks
from napari_gpcis.io.errors import OutputFileError, StoppedError, UserError
from napari_gpcis.io.images.open import open_image
from tests.batch.conftest import COINS, DIAMETER, write_stack

if TYPE_CHECKING:
    from pathlib import Path

STACK = np.stack([np.roll(COINS, z, 1) for z in range(3)])
CLICKS = [Click(1, 73, 53, object_id=3), Click(1, 60, 106, object_id=7)]


class Desk:
    """Segments arrays that it first writes to files."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.model = str(model)
        self.clicks = folder / "clicks.csv"
        write_clicks(self.clicks, CLICKS, ndim=3)

    def segment(self, image: Path, output: str = "labels.tif", **options: Any) -> np.ndarray:
        options = {"model": self.model, "object_diameter": DIAMETER, "threads": 1, **options}
        segment_stack(image, self.clicks, self.folder / output, **options)
        with open_image(self.folder / output) as labels:
            return np.stack([labels.page(z) for z in range(labels.slices)])


@pytest.fixture
def desk(tmp_path: Path, tiny_model: Path) -> Desk:
    return Desk(tmp_path, tiny_model)


@pytest.fixture
def expected(desk: Desk) -> np.ndarray:
    """Labels of the stack as a plain TIFF."""
    tifffile.imwrite(
        desk.folder / "plain.tif", STACK, photometric="minisblack", metadata={"axes": "ZYX"}
    )
    labels = desk.segment(desk.folder / "plain.tif")
    assert set(np.unique(labels)) == {0, 3, 7}
    return labels


def test_all_formats_of_a_stack_give_the_same_labels(desk: Desk, expected: np.ndarray) -> None:
    import zarr

    tiled = {"tile": (64, 64), "compression": "zlib"}
    for name, options in (
        ("tiled.tif", tiled),
        ("big.tif", {"bigtiff": True}),
        ("imagej.tif", {"imagej": True}),
        ("ome.ome.tif", {"ome": True}),
    ):
        tifffile.imwrite(
            desk.folder / name, STACK, photometric="minisblack", metadata={"axes": "ZYX"}, **options
        )
        np.testing.assert_array_equal(desk.segment(desk.folder / name), expected)
    zarr.save_array(desk.folder / "stack.zarr", STACK)
    np.testing.assert_array_equal(desk.segment(desk.folder / "stack.zarr", axes="ZYX"), expected)
    pages = desk.folder / "pages"
    pages.mkdir()
    for z, page in enumerate(STACK, start=9):
        iio.imwrite(pages / f"page{z}.png", page)
    np.testing.assert_array_equal(desk.segment(pages), expected)


@pytest.mark.parametrize("mode", ["object", "class"])
def test_labels_may_be_ome_zarr(desk: Desk, mode: str) -> None:
    tifffile.imwrite(
        desk.folder / "stack.tif", STACK, photometric="minisblack", metadata={"axes": "ZYX"}
    )
    labels = desk.segment(desk.folder / "stack.tif", mode=mode)
    np.testing.assert_array_equal(
        desk.segment(desk.folder / "stack.tif", "labels.ome.zarr", mode=mode), labels
    )
    assert not [path for path in desk.folder.iterdir() if path.name.startswith(".")]


def test_label_tiffs_are_tiled_compressed_bigtiffs(desk: Desk, expected: np.ndarray) -> None:
    with tifffile.TiffFile(desk.folder / "labels.tif") as tiff:
        assert tiff.is_bigtiff
        assert len(tiff.pages) == 3
        assert all(page.is_tiled and page.compression != 1 for page in tiff.pages)


def test_time_points_of_volumes_have_four_coordinates(desk: Desk, expected: np.ndarray) -> None:
    film = np.stack([STACK[::-1], STACK])
    tifffile.imwrite(desk.folder / "film.tif", film, imagej=True, metadata={"axes": "TZYX"})
    desk.clicks.write_text(
        "axis-0,axis-1,axis-2,axis-3,object\n1,1,73,53,3\n1,1,60,106,7\n", encoding="utf-8"
    )
    labels = desk.segment(desk.folder / "film.tif")
    assert labels.shape == (6, *COINS.shape)
    assert not labels[:3].any()
    np.testing.assert_array_equal(labels[3:], expected)
    with open_image(desk.folder / "labels.tif") as image:
        assert (image.axes, image.full_shape) == ("TZYX", film.shape)
    # the objects of one volume are not followed into the next
    labels = desk.segment(desk.folder / "film.tif", propagate=True)
    assert not labels[:3].any()
    assert labels[4].any()


def test_the_table_says_what_the_labels_hold(desk: Desk) -> None:
    tifffile.imwrite(
        desk.folder / "stack.tif",
        STACK,
        imagej=True,
        photometric="minisblack",
        resolution=(2.0, 2.0),
        metadata={"axes": "ZYX", "unit": "um", "spacing": 3.0},
    )
    labels = desk.segment(desk.folder / "stack.tif", table=desk.folder / "objects.csv")
    with (desk.folder / "objects.csv").open(newline="") as file:
        rows = {int(row["object"]): row for row in csv.DictReader(file)}
    assert set(rows) == {3, 7}
    for label, row in rows.items():
        count = int((labels == label).sum())
        assert int(row["volume_px"]) == count
        assert float(row["volume"]) == pytest.approx(count * 0.5 * 0.5 * 3.0, rel=1e-3)
        rows_of, cols_of = np.nonzero(labels[1] == label)
        assert float(row["centroid_row"]) == pytest.approx(rows_of.mean(), abs=0.01)
        assert float(row["centroid_x"]) == pytest.approx(0.5 * cols_of.mean(), abs=0.01)
        assert 0 <= float(row["mean_uncertainty"]) <= 1
    with (desk.folder / "objects_slices.csv").open(newline="") as file:
        slices = list(csv.DictReader(file))
    assert {row["source"] for row in slices} == {"clicked"}


@pytest.mark.parametrize("output", ["labels.tif", "labels.ome.zarr"])
def test_a_cancelled_run_leaves_nothing(desk: Desk, output: str) -> None:
    tifffile.imwrite(
        desk.folder / "stack.tif", STACK, photometric="minisblack", metadata={"axes": "ZYX"}
    )
    before = {path.name for path in desk.folder.iterdir()}
    told: list[str] = []
    with pytest.raises(StoppedError, match="stopped; nothing was written"):
        desk.segment(
            desk.folder / "stack.tif",
            output,
            mode="class",
            table=None,
            on_progress=lambda stage, done, total: told.append(stage),
            is_cancelled=lambda: "segmenting" in told,
        )
    assert {path.name for path in desk.folder.iterdir()} == before


def test_an_error_in_the_middle_leaves_nothing(desk: Desk) -> None:
    path = desk.folder / "stack.tif"
    noise = np.random.default_rng(0).integers(0, 255, (9, 128, 192), np.uint8)
    tifffile.imwrite(
        path, noise, photometric="minisblack", metadata={"axes": "ZYX"}, compression="zlib"
    )
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[7].dataoffsets[0]
    content[offset : offset + 400] = b"\xff" * 400
    path.write_bytes(content)
    before = {path.name for path in desk.folder.iterdir()}
    with pytest.raises(UserError, match="at slice 7"):
        desk.segment(path, mode="class", preview=desk.folder / "overlay.png")
    assert {path.name for path in desk.folder.iterdir()} == before


def test_a_table_or_output_of_another_kind_is_refused(desk: Desk) -> None:
    tifffile.imwrite(
        desk.folder / "stack.tif", STACK, photometric="minisblack", metadata={"axes": "ZYX"}
    )
    with pytest.raises(UserError, match="class mode has none; leave the table out"):
        desk.segment(desk.folder / "stack.tif", mode="class", table=desk.folder / "objects.csv")
    with pytest.raises(OutputFileError, match=r"a name that ends in \.csv"):
        desk.segment(desk.folder / "stack.tif", table=desk.folder / "objects.xlsx")
    with pytest.raises(OutputFileError, match="is an input of this run"):
        desk.segment(desk.folder / "stack.tif", table=desk.clicks)


def test_a_negative_click_alone_corrects_what_was_carried_there(desk: Desk) -> None:
    rows, cols = np.ogrid[:128, :192]
    disk = (rows - 60) ** 2 + (cols - 80) ** 2 <= 25**2
    noise = np.random.default_rng(0).normal(0, 6, (4, 128, 192))
    write_stack(desk.folder / "stack.tif", (40 + 120 * disk + noise).astype(np.uint8))
    clicks = [Click(2, 60, 80, object_id=3)]
    write_clicks(desk.clicks, clicks, ndim=3)
    options = {"propagate": True, "model": "default"}
    before = desk.segment(desk.folder / "stack.tif", **options)
    assert all((page == 3).sum() > 1500 for page in before)
    write_clicks(desk.clicks, [*clicks, Click(1, 40, 80, False, 3)], ndim=3)
    after = desk.segment(desk.folder / "stack.tif", table=desk.folder / "o.csv", **options)
    assert (before[1, 40, 80], after[1, 40, 80]) == (3, 0)
    assert (after[1] == 3).sum() > 500
    np.testing.assert_array_equal(after[2:], before[2:])
    with (desk.folder / "o_slices.csv").open(newline="") as file:
        sources = [row["source"] for row in csv.DictReader(file)]
    assert sources == ["propagated", "clicked", "clicked", "propagated"]
