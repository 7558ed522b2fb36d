from __future__ import annotations

import csv
import errno
import io
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_gpcis.io.errors import OutputFileError
from napari_gpcis.io.images.resolution import Resolution
from napari_gpcis.io.labels.object_table import ObjectInSlice, object_table, slices_path

if TYPE_CHECKING:
    from pathlib import Path

MICRONS = Resolution(x=(4, 1), y=(5, 1), unit="um", spacing=0.75, interval=2.5)
SEEN = [
    ObjectInSlice(7, 2, 100, 10.0, 20.0, 0.9, clicked=False),
    ObjectInSlice(3, 3, 50, 1.25, 2.5, 0.75, clicked=True),
    ObjectInSlice(7, 3, 300, 14.0, 24.0, 0.8, clicked=True),
]


def image(axes: str, shape: tuple[int, ...], resolution: Resolution = MICRONS) -> SimpleNamespace:
    """Stand in for an ImageStack."""
    return SimpleNamespace(slice_axes=axes, slice_shape=shape, resolution=resolution)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tables(
    path: Path, of: SimpleNamespace, seen: list[ObjectInSlice] = SEEN
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    with object_table(path, of) as table:
        for item in seen:
            table.add(item)
    return read(path), read(slices_path(path))


def test_an_object_of_a_volume_is_measured(tmp_path: Path) -> None:
    objects, _ = tables(tmp_path / "objects.csv", image("Z", (5,)))
    assert [row["object"] for row in objects] == ["3", "7"]
    assert objects[1] == {
        "object": "7",
        "first_slice": "2",
        "last_slice": "3",
        "slices": "2",
        "clicked_slices": "1",
        "area_px": "200.0",
        "largest_area_px": "300",
        "volume_px": "400",
        "centroid_slice": "2.75",
        "centroid_row": "13.00",
        "centroid_col": "23.00",
        "mean_uncertainty": "0.1750",
        "score": "",
        "unit": "µm",
        "area": "10",
        "largest_area": "15",
        "volume": "15",
        "centroid_z": "2.0625",
        "centroid_y": "2.6",
        "centroid_x": "5.75",
    }


def test_each_slice_of_an_object_has_a_line_in_the_order_of_slices(tmp_path: Path) -> None:
    _, slices = tables(tmp_path / "objects.csv", image("Z", (5,)))
    assert [(row["object"], row["slice"], row["source"]) for row in slices] == [
        ("7", "2", "propagated"),
        ("3", "3", "clicked"),
        ("7", "3", "clicked"),
    ]
    assert slices[1] == {
        "object": "3",
        "slice": "3",
        "area_px": "50",
        "row": "1.25",
        "col": "2.50",
        "confidence": "0.7500",
        "uncertainty": "0.2500",
        "source": "clicked",
        "score": "",
        "unit": "µm",
        "area": "2.5",
    }


def test_without_a_pixel_size_physical_cells_are_empty(tmp_path: Path) -> None:
    of = image("Z", (5,), Resolution(x=(72, 1), y=(72, 1), tag_unit=2))
    objects, slices = tables(tmp_path / "objects.csv", of)
    physical = ("unit", "area", "largest_area", "volume", "centroid_z", "centroid_y", "centroid_x")
    assert {objects[1][name] for name in physical} == {""}
    assert slices[1]["unit"] == slices[1]["area"] == ""
    assert objects[1]["volume_px"] == "400"


def test_without_spacing_areas_are_known_and_volumes_not(tmp_path: Path) -> None:
    of = image("Z", (5,), Resolution(x=(4, 1), y=(5, 1), unit="um"))
    objects, _ = tables(tmp_path / "objects.csv", of)
    assert objects[1]["area"] == "10"
    assert objects[1]["volume"] == objects[1]["centroid_z"] == ""


def test_a_time_series_has_a_duration_and_no_volume(tmp_path: Path) -> None:
    objects, _ = tables(tmp_path / "objects.csv", image("T", (5,)))
    assert objects[1]["duration_s"] == "2.5"
    assert (objects[1]["first_t"], objects[1]["last_t"]) == ("2", "3")
    assert objects[1]["volume_px"] == objects[1]["volume"] == objects[1]["centroid_z"] == ""
    of = image("T", (5,), Resolution())
    assert tables(tmp_path / "objects.csv", of)[0][1]["duration_s"] == ""


def test_a_series_of_volumes_tells_time_from_depth(tmp_path: Path) -> None:
    # time points 0 and 2 of a volume of 4 slices
    seen = [
        ObjectInSlice(1, z, 100, 5.0, 5.0, 1.0, clicked=z == 1)
        for z in (1, 2, 4 * 2 + 1, 4 * 2 + 3)
    ]
    objects, slices = tables(tmp_path / "objects.csv", image("TZ", (3, 4)), seen)
    assert [(row["slice"], row["t"], row["z"]) for row in slices] == [
        ("1", "0", "1"),
        ("2", "0", "2"),
        ("9", "2", "1"),
        ("11", "2", "3"),
    ]
    (row,) = objects
    assert (row["first_slice"], row["last_slice"]) == ("1", "11")
    assert (row["first_t"], row["last_t"], row["duration_s"]) == ("0", "2", "5")
    assert row["slices"] == "4"
    # the mean of two volumes
    assert row["volume_px"] == "200"
    assert row["volume"] == "7.5"
    assert row["centroid_slice"] == "1.75"


def test_a_single_image_has_areas_only(tmp_path: Path) -> None:
    objects, slices = tables(
        tmp_path / "objects.csv", image("", ()), [ObjectInSlice(1, 0, 9, 1.0, 1.0, 0.5, True)]
    )
    assert objects[0]["area"] == "0.45"
    assert objects[0]["volume_px"] == ""
    assert "t" not in slices[0]


def test_large_numbers_are_written_out(tmp_path: Path) -> None:
    seen = [ObjectInSlice(1, z, 123_456_789, 1.0, 1.0, 1.0, clicked=True) for z in range(3)]
    objects, _ = tables(tmp_path / "objects.csv", image("Z", (3,)), seen)
    assert objects[0]["volume_px"] == "370370367"
    assert objects[0]["area"] == "6172839"


def test_numpy_numbers_are_written_like_others(tmp_path: Path) -> None:
    seen = [
        ObjectInSlice(np.uint16(4), 1, np.int64(8), np.float64(2), np.float32(0.5), 0.5, np.True_)
    ]
    objects, slices = tables(tmp_path / "objects.csv", image("Z", (3,)), seen)
    assert objects[0]["object"] == slices[0]["object"] == "4"
    assert objects[0]["volume_px"] == "8"
    assert slices[0]["col"] == "0.50"


def test_no_objects_give_tables_without_lines(tmp_path: Path) -> None:
    assert tables(tmp_path / "objects.csv", image("Z", (5,)), []) == ([], [])


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_of_tables_that_were_interrupted(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    (tmp_path / "objects_slices.csv").write_text("older")
    with pytest.raises(stop), object_table(tmp_path / "objects.csv", image("Z", (5,))) as table:
        table.add(SEEN[0])
        raise stop
    assert [path.name for path in tmp_path.iterdir()] == ["objects_slices.csv"]
    assert (tmp_path / "objects_slices.csv").read_text() == "older"


def test_an_unwritable_place_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "taken_slices.csv").mkdir()
    for name in ("none/objects.csv", "taken.csv"):
        with (
            pytest.raises(OutputFileError, match="cannot write"),
            object_table(tmp_path / name, image("Z", (5,))),
        ):
            pytest.fail("work was begun")
    assert [path.name for path in tmp_path.iterdir()] == ["taken_slices.csv"]


@pytest.mark.parametrize("count", [1, 5000])
def test_a_full_disk_leaves_neither_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    class FullDisk(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, content: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_full(path: Path, *args: object, **kwargs: object) -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BufferedWriter(FullDisk()), encoding="utf-8", newline="")

    monkeypatch.setattr(type(tmp_path), "open", open_full)
    with (
        pytest.raises(OutputFileError, match="No space left on device; choose a folder"),
        object_table(tmp_path / "objects.csv", image("Z", (5,))) as table,
    ):
        for _ in range(count):
            table.add(SEEN[0])
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_of_an_object_does_not_grow_with_slices(tmp_path: Path) -> None:
    with object_table(tmp_path / "objects.csv", image("Z", (10_000,))) as table:
        for z in range(10_000):
            table.add(ObjectInSlice(z % 3 + 1, z, 10, 1.0, 1.0, 1.0, clicked=False))
        assert len(table._sums) == 3
    assert len(read(slices_path(tmp_path / "objects.csv"))) == 10_000


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        (Resolution(x=(4, 1), y=(5, 1), unit="micron", spacing=2.0), (2.0, 0.2, 0.25, "µm")),
        (Resolution(x=(4, 1), y=(4, 1), unit="\\u00B5m"), (None, 0.25, 0.25, "µm")),
        (Resolution(x=(4, 1), y=(4, 1), unit="Micrometres"), (None, 0.25, 0.25, "µm")),
        (Resolution(x=(4, 1), y=(4, 1), unit="μm"), (None, 0.25, 0.25, "µm")),
        (Resolution(x=(4, 1), y=(4, 1), unit="nanometer"), (None, 0.25, 0.25, "nm")),
        (Resolution(x=(4, 1), y=(4, 1), unit="inch"), (None, 0.25, 0.25, "inch")),
        (Resolution(x=(4, 1), y=(4, 1), unit="furlong"), (None, 0.25, 0.25, "furlong")),
        (Resolution(x=(20_000, 1), y=(10_000, 1), tag_unit=3), (None, 1.0, 0.5, "µm")),
        (Resolution(x=(101_600, 1), y=(101_600, 1), tag_unit=2), (None, 0.25, 0.25, "µm")),
        (Resolution(x=(72, 1), y=(72, 1), tag_unit=2), None),
        (Resolution(x=(118, 1), y=(118, 1), tag_unit=3), None),
        (Resolution(x=(1, 1), y=(1, 1), unit="pixel", tag_unit=2), None),
        (Resolution(x=(1, 1), y=(1, 1)), None),
        (Resolution(unit="um", spacing=1.0), None),
    ],
    ids=str,
)
def test_pixels_have_a_size_where_the_image_says_so(
    resolution: Resolution, expected: tuple[object, ...] | None
) -> None:
    size = resolution.pixel_size()
    assert size == (expected if expected is None else pytest.approx(expected))
