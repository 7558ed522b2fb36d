from __future__ import annotations

from typing import TYPE_CHECKING

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from skimage import data

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.images.open import open_image

if TYPE_CHECKING:
    from pathlib import Path

COINS = data.coins()


def numbered(*shape: int) -> np.ndarray:
    """An array in which no two pixels are equal."""
    return np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"bigtiff": True}])
def test_a_grey_tiff_is_one_slice(tmp_path: Path, options: dict) -> None:
    tifffile.imwrite(tmp_path / "coins.tif", COINS, **options)
    with open_image(tmp_path / "coins.tif") as image:
        assert (image.axes, image.shape, image.dtype) == ("YX", COINS.shape, np.uint8)
        np.testing.assert_array_equal(image.page(), COINS)
        np.testing.assert_array_equal(image[10:20, 5:9], COINS[10:20, 5:9])


@pytest.mark.parametrize(
    ("given", "seen", "options"),
    [
        ("ZYX", "ZYX", {}),
        ("TYX", "TYX", {"compression": "zlib"}),
        ("TYX", "TYX", {"imagej": True}),
        ("ZCYX", "ZYXC", {"imagej": True}),
        ("CYX", "YXC", {"imagej": True}),
        ("CZYX", "ZYXC", {"ome": True}),
        ("QYX", "QYX", {"byteorder": ">"}),
        ("ZYXS", "ZYXC", {"photometric": "rgb"}),
        ("YXS", "YXC", {"photometric": "rgb", "compression": "zlib"}),
        ("SYX", "YXC", {"photometric": "rgb", "planarconfig": "separate"}),
    ],
)
def test_axes_come_from_the_file(tmp_path: Path, given: str, seen: str, options: dict) -> None:
    sizes = {"Z": 5, "T": 5, "Q": 5, "C": 3, "S": 3, "Y": 24, "X": 32}
    array = numbered(*(sizes[axis] for axis in given)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "image.tif", array, metadata={"axes": given}, **options)
    order = [given.index(axis if axis in given else "S") for axis in seen]
    expected = array.transpose(order)
    with open_image(tmp_path / "image.tif") as image:
        assert (image.axes, image.shape) == (seen, expected.shape)
        pages = [image.page(z) for z in range(image.slices)]
        assert pages[0].dtype == np.dtype("=u2")
        np.testing.assert_array_equal(np.stack(pages).reshape(expected.shape), expected)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
@pytest.mark.parametrize("slices", [3, 4])
def test_slices_that_look_like_planes_of_colour_are_slices(
    tmp_path: Path, slices: int, options: dict
) -> None:
    # tifffile takes an array of three or four 8-bit planes for RGB, whatever its axes are called
    array = numbered(slices, 20, 30).astype(np.uint8)
    with pytest.warns(DeprecationWarning, match="photometric"):
        tifffile.imwrite(tmp_path / "image.tif", array, metadata={"axes": "TYX"}, **options)
    with open_image(tmp_path / "image.tif") as image:
        assert (image.axes, image.slices) == ("TYX", slices)
        np.testing.assert_array_equal(image[slices - 1], array[slices - 1])


def test_pages_without_metadata_are_slices(tmp_path: Path) -> None:
    array = numbered(7, 20, 30).astype(np.float32)
    with tifffile.TiffWriter(tmp_path / "image.tif") as tiff:
        for page in array:
            tiff.write(page, metadata=None, contiguous=False)
    with open_image(tmp_path / "image.tif") as image:
        assert image.axes == "IYX"
        np.testing.assert_array_equal(image[4], array[4])
        np.testing.assert_array_equal(image[4, 3:5, 6], array[4, 3:5, 6])


def test_an_array_stored_in_one_piece_is_read_slice_by_slice(tmp_path: Path) -> None:
    array = numbered(6, 20, 30)
    tifffile.imwrite(tmp_path / "image.tif", array, truncate=True, byteorder=">")
    with open_image(tmp_path / "image.tif") as image:
        assert image.slices == 6
        np.testing.assert_array_equal(image[5], array[5])


def test_alpha_is_no_channel(tmp_path: Path) -> None:
    rgba = numbered(20, 30, 4).astype(np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    iio.imwrite(tmp_path / "image.png", rgba)
    for name in ("image.tif", "image.png"):
        with open_image(tmp_path / name) as image:
            np.testing.assert_array_equal(image.page(), rgba[..., :3])


def test_a_png_and_its_pixel_size_are_read(tmp_path: Path) -> None:
    colour = data.immunohistochemistry()
    iio.imwrite(tmp_path / "ihc.png", colour, dpi=(300, 150))
    with open_image(tmp_path / "ihc.png") as image:
        assert (image.axes, image.shape) == ("YXC", colour.shape)
        np.testing.assert_array_equal(image.page(), colour)
        assert image.resolution.tag_unit == 2
        assert image.resolution.x is not None
        assert image.resolution.x[0] / image.resolution.x[1] == pytest.approx(300, rel=1e-3)


def test_frames_of_an_animation_are_slices(tmp_path: Path) -> None:
    frames = np.stack([np.full((20, 30), value, np.uint8) for value in (0, 100, 200)])
    iio.imwrite(tmp_path / "film.gif", frames)
    with open_image(tmp_path / "film.gif") as image:
        assert (image.slice_axes, image.slices) == ("T", 3)
        assert [int(image.page(z).max()) for z in range(3)] == [0, 100, 200]


def test_chosen_channels_are_kept(tmp_path: Path) -> None:
    array = numbered(4, 20, 30).astype(np.uint16)
    tifffile.imwrite(tmp_path / "image.tif", array, imagej=True, metadata={"axes": "CYX"})
    with open_image(tmp_path / "image.tif", channels=[2]) as image:
        assert image.axes == "YX"
        np.testing.assert_array_equal(image.page(), array[2])
    with open_image(tmp_path / "image.tif", channels=[3, 0]) as image:
        np.testing.assert_array_equal(image.page(), np.moveaxis(array[[3, 0]], 0, -1))
    with pytest.raises(ImageFileError, match=r"channels 0 to 3, not 4; choose"):
        open_image(tmp_path / "image.tif", channels=[4])


def test_an_absent_image_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=r"there is no image .*nothing\.tif; check"):
        open_image(tmp_path / "nothing.tif")
    with pytest.raises(ImageFileError, match=r"is a folder without TIFFs or pictures; give"):
        open_image(tmp_path)


@pytest.mark.parametrize("name", ["image.tif", "image.png", "image.csv"])
@pytest.mark.parametrize("content", [b"", b"II*\0", b"no image at all"])
def test_what_is_no_image_is_reported(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageFileError, match=r"cannot read|is empty"):
        open_image(tmp_path / name)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("metadata", [None, {"axes": "ZYX"}])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_stack_cut_short_is_reported(
    tmp_path: Path, compression: str | None, metadata: dict | None, share: float
) -> None:
    path = tmp_path / "image.tif"
    rng = np.random.default_rng(0)
    pages = rng.integers(0, 255, (10, 64, 64), np.uint8)
    tifffile.imwrite(path, pages, compression=compression, metadata=metadata)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageFileError, match=r"cannot read .*; it may be damaged") as caught:
        read_all(path)
    assert "\n" not in str(caught.value)


def read_all(path: Path) -> None:
    with open_image(path) as image:
        for z in range(image.slices):
            image.page(z)


def test_two_axes_of_channels_are_reported(tmp_path: Path) -> None:
    array = numbered(2, 20, 30, 3).astype(np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", array, photometric="rgb", metadata={"axes": "CYXS"})
    with pytest.raises(ImageFileError, match=r"axes CYXS \(2, 20, 30, 3\).*; name its axes"):
        open_image(tmp_path / "image.tif")


def test_complex_pixels_are_reported(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", np.ones((20, 30), np.complex64))
    with pytest.raises(ImageFileError, match=r"complex64; save it as integers or floats"):
        open_image(tmp_path / "image.tif")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_picture_cut_short_is_reported(tmp_path: Path, share: float) -> None:
    path = tmp_path / "image.png"
    iio.imwrite(path, COINS)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageFileError, match=r"cannot read .*; .*copy it again"):
        read_all(path)
