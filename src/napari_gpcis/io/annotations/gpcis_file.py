"""The saved annotation (`.gpcis`): labels, the clicks that made them and those still worked on.

A zip of three members: `annotation.json` describes the other two, `clicks.csv` holds the clicks of
objects that are not committed (slice, row, column), `labels.tif` the labels. It is written whole or
not at all; reading it executes nothing and allocates no more than the file can hold.

A labels layer carries the same in ``metadata["gpcis"]``, where the tool finds it; `to_metadata`
describes it.
"""

from __future__ import annotations

import io
import json
import math
import shutil
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_gpcis.io.annotations.clicks import clicks_text, parse_clicks
from napari_gpcis.io.annotations.saved_annotation import (
    AnnotationFileError,
    Head,
    NamedClass,
    SavedAnnotation,
    check,
    first_complaint,
    put_together,
    to_metadata,
    with_metadata,
)
from napari_gpcis.io.errors import ClicksFileError
from napari_gpcis.io.files import atomic_write, check_suffix, os_errors_as_output_errors

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from napari_gpcis.engine.types import Array, ArrayLike

__all__ = [
    "SUFFIX",
    "AnnotationFileError",
    "NamedClass",
    "SavedAnnotation",
    "read_annotation",
    "save_annotation",
    "to_metadata",
    "with_metadata",
]

SUFFIX = ".gpcis"
FORMAT = "napari-gpcis annotation"
VERSION = 1

# Beyond this much, counted before compression, a classic TIFF might not hold the labels.
_CLASSIC_BYTES = 4_000_000_000
# zlib makes at most 1032 bytes of one, and a header describes each plane.
_LARGEST_RATIO = 1032
_LARGEST_TEXT = 1 << 28
_REMEDY = "give a file that napari-gpcis saved, or its backup"


def save_annotation(path: str | os.PathLike[str], saved: SavedAnnotation) -> None:
    """Write a saved annotation, whole or not at all.

    Raises
    ------
    OutputFileError
        When `path` cannot be written, or does not end in ``.gpcis``.
    AnnotationFileError
        When something in `saved` could not be read back; nothing is written then.
    """
    check_suffix(path, (SUFFIX,))
    head = {
        "format": FORMAT,
        "version": VERSION,
        **to_metadata(saved),
        "shape": [int(size) for size in saved.labels.shape],
        "placement": {name: list(values) for name, values in saved.placement.items()},
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    # Whatever reading would refuse is refused here, before it is too late.
    _head(path, text)
    check(saved, path)
    if np.dtype(saved.labels.dtype).kind not in "iub":
        raise AnnotationFileError(
            f"expected labels of whole numbers, got {saved.labels.dtype}; convert the layer"
        )
    with (
        atomic_write(path) as part,
        os_errors_as_output_errors(path),
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
        # The TIFF's writer goes back and forth, which a zip's cannot.
        tempfile.NamedTemporaryFile(prefix=".", dir=part.parent) as packed,
    ):
        archive.writestr("annotation.json", text)
        archive.writestr("clicks.csv", clicks_text(saved.clicks, 3))
        _write_labels(packed.file, saved.labels)
        packed.seek(0)
        member = zipfile.ZipInfo("labels.tif", (1980, 1, 1, 0, 0, 0))
        with archive.open(member, "w", force_zip64=True) as file:
            shutil.copyfileobj(packed, file)


def read_annotation(path: str | os.PathLike[str]) -> SavedAnnotation:
    """Read a saved annotation.

    Raises
    ------
    AnnotationFileError
        When it is no saved annotation, or a damaged one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            head = _head(path, _member(path, archive, "annotation.json", _LARGEST_TEXT))
            text = _member(path, archive, "clicks.csv", _LARGEST_TEXT).decode()
            clicks = tuple(parse_clicks(text, f"{path}: clicks.csv", 3))
            limit = math.prod(head.shape) * 8 + _LARGEST_TEXT
            labels = _read_labels(path, _member(path, archive, "labels.tif", limit), head.shape)
    except ClicksFileError as error:
        raise AnnotationFileError(str(error)) from error
    except AnnotationFileError:
        raise
    except FileNotFoundError as error:
        raise AnnotationFileError(
            f"there is no annotation {path}; check its name and folder"
        ) from error
    except MemoryError as error:
        raise AnnotationFileError(f"{path} does not fit into memory; close other files") from error
    # Of a damaged zip almost any error may come.
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise AnnotationFileError(f"cannot read {path}: {reason or error!r}; {_REMEDY}") from error
    saved = put_together(labels, head, clicks, head.placement)
    check(saved, path)
    return saved


def _head(path: object, text: bytes) -> Head:
    try:
        raw = json.loads(text)
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise AnnotationFileError(f"{path} is not a saved annotation; {_REMEDY}")
        if raw.get("version") != VERSION:
            raise AnnotationFileError(
                f"{path} has version {raw.get('version')!r} of the format, but this napari-gpcis "
                f"reads {VERSION}; update napari-gpcis"
            )
        return Head.model_validate_json(text)
    except AnnotationFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise AnnotationFileError(
            f"{path}: annotation.json is malformed ({first_complaint(error)}); {_REMEDY}"
        ) from error


def _member(path: object, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Content of a member of at most `limit` bytes."""
    try:
        member = archive.getinfo(name)
    except KeyError as error:
        raise AnnotationFileError(f"{path} holds no {name}; {_REMEDY}") from error
    if member.file_size > limit:
        raise AnnotationFileError(
            f"{path}: {name} has {member.file_size} bytes, more than it can need; {_REMEDY}"
        )
    return archive.read(member)


def _write_labels(file: Any, labels: ArrayLike) -> None:
    """Write plane by plane, so that labels need not fit into memory."""
    kind = np.dtype(labels.dtype)
    dtype = np.dtype(np.uint8) if kind.kind == "b" else kind.newbyteorder("<")
    shape = [int(size) for size in labels.shape]
    # For other readers: tifffile takes the shape from here.
    description: str | None = json.dumps({"shape": shape})
    large = math.prod(shape) * dtype.itemsize > _CLASSIC_BYTES
    with tifffile.TiffWriter(file, bigtiff=large) as tiff:
        for index in np.ndindex(*shape[:-2]):
            tiff.write(
                np.ascontiguousarray(np.asarray(labels[index]), dtype=dtype),
                photometric="minisblack",
                compression="zlib",
                metadata=None,
                description=description,
                contiguous=False,
            )
            description = None


def _read_labels(path: object, content: bytes, shape: Sequence[int]) -> Array:
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        count, plane = math.prod(shape[:-2]), tuple(shape[-2:])
        first = tiff.pages.first
        dtype = np.dtype(first.dtype)
        too_large = math.prod(shape) * dtype.itemsize > _LARGEST_RATIO * len(content)
        if dtype.kind not in "iu" or too_large:
            raise AnnotationFileError(f"{path}: labels.tif holds no such labels; {_REMEDY}")
        found = len(tiff.pages)
        labels = np.empty((count, *plane), dtype)
        for z, page in enumerate(tiff.pages):
            if found != count or page.shape != plane or page.dtype != dtype:
                raise AnnotationFileError(
                    f"{path}: there are {found} planes {page.shape} of labels, but the annotation "
                    f"says {count} planes {plane}; {_REMEDY}"
                )
            labels[z] = page.asarray()
        return labels.reshape(shape)
