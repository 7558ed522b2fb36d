from __future__ import annotations

import subprocess
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.images.open import open_image

if TYPE_CHECKING:
    from pathlib import Path

MICRO = {"type": "space", "unit": "micrometer"}
AXES: dict[str, dict[str, str]] = {
    "t": {"name": "t", "type": "time", "unit": "second"},
    "c": {"name": "c", "type": "channel"},
    "z": {"name": "z", **MICRO},
    "y": {"name": "y", **MICRO},
    "x": {"name": "x", **MICRO},
}


def numbered(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)


def write_image(group: zarr.Group, array: np.ndarray, axes: str, scale: list[float]) -> None:
    """Write an OME-Zarr image of two levels, the coarse one listed first."""
    fine = [{"type": "scale", "scale": scale}]
    coarse = [{"type": "scale", "scale": [*scale[:-2], 2 * scale[-2], 2 * scale[-1]]}]
    chunks = (*(1,) * (array.ndim - 2), 16, 16)
    group.create_array("fine", data=array, chunks=chunks)
    group.create_array("coarse", data=array[..., ::2, ::2], chunks=chunks)
    multiscales = [
        {
            "axes": [AXES[axis] for axis in axes],
            "datasets": [
                {"path": "coarse", "coordinateTransformations": coarse},
                {"path": "fine", "coordinateTransformations": fine},
            ],
        }
    ]
    if group.metadata.zarr_format == 2:
        group.attrs["multiscales"] = [{"version": "0.4", **multiscales[0]}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("shape", "axes"), [((40, 50), "YX"), ((4, 40, 50), "ZYX"), ((4, 40, 50, 3), "ZYXC")]
)
def test_axes_of_a_plain_array_are_guessed(
    tmp_path: Path, version: int, shape: tuple[int, ...], axes: str
) -> None:
    array = numbered(*shape)
    path = tmp_path / "array.zarr"
    zarr.create_array(str(path), data=array, chunks=(16,) * array.ndim, zarr_format=version)
    with open_image(path) as image:
        assert (image.axes, image.shape, image.dtype) == (axes, shape, np.uint32)
        rows, columns = slice(3, 30, 4), slice(45, 5, -3)
        expected = array if array.ndim == 2 else array[image.slices - 1]
        part = image.read(image.slices - 1, rows, columns)
        np.testing.assert_array_equal(part, expected[rows, columns])


def test_an_array_may_name_its_axes(tmp_path: Path) -> None:
    array = numbered(3, 20, 30)
    names = ["channel", "y", "x"]
    zarr.create_array(str(tmp_path / "three.zarr"), data=array, dimension_names=names)
    two = zarr.create_array(str(tmp_path / "two.zarr"), data=array, zarr_format=2)
    two.attrs["_ARRAY_DIMENSIONS"] = names
    for name in ("three.zarr", "two.zarr"):
        with open_image(tmp_path / name) as image:
            assert (image.axes, image.shape) == ("YXC", (20, 30, 3))
            np.testing.assert_array_equal(image.page(), np.moveaxis(array, 0, -1))


@pytest.mark.parametrize("given", ["TZYX", "ZTYX", "CZYX", "YXZC", "zcyx"])
def test_given_axes_decide(tmp_path: Path, given: str) -> None:
    array = numbered(2, 3, 4, 5)
    zarr.create_array(str(tmp_path / "array.zarr"), data=array)
    with open_image(tmp_path / "array.zarr", axes=given) as image:
        expected = array.transpose([given.upper().index(axis) for axis in image.axes])
        assert image.full_shape == expected.shape
        pages = np.stack([image.page(z) for z in range(image.slices)])
    np.testing.assert_array_equal(pages.reshape(expected.shape), expected)


def test_axes_that_cannot_be_guessed_are_asked_for(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "array.zarr"), data=numbered(2, 3, 4, 5, 6))
    with pytest.raises(ImageFileError, match=r"shape \(2, 3, 4, 5, 6\).*; name them"):
        open_image(tmp_path / "array.zarr")
    with pytest.raises(ImageFileError, match=r"the 3 axes ZYX do not fit; give 5 letters"):
        open_image(tmp_path / "array.zarr", axes="ZYX")


@pytest.mark.parametrize("version", [2, 3])
def test_an_ome_image_is_read_at_full_resolution(tmp_path: Path, version: int) -> None:
    array = numbered(2, 3, 4, 40, 50)
    group = zarr.create_group(str(tmp_path / "image.zarr"), zarr_format=version)
    write_image(group, array, "tczyx", [5.0, 1.0, 2.0, 0.5, 0.25])
    group.create_group("labels")
    expected = array.transpose(0, 2, 3, 4, 1)
    with open_image(tmp_path / "image.zarr") as image:
        assert (image.axes, image.full_shape) == ("TZYXC", expected.shape)
        pages = np.stack([image.page(z) for z in range(image.slices)])
        resolution = image.resolution
    np.testing.assert_array_equal(pages.reshape(expected.shape), expected)
    assert (resolution.x, resolution.y, resolution.unit) == ((4, 1), (2, 1), "um")
    assert (resolution.spacing, resolution.interval) == (2.0, 5.0)
    with open_image(tmp_path / "image.zarr", channels=[2, 0]) as image:
        np.testing.assert_array_equal(image.page(5), expected[1, 1][..., [2, 0]])


@pytest.mark.parametrize("version", [2, 3])
def test_a_converted_file_of_several_images_is_a_series(tmp_path: Path, version: int) -> None:
    root = zarr.create_group(str(tmp_path / "image.zarr"), zarr_format=version)
    layout: dict[str, Any] = {"bioformats2raw.layout": 3}
    root.attrs.update(layout if version == 2 else {"ome": {"version": "0.5", **layout}})
    arrays = [numbered(3, 20, 30), numbered(10, 12)]
    for number, array in enumerate(arrays):
        axes = "zyx"[-array.ndim :]
        write_image(root.create_group(str(number)), array, axes, [1.0] * array.ndim)
    for number, array in enumerate(arrays):
        with open_image(tmp_path / "image.zarr", series=number) as image:
            assert image.shape == array.shape
            last = image.page(image.slices - 1)
            np.testing.assert_array_equal(last, array if array.ndim == 2 else array[-1])
    with pytest.raises(ImageFileError, match=r"no series 2, but 0: 0, 1: 1; choose"):
        open_image(tmp_path / "image.zarr", series=2)


def test_a_zip_store_is_read(tmp_path: Path) -> None:
    array = numbered(3, 20, 30)
    store = zarr.storage.ZipStore(tmp_path / "image.zip", mode="w")
    with warnings.catch_warnings():
        # zarr writes the header of a group twice
        warnings.simplefilter("ignore")
        write_image(zarr.create_group(store), array, "zyx", [1.0, 1.0, 1.0])
    store.close()
    with open_image(tmp_path / "image.zip") as image:
        np.testing.assert_array_equal(image.page(2), array[2])


def test_a_store_without_an_image_is_reported(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "image.zarr"))
    group.create_group("inside")
    with pytest.raises(ImageFileError, match=r"holds no image, but \['inside'\]; give"):
        open_image(tmp_path / "image.zarr")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"zarr_format": 9}', '{"zarr_format": 3}'])
def test_a_damaged_store_is_reported(tmp_path: Path, content: str) -> None:
    zarr.create_array(str(tmp_path / "image.zarr"), data=numbered(4, 20, 30))
    (tmp_path / "image.zarr" / "zarr.json").write_text(content)
    with pytest.raises(ImageFileError, match=r"cannot read .*; .*copy it again") as caught:
        open_image(tmp_path / "image.zarr")
    assert "\n" not in str(caught.value)


def test_a_damaged_chunk_is_reported(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "image.zarr"), data=numbered(4, 20, 30), chunks=(1, 20, 30))
    for chunk in (tmp_path / "image.zarr" / "c" / "2").rglob("0"):
        if chunk.is_file():
            chunk.write_bytes(b"no chunk at all")
    with open_image(tmp_path / "image.zarr") as image:
        image.page(1)
        with pytest.raises(ImageFileError, match=r"cannot read .* at slice 2"):
            image.page(2)


def test_complex_pixels_are_reported(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "image.zarr"), data=np.ones((4, 5), np.complex64))
    with pytest.raises(ImageFileError, match="complex64; save it as integers or floats"):
        open_image(tmp_path / "image.zarr")


def test_zarr_is_imported_only_for_zarr(tmp_path: Path) -> None:
    code = (
        "import sys, napari_gpcis.io.images.stack, napari_gpcis.io.images.tiff\n"
        "print('zarr' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_zip_of_something_else_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("day 1/a.tif", b"II*\0")
    complaint = r"is a zip file of day 1/a\.tif, not of zarr; unpack it"
    with pytest.raises(ImageFileError, match=complaint):
        open_image(tmp_path / "images.zip")
    (tmp_path / "images.zip").write_bytes(b"no zip at all")
    with pytest.raises(ImageFileError, match=r"cannot read .*images\.zip"):
        open_image(tmp_path / "images.zip")
