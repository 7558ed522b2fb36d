from __future__ import annotations

import gc
import tracemalloc
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_gpcis.io.errors import OutputFileError
from napari_gpcis.io.files import content_digest
from napari_gpcis.io.images.open import open_image
from napari_gpcis.io.images.resolution import Resolution
from napari_gpcis.io.labels.encode import encode_page
from napari_gpcis.io.labels.writer import label_writer

if TYPE_CHECKING:
    from pathlib import Path

LABELS = np.random.default_rng(0).integers(0, 9, (5, 40, 50)).astype(np.uint16)


def stack(axes: str, shape: tuple[int, ...], rows: int = 40, columns: int = 50) -> SimpleNamespace:
    """Stand in for an ImageStack."""
    return SimpleNamespace(
        slice_axes=axes,
        slice_shape=shape,
        slices=int(np.prod(shape)),
        rows=rows,
        columns=columns,
        resolution=Resolution(x=(4, 1), y=(5, 1), unit="um", spacing=0.75, interval=2.5),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def label_like(image_path: Path, output: Path, highest: int = 9) -> None:
    """Write LABELS, as many slices as the image has, for an image."""
    with open_image(image_path) as image, label_writer(output, image, highest) as writer:
        for z in range(image.slices):
            writer.write(LABELS[z])


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "QYX", "YX"])
def test_labels_have_the_axes_of_the_image(tmp_path: Path, folder: Path, axes: str) -> None:
    array = LABELS[0] if axes == "YX" else LABELS
    tifffile.imwrite(tmp_path / "image.tif", array, metadata={"axes": axes})
    label_like(tmp_path / "image.tif", folder / "labels.tif")
    with tifffile.TiffFile(folder / "labels.tif") as tiff:
        assert tiff.series[0].axes == axes
        np.testing.assert_array_equal(tiff.asarray(), array)


@pytest.mark.parametrize(
    ("axes", "shape"), [("TZ", (2, 3)), ("QZ", (2, 3)), ("TQZ", (2, 3, 2)), ("T", (4,))]
)
def test_several_axes_of_slices_are_kept(folder: Path, axes: str, shape: tuple[int, ...]) -> None:
    stacked = np.resize(LABELS, (*shape, 40, 50))
    with label_writer(folder / "labels.tif", stack(axes, shape), 9) as writer:
        for page in stacked.reshape(-1, 40, 50):
            writer.write(page)
    with tifffile.TiffFile(folder / "labels.tif") as tiff:
        (series,) = tiff.series
        assert (series.axes, series.shape) == (f"{axes}YX", stacked.shape)
        np.testing.assert_array_equal(series.asarray(), stacked)


def test_a_hyperstack_is_read_again_with_its_resolution(folder: Path) -> None:
    with label_writer(folder / "labels.tif", stack("TZ", (2, 2)), 9) as writer:
        for page in LABELS[:4]:
            writer.write(page)
    with open_image(folder / "labels.tif") as labels:
        assert labels.full_shape == (2, 2, 40, 50)
        assert labels.axes == "TZYX"
        assert labels.resolution == stack("TZ", (2, 2)).resolution
        for z in range(4):
            np.testing.assert_array_equal(labels.page(z), LABELS[z])


def test_labels_are_a_big_tiff_of_compressed_tiles(folder: Path) -> None:
    page = np.zeros((1000, 530), np.uint16)
    page[900:, 500:] = 7
    with label_writer(folder / "labels.tif", stack("", (), 1000, 530), 9) as writer:
        writer.write(page)
    with tifffile.TiffFile(folder / "labels.tif") as tiff:
        assert tiff.is_bigtiff
        assert tiff.pages.first.tile == (512, 512)
        assert tiff.pages.first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        # no reader has to know about tiles that are left out
        assert min(tiff.pages.first.databytecounts) > 0
        np.testing.assert_array_equal(tiff.asarray(), page)


def test_encoded_pages_give_the_file_that_arrays_give(folder: Path) -> None:
    forms = {
        "arrays": lambda page: page,
        "encoded": lambda page: encode_page(page, np.uint16),
        "other tiles": lambda page: encode_page(page, np.uint16, 16),
        "another type": lambda page: encode_page(page, np.uint32),
    }
    digests = set()
    for name, form in forms.items():
        with label_writer(folder / f"{name}.tif", stack("Z", (5,)), 9) as writer:
            for page in LABELS:
                writer.write(form(page))
        np.testing.assert_array_equal(tifffile.imread(folder / f"{name}.tif"), LABELS)
        digests.add(content_digest(folder / f"{name}.tif"))
    assert len(digests) == 1


@pytest.mark.parametrize("shape", [(40, 51), (50, 40), (2000,)])
def test_pages_of_another_size_are_refused(folder: Path, shape: tuple[int, ...]) -> None:
    with (
        pytest.raises(ValueError, match="expected labels of shape"),
        label_writer(folder / "labels.tif", stack("Z", (1,)), 9) as writer,
    ):
        writer.write(np.zeros(shape, np.uint16))
    assert list(folder.iterdir()) == []


def test_memory_does_not_grow_with_pages(folder: Path) -> None:
    page = encode_page(LABELS[0], np.uint16)
    traced = []
    tracemalloc.start()
    try:
        with label_writer(folder / "labels.tif", stack("Z", (300,)), 9) as writer:
            for z in range(300):
                writer.write(page)
                if z in (50, 299):
                    gc.collect()
                    traced.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert traced[1] - traced[0] < 2000


def test_more_than_65535_objects_need_32_bits(tmp_path: Path, folder: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", LABELS, metadata={"axes": "ZYX"})
    for highest, dtype in ((65535, np.uint16), (65536, np.uint32)):
        label_like(tmp_path / "image.tif", folder / "labels.tif", highest)
        assert tifffile.imread(folder / "labels.tif").dtype == dtype


def test_tiff_resolution_is_kept(tmp_path: Path, folder: Path) -> None:
    tifffile.imwrite(
        tmp_path / "image.tif", LABELS[0], resolution=((25, 7), (3, 1)), resolutionunit="CENTIMETER"
    )
    label_like(tmp_path / "image.tif", folder / "labels.tif")
    with tifffile.TiffFile(folder / "labels.tif") as tiff:
        tags = tiff.pages.first.tags
        assert tags["XResolution"].value == (25, 7)
        assert tags["YResolution"].value == (3, 1)
        assert tags["ResolutionUnit"].value == 3


def test_an_image_without_resolution_gets_none(tmp_path: Path, folder: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", LABELS[0], metadata=None)
    with open_image(tmp_path / "image.tif") as image:
        image.resolution = type(image.resolution)()
        with label_writer(folder / "labels.tif", image, 9) as writer:
            writer.write(LABELS[0])
    with open_image(folder / "labels.tif") as labels:
        assert labels.resolution.unit == ""


@pytest.mark.parametrize(
    ("axes", "spacing"), [("ZYX", {"spacing": 0.75}), ("TYX", {"finterval": 2.5})]
)
def test_imagej_unit_and_spacing_are_kept(
    tmp_path: Path, folder: Path, axes: str, spacing: dict
) -> None:
    tifffile.imwrite(
        tmp_path / "image.tif",
        LABELS,
        imagej=True,
        resolution=(4.0, 5.0),
        metadata={"axes": axes, "unit": "micron", **spacing},
    )
    label_like(tmp_path / "image.tif", folder / "labels.tif")
    with tifffile.TiffFile(folder / "labels.tif") as tiff:
        assert tiff.series[0].axes == axes
        assert tiff.imagej_metadata is not None
        assert tiff.imagej_metadata["unit"] == "micron"
        assert spacing.items() <= tiff.imagej_metadata.items()
        assert tiff.pages.first.tags["XResolution"].value == (4, 1)
        assert tiff.pages.first.tags["YResolution"].value == (5, 1)


def test_ome_pixel_size_is_kept(tmp_path: Path, folder: Path) -> None:
    size = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.2}
    tifffile.imwrite(
        tmp_path / "image.ome.tif",
        LABELS,
        metadata={"axes": "ZYX", "PhysicalSizeZ": 1.5, "PhysicalSizeYUnit": "µm", **size},
    )
    label_like(tmp_path / "image.ome.tif", folder / "labels.tif")
    with open_image(folder / "labels.tif") as labels:
        assert labels.axes == "ZYX"
        assert labels.resolution.x == (4, 1)
        assert labels.resolution.y == (5, 1)
        assert labels.resolution.unit == "um"
        assert labels.resolution.spacing == 1.5


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_of_labels_that_were_interrupted(
    tmp_path: Path, folder: Path, stop: type[BaseException]
) -> None:
    tifffile.imwrite(tmp_path / "image.tif", LABELS, metadata={"axes": "ZYX"})
    (folder / "labels.tif").write_text("older result")
    with (
        open_image(tmp_path / "image.tif") as image,
        pytest.raises(stop),
        label_writer(folder / "labels.tif", image, 9) as writer,
    ):
        writer.write(LABELS[0])
        raise stop
    assert [path.name for path in folder.iterdir()] == ["labels.tif"]
    assert (folder / "labels.tif").read_text() == "older result"


def test_unfinished_labels_do_not_appear(tmp_path: Path, folder: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", LABELS, metadata={"axes": "ZYX"})
    with (
        open_image(tmp_path / "image.tif") as image,
        pytest.raises(ValueError, match="expected 5 slices, got 1"),
        label_writer(folder / "labels.tif", image, 9) as writer,
    ):
        writer.write(LABELS[0])
    assert list(folder.iterdir()) == []


def test_an_unwritable_place_is_found_before_the_work(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", LABELS[0])
    worked = False
    for place, complaint in (
        (tmp_path / "none" / "labels.tif", "there is no folder .*; make it or choose"),
        (tmp_path, "it is a folder; give the name of a file"),
        (tmp_path / "image.tif" / "labels.tif", "there is no folder"),
    ):
        with (
            open_image(tmp_path / "image.tif") as image,
            pytest.raises(OutputFileError, match=complaint),
            label_writer(place, image, 9),
        ):
            worked = True
    assert not worked


def test_a_full_disk_is_reported(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    tifffile.imwrite(tmp_path / "image.tif", LABELS[0])
    monkeypatch.setattr(tifffile.TiffWriter, "write", refuse)
    with pytest.raises(OutputFileError, match="No space left on device; choose a folder"):
        label_like(tmp_path / "image.tif", folder / "labels.tif")
    assert list(folder.iterdir()) == []


def test_a_link_leads_to_the_file_that_is_replaced(tmp_path: Path, folder: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", LABELS[0])
    (tmp_path / "link.tif").symlink_to(folder / "labels.tif")
    label_like(tmp_path / "image.tif", tmp_path / "link.tif")
    assert (tmp_path / "link.tif").is_symlink()
    np.testing.assert_array_equal(tifffile.imread(folder / "labels.tif"), LABELS[0])
