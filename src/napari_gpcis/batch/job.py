"""A job: its files, its options, and a fingerprint of both."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from napari_gpcis.engine.options import check_diameter
from napari_gpcis.io.errors import ImageFileError, OptionError, OutputFileError
from napari_gpcis.io.files import check_suffix
from napari_gpcis.io.labels.object_table import slices_path
from napari_gpcis.io.labels.shapes import SHAPE_FORMATS, SHAPE_SUFFIXES, ShapeFormat, shape_path
from napari_gpcis.model import model_card

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OUTPUT_SUFFIXES", "Job", "SegmentOptions"]

Mode: TypeAlias = Literal["object", "class"]

ANNOTATION_SUFFIX = ".gpcis"
OUTPUT_SUFFIXES = (".tif", ".tiff", ".zarr")


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """Options of segmentation; see `segment_stack`."""

    mode: Mode = "object"
    propagate: bool = False
    find_all: bool = False
    min_score: float = 0.5
    model: str = "default"
    device: str = "auto"
    object_diameter: float | None = None
    channels: tuple[int, ...] | None = None
    axes: str | None = None
    series: int = 0
    threads: int | None = None
    also: tuple[ShapeFormat, ...] = ()

    def __post_init__(self) -> None:
        """Check all that can be checked without opening a file."""
        if self.mode not in ("object", "class"):
            raise OptionError(f"expected mode 'object' or 'class', got {self.mode!r}; choose one")
        if self.propagate and self.mode == "class":
            raise OptionError(
                "class mode gives every slice its classes and has nothing to propagate; "
                "leave propagate out"
            )
        if self.find_all and (self.mode == "class" or self.propagate):
            raise OptionError(
                "finding all objects needs outlined ones, and follows them through the slices by "
                "itself; leave class mode and propagate out"
            )
        if not 0 <= self.min_score <= 1:
            raise OptionError(f"expected a min_score from 0 to 1, got {self.min_score}")
        try:
            check_diameter(self.object_diameter)
        except ValueError as error:
            raise OptionError(str(error)) from error
        unknown = [kind for kind in self.also if kind not in SHAPE_FORMATS]
        if unknown:
            raise OptionError(
                f"expected {', '.join(SHAPE_FORMATS)} besides the labels, got {unknown[0]!r}; "
                "choose one of those"
            )
        if self.threads is not None and self.threads < 1:
            raise OptionError(
                f"expected 1 thread or more, got {self.threads}; leave it out for all cores"
            )


@dataclass(frozen=True, slots=True)
class Job:
    """One stack.

    Attributes
    ----------
    image, clicks, output : Path
        `clicks` may be a boxes file or, as examples of what to find, the saved annotation
        (.gpcis) of another image.
    preview, table : Path or None
        Further outputs.
    options : SegmentOptions
    boxes : Path or None
        Boxes file besides the clicks.
    """

    image: Path
    clicks: Path
    output: Path
    preview: Path | None = None
    table: Path | None = None
    options: SegmentOptions = field(default_factory=SegmentOptions)
    boxes: Path | None = None

    @property
    def has_examples(self) -> bool:
        """True if it goes by the objects of another image, not by clicks."""
        return self.clicks.suffix.lower() == ANNOTATION_SUFFIX

    @property
    def further_outputs(self) -> tuple[Path, ...]:
        """Outputs besides the labels."""
        tables = () if self.table is None else (self.table, slices_path(self.table))
        previews = () if self.preview is None else (self.preview,)
        return (*tables, *previews, *self.shapes)

    @property
    def shapes(self) -> tuple[Path, ...]:
        """Files of shapes, beside the labels."""
        return tuple(shape_path(self.output, kind) for kind in dict.fromkeys(self.options.also))

    def check(self) -> None:
        """Refuse outputs with wrong endings, or in place of inputs.

        Raises
        ------
        OutputFileError
        OptionError
        """
        kind = SHAPE_SUFFIXES.get(self.output.suffix.lower())
        if kind is not None:
            raise OutputFileError(
                f"{self.output} cannot hold labels, and shapes are written beside labels; give "
                f"one that ends in .tif, and --also {kind}"
            )
        check_suffix(self.output, OUTPUT_SUFFIXES)
        if self.preview is not None:
            check_suffix(self.preview, (".png",))
        if self.table is not None:
            check_suffix(self.table, (".csv",))
            if self.options.mode == "class":
                raise OptionError(
                    "a table lists objects, and class mode has none; leave the table out"
                )
        taken = {path.resolve() for path in (self.image, self.clicks, self.boxes) if path}
        for path in (self.output, *self.further_outputs):
            if path.resolve() in taken:
                raise OutputFileError(
                    f"{path} is an input of this run; choose another name to write"
                )
            taken.add(path.resolve())

    def fingerprint(self) -> str:
        """Digest of everything that the result depends on.

        Raises
        ------
        UserError
            If an input is not there.
        """
        options = asdict(self.options)
        del options["threads"], options["also"]
        model = model_card(self.options.model).path
        seen = {
            "version": version("napari-gpcis"),
            "options": options,
            "model": _content(model, model.stat().st_mtime_ns),
            "image": [os.fspath(self.image.resolve()), *_state(self.image)],
            "clicks": _content(self.clicks, self.clicks.stat().st_mtime_ns)
            if self.clicks.is_file()
            else None,
        }
        if self.boxes is not None and self.boxes.is_file():
            seen["boxes"] = _content(self.boxes, self.boxes.stat().st_mtime_ns)
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=64)
def _content(path: Path, _: int) -> str:
    """Digest of a small file; read again when its time of change differs."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _state(image: Path) -> Iterator[tuple[str, int, int]]:
    """Sizes and times of change of an image's files; for a folder, of the files directly in it."""
    try:
        paths = sorted(image.iterdir()) if image.is_dir() else [image]
        for path in paths:
            seen = path.stat()
            yield path.name, seen.st_size, seen.st_mtime_ns
    except OSError as error:
        raise ImageFileError(
            f"cannot read {image}: {error.strerror}; check its name and folder"
        ) from error
