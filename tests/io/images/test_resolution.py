"""Pixel size, origin and interval on their way from one file into the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.images.open import open_image
from napari_gpcis.io.images.resolution import Resolution, seconds_of
from napari_gpcis.io.labels.writer import label_writer

if TYPE_CHECKING:
    from pathlib import Path

FILM = np.zeros((3, 20, 30), np.uint8)
MICROMETRES = {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2}
IN_MICROMETRES = {"um": 1.0, "nm": 1e-3, "mm": 1e3, "m": 1e6, "pm": 1e-6, "Å": 1e-4, "cm": 1e4}


def ome(path: Path, image: np.ndarray = FILM, **metadata: Any) -> Path:
    tifffile.imwrite(path, image, ome=True, metadata=metadata)
    return path


def imagej(path: Path, **metadata: Any) -> Path:
    tifffile.imwrite(path, FILM, imagej=True, resolution=(5, 5), metadata=metadata)
    return path


def ome_zarr(
    path: Path,
    axes: list[dict[str, str]],
    transformations: list[dict[str, Any]],
    of_all: list[dict[str, Any]] | None = None,
) -> Path:
    dataset = {"path": "0", "coordinateTransformations": transformations}
    multiscale: dict[str, Any] = {"version": "0.4", "axes": axes, "datasets": [dataset]}
    if of_all:
        multiscale["coordinateTransformations"] = of_all
    group = zarr.create_group(path, zarr_format=2, attributes={"multiscales": [multiscale]})
    shape = {"t": 3, "c": 1, "z": 2, "y": 20, "x": 30}
    data = np.zeros([shape[axis["name"]] for axis in axes], np.uint8)
    group.create_array("0", data=data)
    return path


def film_in_zarr(path: Path, interval: float, unit: str | None) -> Path:
    time = {"name": "t", "type": "time"} | ({"unit": unit} if unit else {})
    space = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    return ome_zarr(path, [time, *space], [{"type": "scale", "scale": [interval, 0.2, 0.2]}])


def labels_of(path: Path, suffix: str) -> Path:
    """Labels of an image, as the command line writes them."""
    output = path.with_name(f"labels{suffix}")
    with open_image(path) as image, label_writer(output, image, 1) as writer:
        for _ in range(image.slices):
            writer.write(np.ones((image.rows, image.columns), np.uint16))
    return output


def multiscale_of(path: Path) -> tuple[list[dict[str, str]], dict[str, list[float]]]:
    multiscale: Any = zarr.open_group(path, mode="r").attrs["multiscales"]
    steps = multiscale[0]["datasets"][0]["coordinateTransformations"]
    return multiscale[0]["axes"], {step["type"]: step[step["type"]] for step in steps}


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("ome 5 s", 5.0),
        ("ome 5 min", 300.0),
        ("ome 250 ms", 0.25),
        ("ome 2 h", 7200.0),
        ("imagej 5 ", 5.0),
        ("imagej 5 sec", 5.0),
        ("imagej 5 min", 300.0),
        ("imagej 2 Hours", 7200.0),
        ("zarr 5 minute", 300.0),
        ("zarr 250 millisecond", 0.25),
        ("zarr 40 microsecond", 4e-5),
    ],
)
def test_an_interval_is_written_in_seconds_whatever_its_unit(
    tmp_path: Path, name: str, seconds: float
) -> None:
    kind, number, unit = name.split(" ")
    if kind == "ome":
        times = {"TimeIncrement": float(number), "TimeIncrementUnit": unit}
        path = ome(tmp_path / "film.ome.tif", axes="TYX", **MICROMETRES, **times)
    elif kind == "imagej":
        named = {"tunit": unit} if unit else {}
        path = imagej(
            tmp_path / "film.tif", axes="TYX", unit="um", finterval=float(number), **named
        )
    else:
        path = film_in_zarr(tmp_path / "film.zarr", float(number), unit)
    with tifffile.TiffFile(labels_of(path, ".tif")) as tiff:
        header = tiff.imagej_metadata or {}
    assert header["finterval"] == pytest.approx(seconds)
    assert header.get("tunit", "sec") == "sec"
    axes, steps = multiscale_of(labels_of(path, ".ome.zarr"))
    assert axes[0] == {"name": "t", "type": "time", "unit": "second"}
    assert steps["scale"][0] == pytest.approx(seconds)


def test_an_interval_in_no_known_unit_is_not_taken_for_seconds(tmp_path: Path) -> None:
    path = film_in_zarr(tmp_path / "film.zarr", 5.0, None)
    with tifffile.TiffFile(labels_of(path, ".tif")) as tiff:
        assert "finterval" not in (tiff.imagej_metadata or {})
    axes, steps = multiscale_of(labels_of(path, ".ome.zarr"))
    assert axes[0] == {"name": "t", "type": "time"}
    assert steps["scale"] == pytest.approx([5.0, 0.2, 0.2])


@pytest.mark.parametrize("unit", ["", "frame", "pixel", "nonsense"])
def test_what_is_no_unit_of_time_has_no_seconds(unit: str) -> None:
    assert seconds_of(unit) is None


def test_rows_and_slices_of_imagej_may_have_units_of_their_own(tmp_path: Path) -> None:
    header = {"axes": "ZYX", "unit": "micron", "yunit": "nm", "zunit": "mm", "spacing": 0.002}
    path = imagej(tmp_path / "stack.tif", **header)
    with open_image(path) as image:
        size = image.resolution.pixel_size()
    assert size == pytest.approx((2.0, 0.0002, 0.2, "µm"))


@pytest.mark.parametrize(
    ("size", "unit"),
    [
        (0.16125, "µm"),
        (0.00016123457, "mm"),
        (4.112733e-6, "mm"),
        (1.61234e-7, "m"),
        (3.99734, "nm"),
        (2.4e6, "nm"),
        (7e-11, "m"),
        (9e-14, "mm"),
        (5e12, "pm"),
    ],
)
def test_pixel_sizes_are_written_in_a_unit_in_which_tiff_can_hold_them(
    tmp_path: Path, size: float, unit: str
) -> None:
    micrometres = size * IN_MICROMETRES[unit.replace("µ", "u")]
    sizes = {f"PhysicalSize{axis}": size for axis in "XYZ"}
    units = {f"PhysicalSize{axis}Unit": unit for axis in "XYZ"}
    path = ome(tmp_path / "stack.ome.tif", axes="ZYX", **sizes, **units)
    with tifffile.TiffFile(labels_of(path, ".tif")) as tiff:
        header = tiff.imagej_metadata or {}
        numerator, denominator = tiff.pages.first.tags["XResolution"].value
    written = IN_MICROMETRES[header["unit"]]
    assert denominator / numerator * written == pytest.approx(micrometres, rel=1e-5)
    assert header["spacing"] * written == pytest.approx(micrometres, rel=1e-5)


@pytest.mark.parametrize("size", [1e-300, 5e-324, 1e300])
def test_a_pixel_size_that_no_unit_can_express_is_left_out(tmp_path: Path, size: float) -> None:
    path = ome(tmp_path / "a.ome.tif", axes="ZYX", PhysicalSizeX=size, PhysicalSizeY=size)
    with open_image(path) as image:
        assert image.resolution.pixel_size() is None
    labels_of(path, ".tif")
    labels_of(path, ".ome.zarr")


@pytest.mark.parametrize("unit", ["meter", "millimeter", "micrometer"])
def test_the_scale_of_an_ome_zarr_keeps_its_unit(tmp_path: Path, unit: str) -> None:
    axes = [{"name": name, "type": "space", "unit": unit} for name in "yx"]
    path = ome_zarr(tmp_path / "a.zarr", axes, [{"type": "scale", "scale": [1.6e-7, 3.2e-7]}])
    written, steps = multiscale_of(labels_of(path, ".ome.zarr"))
    assert written == axes
    assert steps["scale"] == pytest.approx([1.6e-7, 3.2e-7])


def test_scale_and_translation_of_an_ome_zarr_are_kept_without_a_unit(tmp_path: Path) -> None:
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    steps = [
        {"type": "scale", "scale": [2.0, 0.5, 0.25]},
        {"type": "translation", "translation": [10.0, 0.0, -3.0]},
    ]
    path = ome_zarr(tmp_path / "a.zarr", axes, steps)
    written, kept = multiscale_of(labels_of(path, ".ome.zarr"))
    assert written == axes
    assert kept["scale"] == pytest.approx([2.0, 0.5, 0.25])
    assert kept["translation"] == pytest.approx([10.0, 0.0, -3.0])


def test_transformations_of_all_levels_follow_those_of_one(tmp_path: Path) -> None:
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    own = [
        {"type": "scale", "scale": [0.5, 0.5]},
        {"type": "translation", "translation": [1.0, 2.0]},
    ]
    of_all = [
        {"type": "scale", "scale": [10.0, 10.0]},
        {"type": "translation", "translation": [100.0, 0.0]},
    ]
    path = ome_zarr(tmp_path / "a.zarr", axes, own, of_all)
    _, kept = multiscale_of(labels_of(path, ".ome.zarr"))
    assert kept["scale"] == pytest.approx([5.0, 5.0])
    assert kept["translation"] == pytest.approx([110.0, 20.0])
    # and through a TIFF, in ImageJ's way
    with open_image(labels_of(path, ".tif")) as labels:
        assert dict(labels.resolution.origin) == pytest.approx({"Y": 110.0, "X": 20.0})


def test_without_a_scale_the_pixel_size_is_unknown(tmp_path: Path) -> None:
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    with open_image(ome_zarr(tmp_path / "a.zarr", axes, [])) as image:
        assert image.resolution.pixel_size() is None


@pytest.mark.parametrize("kind", ["scale", "translation"])
def test_a_scale_that_does_not_fit_the_axes_is_named(tmp_path: Path, kind: str) -> None:
    axes = [{"name": name} for name in "czyx"]
    path = ome_zarr(tmp_path / "a.zarr", axes, [{"type": kind, kind: [2.0, 0.5]}])
    with pytest.raises(ImageFileError, match=rf"axes CZYX, but a {kind} of 2 numbers.*; correct"):
        open_image(path)


@pytest.mark.parametrize("unit", ["µm", "\\u00B5m", "um"])
def test_a_micro_sign_is_written_as_imagej_reads_it(unit: str) -> None:
    lines = Resolution(x=(4, 1), y=(4, 1), unit=unit).imagej_lines()
    assert lines == ["unit=um" if unit == "um" else "unit=\\u00B5m"]


def test_the_distance_of_slices_is_counted_in_pixels(tmp_path: Path) -> None:
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    with open_image(ome_zarr(tmp_path / "known.zarr", axes, scale)) as image:
        assert image.relative_spacing == pytest.approx(4.0)
    with open_image(ome_zarr(tmp_path / "unknown.zarr", axes, [])) as image:
        assert image.relative_spacing == 1.0
    # slices of a film are not apart in space
    with open_image(film_in_zarr(tmp_path / "film.zarr", 5.0, "second")) as image:
        assert image.relative_spacing == 1.0
