from __future__ import annotations

from typing import TYPE_CHECKING

import imageio.v3 as iio
import numpy as np
import psutil
import pytest
import tifffile

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.images.open import open_image

if TYPE_CHECKING:
    from pathlib import Path


def pages_of(count: int, *shape: int) -> np.ndarray:
    return np.arange(count * np.prod(shape)).reshape(count, *shape).astype(np.uint8)


def write(folder: Path, pages: np.ndarray, suffix: str = ".tif") -> None:
    for number, page in enumerate(pages):
        if suffix == ".tif":
            kind = "rgb" if page.ndim == 3 else "minisblack"
            tifffile.imwrite(folder / f"page{number}.tif", page, photometric=kind)
        else:
            iio.imwrite(folder / f"page{number}{suffix}", page)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
def test_files_are_slices_in_natural_order(
    tmp_path: Path, suffix: str, shape: tuple[int, ...]
) -> None:
    pages = pages_of(12, *shape)
    write(tmp_path, pages, suffix)
    with open_image(tmp_path) as image:
        assert (image.axes, image.shape) == ("ZYXC"[: 2 + len(shape) - 1], pages.shape)
        assert image.is_rgb == (len(shape) == 3)
        np.testing.assert_array_equal(np.stack([image.page(z) for z in range(12)]), pages)
        np.testing.assert_array_equal(image[3, 5:9, ::-2], pages[3, 5:9, ::-2])


def test_files_may_be_time_points(tmp_path: Path) -> None:
    write(tmp_path, pages_of(3, 20, 30))
    with open_image(tmp_path, axes="tyx") as image:
        assert (image.axes, image.slice_shape) == ("TYX", (3,))
    with pytest.raises(ImageFileError, match=r"3 files with the axes YX .*; give ZYX, TYX"):
        open_image(tmp_path, axes="TZYX")
    with pytest.raises(ImageFileError, match=r"which do not make YX; give ZYX"):
        open_image(tmp_path, axes="YX")


def test_what_is_no_image_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, pages_of(3, 20, 30))
    for name in (".hidden.tif", "clicks.csv", "notes.txt", "Thumbs.db"):
        (tmp_path / name).write_text("no image")
    (tmp_path / "deeper").mkdir()
    with open_image(tmp_path) as image:
        assert image.shape == (3, 20, 30)


def test_one_file_is_a_2d_image(tmp_path: Path) -> None:
    pages = pages_of(1, 20, 30)
    write(tmp_path, pages)
    for axes in (None, "YX", "ZYX"):
        with open_image(tmp_path, axes=axes) as image:
            assert (image.axes, image.spatial_ndim) == ("YX", 2)
            np.testing.assert_array_equal(image[2:], pages[0, 2:])


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_the_first_page_that_differs_is_named(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, pages_of(12, 20, 30), suffix)
    for number in (10, 11):
        odd = np.zeros((20, 31), np.uint8)
        iio.imwrite(tmp_path / f"page{number}{suffix}", odd)
    with pytest.raises(ImageFileError, match=r"page10\.\w+ has the shape \(20, 31\).*; move"):
        open_image(tmp_path)


def test_pages_stored_in_another_way_are_alike(tmp_path: Path) -> None:
    pages = pages_of(3, 20, 30)
    write(tmp_path, pages)
    tifffile.imwrite(tmp_path / "page1.tif", pages[1], compression="zlib", byteorder=">")
    with open_image(tmp_path) as image:
        np.testing.assert_array_equal(image.page(1), pages[1])


def test_stacks_among_the_pages_are_reported(tmp_path: Path) -> None:
    write(tmp_path, pages_of(3, 20, 30))
    stack = pages_of(2, 20, 30)
    tifffile.imwrite(tmp_path / "page1.tif", stack, photometric="minisblack")
    with pytest.raises(ImageFileError, match=r"page1\.tif has 2 slices; a folder of pages"):
        open_image(tmp_path)


def test_a_folder_of_two_kinds_is_reported(tmp_path: Path) -> None:
    write(tmp_path, pages_of(2, 20, 30))
    write(tmp_path, pages_of(2, 20, 30), ".png")
    with pytest.raises(ImageFileError, match=r"holds TIFFs .* and pictures .*; leave one kind"):
        open_image(tmp_path)


def test_a_page_that_breaks_later_is_named(tmp_path: Path) -> None:
    write(tmp_path, pages_of(3, 20, 30))
    with open_image(tmp_path) as image:
        (tmp_path / "page1.tif").write_bytes(b"II*\0")
        with pytest.raises(ImageFileError, match=r"page1\.tif"):
            image.page(1)
        image.page(2)


def test_one_file_is_open_at_a_time(tmp_path: Path) -> None:
    write(tmp_path, pages_of(12, 20, 30))
    with open_image(tmp_path) as image:
        for z in range(12):
            image.page(z)
            opened = [file.path for file in psutil.Process().open_files()]
            assert len([path for path in opened if str(tmp_path) in path]) <= 1
