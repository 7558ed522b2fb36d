from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from napari_gpcis.io.errors import OutputFileError
from napari_gpcis.io.files import content_digest
from napari_gpcis.io.images.resolution import Resolution
from napari_gpcis.io.labels.writer import label_writer

LABELS = np.random.default_rng(0).integers(0, 9, (6, 40, 50)).astype(np.uint16)
MICRONS = Resolution(x=(4, 1), y=(5, 1), unit="micron", spacing=0.75, interval=2.5)


def image(axes: str = "Z", shape: tuple[int, ...] = (6,), **more: object) -> SimpleNamespace:
    """Stand in for an ImageStack."""
    sizes = {"slices": int(np.prod(shape)), "rows": 40, "columns": 50, "resolution": MICRONS}
    return SimpleNamespace(slice_axes=axes, slice_shape=shape, **(sizes | more))


def write(path: Path, of: SimpleNamespace, highest: int = 9, pages: np.ndarray = LABELS) -> None:
    with label_writer(path, of, highest) as writer:
        for page in pages[: of.slices]:
            writer.write(page)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize(("axes", "shape"), [("", ()), ("Z", (6,)), ("T", (6,)), ("TZ", (2, 3))])
def test_labels_are_read_again(folder: Path, axes: str, shape: tuple[int, ...]) -> None:
    write(folder / "labels.ome.zarr", image(axes, shape))
    array = zarr.open_array(folder / "labels.ome.zarr" / "0", mode="r")
    assert array.shape == (*shape, 40, 50)
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(
        np.reshape(array[...], (-1, 40, 50)), LABELS[: array[..., 0, 0].size]
    )


def test_large_labels_take_32_bits(folder: Path) -> None:
    write(folder / "labels.zarr", image(), 65_536, LABELS.astype(np.uint32) + 65_528)
    assert zarr.open_array(folder / "labels.zarr" / "0", mode="r").dtype == np.uint32
    assert zarr.open_array(folder / "labels.zarr" / "0", mode="r")[...].min() == 65_528


def test_metadata_hold_axes_units_and_sizes(folder: Path) -> None:
    write(folder / "labels.zarr", image("TZ", (2, 3)))
    attributes = zarr.open_group(folder / "labels.zarr", mode="r", zarr_format=2).attrs.asdict()
    assert attributes["image-label"]["version"] == "0.4"
    (multiscale,) = attributes["multiscales"]
    assert multiscale["version"] == "0.4"
    assert multiscale["axes"] == [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "z", "type": "space", "unit": "micrometer"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    scale = {"type": "scale", "scale": [2.5, 0.75, 0.2, 0.25]}
    assert multiscale["datasets"] == [{"path": "0", "coordinateTransformations": [scale]}]


def test_without_a_resolution_steps_are_one_and_have_no_unit(folder: Path) -> None:
    write(folder / "labels.zarr", image(resolution=Resolution()))
    attributes = zarr.open_group(folder / "labels.zarr", mode="r", zarr_format=2).attrs.asdict()
    (multiscale,) = attributes["multiscales"]
    assert multiscale["axes"] == [{"name": name, "type": "space"} for name in "zyx"]
    assert multiscale["datasets"][0]["coordinateTransformations"][0]["scale"] == [1.0, 1.0, 1.0]


def test_a_page_is_cut_into_files_and_background_needs_none(folder: Path) -> None:
    page = np.zeros((1000, 700), np.uint16)
    page[:10, 600:] = 3
    write(folder / "labels.zarr", image("", (), rows=1000, columns=700, slices=1), 3, page[None])
    array = folder / "labels.zarr" / "0"
    chunks = {path.relative_to(array).as_posix() for path in array.rglob("[0-9]") if path.is_file()}
    assert chunks == {"0/1"}
    np.testing.assert_array_equal(zarr.open_array(array, mode="r")[...], page)


def test_two_runs_write_the_same(folder: Path) -> None:
    for name in ("one.zarr", "two.zarr"):
        write(folder / name, image())
    assert content_digest(folder / "one.zarr") == content_digest(folder / "two.zarr")
    (folder / "two.zarr" / "0" / "5" / "0" / "0").write_bytes(b"x")
    assert content_digest(folder / "one.zarr") != content_digest(folder / "two.zarr")


def test_the_digest_of_a_folder_sees_names(folder: Path) -> None:
    (folder / "a").write_bytes(b"1")
    before = content_digest(folder)
    (folder / "a").rename(folder / "b")
    assert content_digest(folder) != before
    assert content_digest(folder / "b") == (
        "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    )


def test_older_labels_are_replaced_whole(folder: Path) -> None:
    write(folder / "labels.zarr", image())
    write(folder / "labels.zarr", image("", (), slices=1))
    assert [path.name for path in folder.iterdir()] == ["labels.zarr"]
    assert zarr.open_array(folder / "labels.zarr" / "0", mode="r").shape == (40, 50)


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_of_labels_that_were_interrupted(
    folder: Path, stop: type[BaseException]
) -> None:
    write(folder / "labels.zarr", image())
    before = content_digest(folder)
    with pytest.raises(stop), label_writer(folder / "labels.zarr", image(), 9) as writer:
        writer.write(LABELS[3])
        raise stop
    assert content_digest(folder) == before


def test_unfinished_labels_do_not_appear(folder: Path) -> None:
    with (
        pytest.raises(ValueError, match="expected 6 slices, got 1"),
        label_writer(folder / "labels.zarr", image(), 9) as writer,
    ):
        writer.write(LABELS[0])
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("is_folder", [True, False])
def test_what_is_no_zarr_is_never_replaced(folder: Path, is_folder: bool) -> None:
    mine = folder / "labels.zarr"
    if is_folder:
        mine.mkdir()
        mine = mine / "thesis.txt"
    mine.write_text("do not delete")
    with (
        pytest.raises(OutputFileError, match="it exists and is not a zarr; choose another name"),
        label_writer(folder / "labels.zarr", image(), 9),
    ):
        pytest.fail("work was begun")
    assert mine.read_text() == "do not delete"


def test_a_missing_folder_is_found_before_the_work(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputFileError, match=r"there is no folder .*; make it or choose"),
        label_writer(tmp_path / "none" / "labels.zarr", image(), 9),
    ):
        pytest.fail("work was begun")


def test_a_full_disk_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def refuse_the_third(path: Path, content: bytes) -> int:
        written.append(path)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(content)

    monkeypatch.setattr(Path, "write_bytes", refuse_the_third)
    with pytest.raises(OutputFileError, match="No space left on device; choose a folder"):
        write(folder / "labels.zarr", image())
    assert list(folder.iterdir()) == []


def test_older_labels_come_back_when_the_new_ones_cannot_take_their_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "labels.zarr", image())
    before = content_digest(folder)
    rename = Path.rename

    def refuse_new(path: Path, target: Path) -> Path:
        if path.suffix == ".part" and ".old" not in path.suffixes:
            raise OSError(errno.EACCES, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(OutputFileError, match="Permission denied"):
        write(folder / "labels.zarr", image("", (), slices=1))
    assert content_digest(folder) == before
