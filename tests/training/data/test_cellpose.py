from __future__ import annotations

import io
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari_gpcis_training.data.cellpose import read_numpy_labels

MASKS = np.arange(12, dtype=np.uint16).reshape(3, 4)


class Attack:
    """Unpickling it calls a function with arguments of one's choice."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = call, arguments

    def __reduce__(self) -> Any:
        return self.call


def save(path: Path, values: object, protocol: int = 4) -> Path:
    """Write as `np.save` does, with any protocol."""
    header = io.BytesIO()
    empty = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(header, empty)
    held = np.empty((), object)
    held[()] = values
    path.write_bytes(header.getvalue() + pickle.dumps(held, protocol))
    return path


def as_cellpose_does(masks: object) -> dict[str, object]:
    return {
        "masks": masks,
        "outlines": np.zeros((3, 4), np.uint16),
        "filename": "cells.tif",
        "path": Path("cells.tif"),
        "flows": [np.zeros((2, 3, 4), np.float32), []],
        "ismanual": np.zeros(3, bool),
        "diameter": np.float64(17.5),
        "manual_changes": [["21/11/26", "added mask", [(1, 2)]]],
        "chan_choose": [0, 0],
    }


@pytest.mark.parametrize(
    "masks",
    [
        MASKS,
        MASKS.astype(">u4"),
        np.asfortranarray(MASKS.astype(np.int64)),
        np.stack([MASKS, MASKS]).astype(np.uint32),
        MASKS > 3,
        np.asfortranarray(MASKS.astype(np.uint8).T),
    ],
)
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_masks_are_read_from_what_cellpose_saves(
    tmp_path: Path, masks: np.ndarray, protocol: int
) -> None:
    path = save(tmp_path / "a_seg.npy", as_cellpose_does(masks), protocol)
    labels = read_numpy_labels(path)
    np.testing.assert_array_equal(labels.values, masks)
    assert (labels.rows, labels.columns) == masks.shape[-2:]
    assert labels.slices == (2 if masks.ndim == 3 else 1)


def test_old_masks_that_begin_at_minus_one_are_raised(tmp_path: Path) -> None:
    path = save(tmp_path / "a_seg.npy", {"masks": MASKS.astype(np.int32)[None] - 1})
    labels = read_numpy_labels(path)
    np.testing.assert_array_equal(labels.page(0), MASKS)
    assert labels.slices == 1


def test_what_numpy_itself_saves_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a_seg.npy", as_cellpose_does(MASKS))  # type: ignore[arg-type]
    np.save(tmp_path / "plain.npy", MASKS)
    for name in ("a_seg.npy", "plain.npy"):
        np.testing.assert_array_equal(read_numpy_labels(tmp_path / name).values, MASKS)


def touch(path: str) -> str:
    Path(path).touch()
    return path


@pytest.mark.parametrize("call", [eval, exec, getattr, touch, np.load, np.fromfile, Path.unlink])
def test_nothing_in_a_file_is_run(tmp_path: Path, call: Any) -> None:
    mark = tmp_path / "was run"
    argument = f"__import__('pathlib').Path({str(mark)!r}).touch()" if call in (eval, exec) else ""
    attack = Attack(call, argument or str(mark))
    for values in ({"masks": attack}, {"masks": MASKS, "x": [attack]}, attack):
        path = save(tmp_path / "bad_seg.npy", values)
        with pytest.raises(ValueError, match=r"bad_seg\.npy: it calls .* was not run"):
            read_numpy_labels(path)
    assert not mark.exists()


def test_a_pickle_cannot_change_the_reader_itself(tmp_path: Path) -> None:
    # GLOBAL numpy.dtype, then BUILD on it with a state of attributes
    attack = b"\x80\x02cnumpy\ndtype\n" + pickle.dumps((None, {"read": 3}), 2)[2:-1] + b"b."
    header = save(tmp_path / "bad_seg.npy", {}).read_bytes().partition(b"\x80")[0]
    (tmp_path / "bad_seg.npy").write_bytes(header + attack)
    with pytest.raises(ValueError, match="cannot be read"):
        read_numpy_labels(tmp_path / "bad_seg.npy")
    good = save(tmp_path / "good_seg.npy", {"masks": MASKS})
    np.testing.assert_array_equal(read_numpy_labels(good).values, MASKS)


@pytest.mark.parametrize(
    "instructions",
    [
        b"}r\xff\xff\xff\x7f.",  # a place in a table of 16 GiB
        b"\x96\x00\x00\x00\x00\x40\x00\x00\x00.",  # 256 GiB of bytes to come
        b"\x8e\x00\x00\x00\x00\x40\x00\x00\x00.",
    ],
)
def test_a_small_file_takes_little_memory(tmp_path: Path, instructions: bytes) -> None:
    header = save(tmp_path / "bad_seg.npy", {}).read_bytes().partition(b"\x80")[0]
    (tmp_path / "bad_seg.npy").write_bytes(header + b"\x80\x05" + instructions)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"bad_seg\.npy: cannot be read"):
            read_numpy_labels(tmp_path / "bad_seg.npy")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_objects_of_classes_are_refused_before_they_are_made(tmp_path: Path) -> None:
    path = save(tmp_path / "bad_seg.npy", {"masks": MASKS, "x": Plain()})
    with pytest.raises(ValueError, match="the instruction NEWOBJ"):
        read_numpy_labels(path)


class Plain:
    """Pickles by its class and state."""


class Forged:
    """Pickles as an array of any state."""

    def __init__(self, state: object) -> None:
        self.state = state

    def __reduce__(self) -> Any:
        made = MASKS.__reduce__()
        return made[0], made[1], self.state


@pytest.mark.parametrize(
    "state",
    [
        (1, (3, 4), np.dtype("u2"), False, b"short"),
        (1, (10**6, 10**6), np.dtype("u2"), False, b""),
        (1, (-3, -4), np.dtype("u1"), False, bytes(12)),
        (1, (1,), np.dtype(object), False, bytes(8)),
        (1, (1,), np.dtype([("a", object)]), False, bytes(8)),
        (1, (1,), np.dtype("U1"), False, bytes(4)),
        (1, (2,), np.dtype("u1"), False, [1, 2]),
        (1, (2,), "u1", False, bytes(2)),
        "no state",
    ],
)
def test_arrays_that_are_not_what_they_say_are_refused(tmp_path: Path, state: object) -> None:
    path = save(tmp_path / "bad_seg.npy", {"masks": Forged(state)})
    with pytest.raises(ValueError, match=r"bad_seg\.npy: cannot be read .*save the masks"):
        read_numpy_labels(path)


@pytest.mark.parametrize(
    "values", [{}, {"masks": None}, {"masks": [1, 2]}, [1], {"masks": np.float64(3)}]
)
def test_files_without_masks_say_so(tmp_path: Path, values: object) -> None:
    with pytest.raises(ValueError, match=r"a_seg\.npy: cannot be read"):
        read_numpy_labels(save(tmp_path / "a_seg.npy", values))


def test_arrays_of_another_form_are_no_masks(tmp_path: Path) -> None:
    for masks in (np.zeros(4, int), np.zeros((2, 2, 2, 2), int)):
        with pytest.raises(ValueError, match=r"shape \(Y, X\)"):
            read_numpy_labels(save(tmp_path / "a_seg.npy", {"masks": masks}))


@pytest.mark.parametrize("kept", [0, 5, 60, 200])
def test_a_file_cut_short_is_named(tmp_path: Path, kept: int) -> None:
    path = save(tmp_path / "a_seg.npy", as_cellpose_does(MASKS))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"a_seg\.npy: cannot be read"):
        read_numpy_labels(path)
