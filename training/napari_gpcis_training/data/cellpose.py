"""Labels in numpy files: plain arrays, and Cellpose's ``NAME_seg.npy``, read without running them.

Cellpose saves a pickled dictionary. A pickle can name any function and have it called, so this one
is read by a machine of its own: the few names that pickled arrays need stand for inert records
here, every other name is refused, and of the records only ``masks`` is made into an array, of
plain numbers and from as many bytes as it states. Nothing of numpy's own unpickling runs. The file
is first gone through without being executed: instructions that only objects need are refused, and
so are numbers that would make the reader set aside more memory than the file has bytes.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_gpcis_training.data.planes import LabelArray

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gpcis_training.data.planes import Array

_REMEDY = "save the masks as PNG or TIFF from Cellpose instead"
_KINDS = "biuf"
_FORBIDDEN = {
    *("PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"),
    *("NEXT_BUFFER", "READONLY_BUFFER"),
}
_NUMBERED = ("PUT", "BINPUT", "LONG_BINPUT")


class _Record:
    """Stand-in for a pickled name: its arguments, kept and never called."""

    __slots__ = ("arguments", "state")

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _ArrayRecord(_Record):
    """A pickled array; its state is (version, shape, type, column-major, bytes)."""

    def read(self) -> Array:
        _, shape, kind, columns_first, content = self.state
        return _array(shape, kind.read(), "F" if columns_first else "C", content)


class _BufferRecord(_Record):
    """A pickled array of protocol 5: bytes, type, shape, order."""

    def read(self) -> Array:
        content, kind, shape, order = self.arguments
        return _array(shape, kind.read(), order, content)


class _TypeRecord(_Record):
    """A pickled dtype: a code such as ``u2``; its state begins with version and byte order."""

    def read(self) -> np.dtype[Any]:
        code = self.arguments[0]
        kind = np.dtype(code) if isinstance(code, str) else np.dtype(object)
        if kind.kind not in _KINDS or kind.subdtype:
            raise ValueError(f"masks of type {code!r}")
        big = bool(self.state) and self.state[1] == ">"
        return kind.newbyteorder(">" if big else "<")


_NAMES: dict[tuple[str, str], type[_Record]] = {
    ("numpy", "ndarray"): _Record,
    ("numpy", "dtype"): _TypeRecord,
    **{
        (f"numpy.{core}.{module}", name): record
        for core in ("core", "_core")
        for module, name, record in (
            ("multiarray", "_reconstruct", _ArrayRecord),
            ("multiarray", "scalar", _Record),
            ("numeric", "_frombuffer", _BufferRecord),
        )
    },
    **{
        (module, name): _Record
        for module in ("pathlib", "pathlib._local")
        for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
    },
    ("_codecs", "encode"): _Record,
}


class _ForbiddenNameError(ValueError):
    """A pickle that asks for more than arrays."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        record = _NAMES.get((module, name))
        if record is None:
            raise _ForbiddenNameError(f"{module}.{name}")
        return record


def read_numpy_labels(path: Path) -> LabelArray:
    """Read the labels in a numpy file; no code in it is run.

    Parameters
    ----------
    path : Path
        A plain label array, or a dictionary of Cellpose, of which ``masks`` is taken.

    Returns
    -------
    LabelArray
        Shape (Y, X) or (Z, Y, X).

    Raises
    ------
    ValueError
        When the file is damaged, asks for anything but arrays, or holds no label image.
    """
    try:
        with path.open("rb") as file:
            labels = _read(file)
    except _ForbiddenNameError as error:
        raise ValueError(
            f"{path.name}: it calls {error}, which masks do not need, and was not run; {_REMEDY}"
        ) from error
    # a damaged pickle makes its reader raise almost anything
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"{path.name}: cannot be read as a numpy file of masks ({reason}); {_REMEDY}"
        ) from error
    if labels.ndim not in (2, 3) or labels.dtype.kind not in _KINDS:
        raise ValueError(
            f"{path.name}: expected masks of shape (Y, X) or (Z, Y, X), got {labels.shape} of "
            f"{labels.dtype}; {_REMEDY}"
        )
    return LabelArray(labels.view(np.uint8) if labels.dtype == bool else labels)


def _read(file: IO[bytes]) -> Array:
    version = np.lib.format.read_magic(file)
    header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, columns_first, kind = header(file)
    if kind != np.dtype(object):
        return _array(shape, kind, "F" if columns_first else "C", file.read())
    # a 0-d object array: a pickled array of one dictionary
    content = file.read()
    _scan(content)
    held = _Reader(io.BytesIO(content)).load()
    values = held.state[-1] if isinstance(held, _ArrayRecord) else [held]
    if not isinstance(values, list) or len(values) != 1 or not isinstance(values[0], dict):
        raise ValueError("it holds no dictionary")
    masks = values[0].get("masks")
    if not isinstance(masks, (_ArrayRecord, _BufferRecord)):
        raise ValueError("its dictionary has no array `masks`")
    labels = masks.read()
    # old versions number from -1
    return labels + 1 if labels.dtype.kind == "i" and labels.min(initial=0) == -1 else labels


def _scan(content: bytes) -> None:
    """Go through a pickle without executing it."""
    for count, (code, argument, _) in enumerate(pickletools.genops(content)):
        if code.name in _FORBIDDEN:
            raise _ForbiddenNameError(f"the instruction {code.name}")
        # the reader's table of places is as long as the largest number
        if code.name in _NUMBERED and not 0 <= int(argument or 0) <= count:
            raise ValueError(f"a place {argument} that nothing can be at")


def _array(shape: Any, kind: np.dtype[Any], order: str, content: Any) -> Array:
    """Make an array of bytes, which must be as many as it needs."""
    if not isinstance(content, (bytes, bytearray)) or kind.kind not in _KINDS:
        raise ValueError("masks that are not made of numbers")
    sizes = tuple(int(size) for size in shape)
    if min(sizes, default=0) < 0 or math.prod(sizes) * kind.itemsize != len(content):
        raise ValueError(f"{len(content)} bytes for masks of shape {sizes}")
    flat = np.frombuffer(content, kind)
    return np.reshape(flat, sizes, order="F" if order == "F" else "C").astype(
        kind.newbyteorder("="), copy=False
    )
