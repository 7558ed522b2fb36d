from __future__ import annotations

import os
import struct
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.images.open import open_image

GREY: dict[str, Any] = {"photometric": "minisblack"}
RGB: dict[str, Any] = {"photometric": "rgb"}
REGIONS = [
    (slice(None), slice(None)),
    (slice(10, 50), slice(90, 101)),
    (slice(0, 120, 7), slice(3, 150, 11)),
    (slice(119, None), slice(-1, None)),
    (slice(None, None, -5), slice(140, 10, -3)),
    (slice(7, 7), slice(0, 5)),
]


def numbered(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)


@pytest.mark.parametrize(
    ("axes", "options"),
    [
        ("ZYX", GREY),
        ("ZYX", {**GREY, "byteorder": ">"}),
        ("ZYX", {**GREY, "compression": "zlib", "rowsperstrip": 17}),
        ("ZYX", {**GREY, "compression": "lzw", "predictor": True}),
        ("ZYX", {**GREY, "tile": (32, 48)}),
        ("ZYX", {**GREY, "tile": (32, 48), "compression": "zlib", "byteorder": ">"}),
        ("ZYX", {**GREY, "compression": "zstd", "metadata": None}),
        ("ZYXS", RGB),
        ("ZYXS", {**RGB, "tile": (16, 16), "compression": "zlib"}),
        ("ZSYX", {**RGB, "planarconfig": "separate", "compression": "zlib", "rowsperstrip": 11}),
        ("ZSYX", {**RGB, "planarconfig": "separate", "tile": (32, 32)}),
        ("ZCYX", {"imagej": True}),
        ("CZYX", {"ome": True, "tile": (64, 64), "compression": "zlib"}),
    ],
)
@pytest.mark.parametrize("channels", [None, [2, 0]])
def test_a_region_is_what_it_is_in_the_whole_array(
    tmp_path: Path, axes: str, options: dict, channels: list[int] | None
) -> None:
    sizes = {"Z": 2, "C": 3, "S": 3, "Y": 120, "X": 150}
    array = numbered(*(sizes[axis] for axis in axes)).astype(np.uint16)
    write = {"metadata": {"axes": axes}, **options}
    tifffile.imwrite(tmp_path / "image.tif", array, **write)
    colour = "S" if "S" in axes else "C"
    order = "ZYX" + (colour if colour in axes else "")
    expected = array.transpose([axes.index(axis) for axis in order])
    if channels and expected.ndim == 4:
        expected = expected[..., channels]
    with open_image(tmp_path / "image.tif", channels if expected.ndim == 4 else None) as image:
        assert image.shape == expected.shape
        for rows, columns in REGIONS:
            part = image.read(1, rows, columns)
            np.testing.assert_array_equal(part, expected[1][rows, columns])
            np.testing.assert_array_equal(image[1, rows, columns], expected[1][rows, columns])
        np.testing.assert_array_equal(image[0, -3], expected[0, -3])
        assert image[1, 5, 6].tolist() == expected[1, 5, 6].tolist()
        if expected.ndim == 4:
            np.testing.assert_array_equal(image[1, :9, :, 1], expected[1, :9, :, 1])
            np.testing.assert_array_equal(image[1, :9, :, 1:], expected[1, :9, :, 1:])


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"tile": (256, 256), "compression": "zlib"}, 4e6),
        ({"rowsperstrip": 16, "compression": "zlib"}, 4e6),
        ({}, 4e6),
        ({"tile": (256, 256)}, 4e6),
    ],
)
def test_a_sample_of_a_large_page_takes_the_memory_of_a_few_segments(
    tmp_path: Path, options: dict, most: float
) -> None:
    size = 6000
    page = np.zeros((size, size), np.uint8)
    page[::40, ::40] = numbered(150, 150) % 251
    tifffile.imwrite(tmp_path / "image.tif", page, **GREY, **options)
    with open_image(tmp_path / "image.tif") as image:
        tracemalloc.start()
        sample = image.read(0, slice(0, size, 40), slice(0, size, 40))
        corner = image[5000:5100, 5900:6000]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    np.testing.assert_array_equal(sample, page[::40, ::40])
    np.testing.assert_array_equal(corner, page[5000:5100, 5900:6000])
    assert peak < most


def test_a_page_in_one_huge_strip_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = np.tile(np.arange(250, dtype=np.uint8), (9000, 36))
    tifffile.imwrite(tmp_path / "image.tif", page, **GREY, compression="zlib", rowsperstrip=9000)
    with open_image(tmp_path / "image.tif") as image:
        from napari_gpcis.io.images import tiff_regions

        decoded = []
        decode = tiff_regions._decode

        def counting(*given: Any) -> Any:
            decoded.append(given)
            return decode(*given)

        monkeypatch.setattr(tiff_regions, "_decode", counting)
        for row in range(0, 9000, 1000):
            part = image.read(0, slice(row, row + 10), slice(50, 60))
            np.testing.assert_array_equal(part, page[row : row + 10, 50:60])
    assert len(decoded) == 1


@pytest.mark.parametrize(
    ("order", "options"),
    [
        ("TZCYX", {"imagej": True}),
        ("TZCYX", {"ome": True}),
        ("TCZYX", {"ome": True, "compression": "zlib"}),
        ("CTZYX", {"ome": True}),
        ("ZTCYX", {**GREY, "compression": "zlib"}),
        ("ZTCYX", GREY),
    ],
)
def test_time_comes_before_depth_whatever_the_storage_order(
    tmp_path: Path, order: str, options: dict
) -> None:
    sizes = {"T": 3, "Z": 4, "C": 2, "Y": 20, "X": 30}
    array = numbered(*(sizes[axis] for axis in order)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "image.tif", array, metadata={"axes": order}, **options)
    expected = array.transpose([order.index(axis) for axis in "TZYXC"])
    with open_image(tmp_path / "image.tif") as image:
        assert (image.slice_axes, image.slice_shape, image.slices) == ("TZ", (3, 4), 12)
        assert (image.axes, image.full_shape) == ("TZYXC", (3, 4, 20, 30, 2))
        assert (image.shape, image.ndim, image.spatial_ndim) == ((12, 20, 30, 2), 4, 4)
        assert image.volume_of(6) == range(4, 8)
        pages = [image.page(z) for z in range(12)]
    np.testing.assert_array_equal(np.stack(pages).reshape(expected.shape), expected)


def test_axes_of_one_element_vanish(tmp_path: Path) -> None:
    array = numbered(1, 5, 1, 20, 30)
    tifffile.imwrite(tmp_path / "image.tif", array, **GREY, metadata={"axes": "TZCYX"})
    with open_image(tmp_path / "image.tif") as image:
        assert (image.axes, image.shape) == ("ZYX", (5, 20, 30))


@pytest.mark.parametrize(
    ("given", "seen", "options"),
    [
        ("ZYX", "ZYX", {}),
        ("tyx", "TYX", {}),
        ("CYX", "YXC", {"compression": "zlib"}),
        ("SYX", "YXC", {}),
        ("YXC", "YXC", {}),
        ("XYZ", "ZYX", {}),
    ],
)
def test_given_axes_override_those_of_the_file(
    tmp_path: Path, given: str, seen: str, options: dict
) -> None:
    array = numbered(5, 20, 30)
    tifffile.imwrite(tmp_path / "image.tif", array, **GREY, metadata={"axes": "QYX"}, **options)
    stored = given.upper().replace("S", "C")
    expected = array.transpose([stored.index(axis) for axis in seen])
    with open_image(tmp_path / "image.tif", axes=given) as image:
        assert (image.axes, image.shape) == (seen, expected.shape)
        pages = [image.page(z) for z in range(image.slices)]
        np.testing.assert_array_equal(np.stack(pages).reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("axes", "complaint"),
    [
        ("TZYX", r"shape \(5, 20, 30\), which the 4 axes TZYX do not fit; give 3"),
        ("ZZX", "do not name Y and X once each; give one letter"),
        ("YXYX", "do not name Y and X once each"),
        ("ZZYX", "name an axis twice"),
        ("CSYX", "name two axes of channels"),
        ("Z-YX", "are not letters"),
    ],
)
def test_axes_that_do_not_fit_are_reported(tmp_path: Path, axes: str, complaint: str) -> None:
    tifffile.imwrite(tmp_path / "image.tif", numbered(5, 20, 30), **GREY)
    with pytest.raises(ImageFileError, match=complaint):
        open_image(tmp_path / "image.tif", axes=axes)


def test_a_series_is_chosen_by_its_number(tmp_path: Path) -> None:
    first, second = numbered(4, 20, 30), numbered(8, 9)
    with tifffile.TiffWriter(tmp_path / "image.tif") as writer:
        writer.write(first, **GREY, metadata={"axes": "ZYX"})
        writer.write(second, **GREY)
    with open_image(tmp_path / "image.tif") as image:
        assert image.shape == first.shape
    with open_image(tmp_path / "image.tif", series=1) as image:
        np.testing.assert_array_equal(image.page(), second)
    with pytest.raises(ImageFileError, match=r"no series 2, but 0: ZYX .4, 20, 30., 1: YX .8, 9."):
        open_image(tmp_path / "image.tif", series=2)


@pytest.mark.parametrize("ome", [False, True])
def test_levels_of_a_pyramid_are_no_slices(tmp_path: Path, ome: bool) -> None:
    array = numbered(3, 64, 96).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "image.tif", ome=ome) as writer:
        options = {**GREY, "tile": (32, 32), "compression": "zlib"}
        writer.write(array, subifds=1, metadata={"axes": "ZYX"}, **options)
        writer.write(array[:, ::2, ::2], subfiletype=1, **options)
    with open_image(tmp_path / "image.tif") as image:
        assert image.shape == array.shape
        np.testing.assert_array_equal(image.page(2), array[2])


def test_pages_that_are_stored_differently_stay_one_stack(tmp_path: Path) -> None:
    pages = numbered(12, 40, 50).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "image.tif") as writer:
        for z, page in enumerate(pages):
            rows = {"rowsperstrip": 7} if z % 3 == 0 else {}
            compression = {"compression": "zlib"} if z % 4 == 2 else {}
            writer.write(page, **GREY, metadata=None, contiguous=False, **rows, **compression)
    with open_image(tmp_path / "image.tif") as image:
        assert image.shape == pages.shape
        np.testing.assert_array_equal(np.stack([image.page(z) for z in range(12)]), pages)


def ome_set(folder: Path) -> np.ndarray:
    """Write two files of a stack of six slices, with the header in each."""
    array = numbered(6, 20, 30).astype(np.uint16)
    names = ["first.ome.tif", "second.ome.tif"]
    planes = "".join(
        f'<TiffData FirstZ="{z}" FirstC="0" FirstT="0" IFD="{z % 3}" PlaneCount="1">'
        f'<UUID FileName="{names[z // 3]}">urn:uuid:{z // 3}</UUID></TiffData>'
        for z in range(6)
    )
    header = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{uuid}">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
        'SizeX="30" SizeY="20" SizeZ="6" SizeC="1" SizeT="1" PhysicalSizeX="0.5" '
        'PhysicalSizeY="0.5" PhysicalSizeZ="2000" PhysicalSizeZUnit="nm">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
    ).replace("{planes}", planes)
    for number, name in enumerate(names):
        text = header.replace("{uuid}", str(number))
        part = array[3 * number : 3 * number + 3]
        with tifffile.TiffWriter(folder / name) as writer:
            for z, page in enumerate(part):
                description = text if z == 0 else None
                writer.write(page, **GREY, metadata=None, description=description)
    (folder / "set.companion.ome").write_text(header.replace("{uuid}", "2"), encoding="utf-8")
    return array


@pytest.mark.parametrize("name", ["first.ome.tif", "second.ome.tif", "set.companion.ome"])
def test_an_ome_set_is_read_from_any_of_its_files(tmp_path: Path, name: str) -> None:
    array = ome_set(tmp_path)
    with open_image(tmp_path / name) as image:
        assert (image.axes, image.shape) == ("ZYX", array.shape)
        assert image.resolution.spacing == pytest.approx(2.0)
        for z in (0, 5, 1, 4, 2, 3):
            np.testing.assert_array_equal(image.page(z), array[z])


def test_a_header_in_a_companion_file_is_found(tmp_path: Path) -> None:
    array = ome_set(tmp_path)
    reference = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<BinaryOnly MetadataFile="set.companion.ome" UUID="urn:uuid:2"/></OME>'
    )
    with tifffile.TiffWriter(tmp_path / "second.ome.tif") as writer:
        for z in range(3, 6):
            writer.write(array[z], **GREY, metadata=None, description=reference)
    with open_image(tmp_path / "second.ome.tif") as image:
        np.testing.assert_array_equal(image.page(1), array[1])
        np.testing.assert_array_equal(image.page(4), array[4])
    (tmp_path / "set.companion.ome").unlink()
    with pytest.raises(ImageFileError, match=r"of which set\.companion\.ome is missing; copy all"):
        open_image(tmp_path / "second.ome.tif")


def test_a_missing_file_of_an_ome_set_is_reported(tmp_path: Path) -> None:
    ome_set(tmp_path)
    (tmp_path / "second.ome.tif").unlink()
    for name in ("first.ome.tif", "set.companion.ome"):
        with pytest.raises(ImageFileError, match=r"of which second\.ome\.tif is missing; copy all"):
            open_image(tmp_path / name)


@pytest.mark.parametrize("identified", [True, False])
@pytest.mark.parametrize("written", ["original.ome.tif", "C:\\data\\original.ome.tif"])
def test_a_renamed_ome_file_is_read_if_all_pixels_are_in_it(
    tmp_path: Path, identified: bool, written: str
) -> None:
    array = numbered(2, 3, 20, 30).astype(np.uint16)
    root = ' UUID="urn:uuid:7"' if identified else ""
    planes = "".join(
        f'<TiffData FirstZ="{z}" FirstC="0" FirstT="{t}" IFD="{3 * t + z}" PlaneCount="1">'
        f'<UUID FileName="{written}">urn:uuid:7</UUID></TiffData>'
        for t in range(2)
        for z in range(3)
    )
    header = (
        f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{root}>'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
        'SizeX="30" SizeY="20" SizeZ="3" SizeC="1" SizeT="2">'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
    )
    with tifffile.TiffWriter(tmp_path / "renamed.ome.tif") as writer:
        for number, page in enumerate(array.reshape(6, 20, 30)):
            description = None if number else header
            writer.write(page, **GREY, metadata=None, description=description)
    with open_image(tmp_path / "renamed.ome.tif") as image:
        assert image.axes == "TZYX"
        np.testing.assert_array_equal(image.page(4), array[1, 1])


def positions(folder: Path) -> list[np.ndarray]:
    """Write three positions as Micro-Manager does: a file each, all of them in each header."""
    arrays = [numbered(2, 20, 30).astype(np.uint16) + 100 * number for number in range(3)]
    images = "".join(
        f'<Image ID="Image:{number}" Name="Pos{number}"><Pixels ID="Pixels:{number}" '
        'DimensionOrder="XYZCT" Type="uint16" SizeX="30" SizeY="20" SizeZ="2" SizeC="1" '
        f'SizeT="1" PhysicalSizeX="0.{number + 1}" PhysicalSizeY="0.{number + 1}">'
        f'<Channel ID="Channel:{number}:0" SamplesPerPixel="1"/>'
        f'<TiffData FirstZ="0" FirstC="0" FirstT="0" IFD="0" PlaneCount="2">'
        f'<UUID FileName="a_Pos{number}.ome.tif">urn:uuid:{number}</UUID></TiffData>'
        "</Pixels></Image>"
        for number in range(3)
    )
    for number, array in enumerate(arrays):
        header = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{number}">{images}</OME>'
        )
        with tifffile.TiffWriter(folder / f"a_Pos{number}.ome.tif") as writer:
            for z, page in enumerate(array):
                writer.write(page, **GREY, metadata=None, description=None if z else header)
    return arrays


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_position_of_a_set_is_read_without_the_others(tmp_path: Path, number: int) -> None:
    arrays = positions(tmp_path)
    path = tmp_path / f"a_Pos{number}.ome.tif"
    with open_image(path, series=number) as image:
        np.testing.assert_array_equal(image.page(1), arrays[number][1])
    for other in {0, 1, 2} - {number}:
        (tmp_path / f"a_Pos{other}.ome.tif").unlink()
    with open_image(path) as image:
        np.testing.assert_array_equal(image.page(1), arrays[number][1])
        assert image.resolution.x is not None
        assert image.resolution.x[1] / image.resolution.x[0] == pytest.approx((number + 1) / 10)
    with pytest.raises(ImageFileError, match="has no series 1, but 0: ZYX"):
        open_image(path, series=1)


def test_a_file_whose_header_is_missing_is_read_by_that_of_imagej(tmp_path: Path) -> None:
    array = numbered(4, 20, 30).astype(np.uint16)
    reference = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<BinaryOnly MetadataFile="a_Pos0.ome.tif" UUID="urn:uuid:0"/></OME>'
    )
    for images in (4, 9):
        imagej = f"ImageJ=1.53\nimages={images}\nframes={images}\n"
        with tifffile.TiffWriter(tmp_path / "a_Pos1.ome.tif") as writer:
            for number, page in enumerate(array):
                also = [] if number else [(65000, "s", 0, imagej, True)]
                description = None if number else reference
                writer.write(page, **GREY, metadata=None, description=description, extratags=also)
        # a second description, which tifffile reads but does not write
        content = (tmp_path / "a_Pos1.ome.tif").read_bytes()
        content = content.replace(struct.pack("<HH", 65000, 2), struct.pack("<HH", 270, 2), 1)
        (tmp_path / "a_Pos1.ome.tif").write_bytes(content)
        if images == 4:
            with open_image(tmp_path / "a_Pos1.ome.tif") as image:
                assert image.axes == "TYX"
                np.testing.assert_array_equal(image.page(3), array[3])
        else:  # more of it must be in other files
            with pytest.raises(ImageFileError, match=r"of which a_Pos0\.ome\.tif is missing"):
                open_image(tmp_path / "a_Pos1.ome.tif")


def test_threads_read_at_the_same_time(tmp_path: Path) -> None:
    array = numbered(40, 64, 80).astype(np.uint16)
    tifffile.imwrite(tmp_path / "image.tif", array, **GREY, compression="zlib", metadata=None)
    with open_image(tmp_path / "image.tif") as image, ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(image.page, [*range(40)] * 3))
    np.testing.assert_array_equal(np.stack(pages), np.concatenate([array] * 3))


@pytest.mark.parametrize(
    "options", [{"metadata": None}, {"ome": True, "metadata": {"axes": "ZYX"}}]
)
def test_memory_does_not_grow_with_the_number_of_pages(tmp_path: Path, options: dict) -> None:
    page = np.zeros((32, 32), np.uint8)
    kept = {}
    for number in (20, 1020):
        stack = np.broadcast_to(page, (number, 32, 32))
        tile = {"tile": (16, 16), "compression": "zlib"}
        tifffile.imwrite(tmp_path / "image.tif", stack, **GREY, **tile, **options)
        tracemalloc.start()
        with open_image(tmp_path / "image.tif") as image:
            for z in range(number):
                image.page(z)
            kept[number] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    assert kept[1020] - kept[20] < 1000 * 500


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("metadata", [{"axes": "ZYX"}, None])
def test_a_file_stays_mapped_into_memory_for_one_read_only(
    tmp_path: Path, metadata: dict | None
) -> None:
    path = tmp_path / "image.tif"
    array = numbered(2, 40, 50)
    tifffile.imwrite(path, array, photometric="minisblack", metadata=metadata)
    with open_image(path) as image:
        page = image.page(1)
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    np.testing.assert_array_equal(page, array[1])
    assert str(path) not in maps


def test_a_file_that_was_cut_short_after_opening_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, numbered(2, 400, 500), photometric="minisblack")
    with open_image(path) as image:
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(ImageFileError, match="the file ends before"):
            image.page(1)
