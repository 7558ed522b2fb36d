"""Find the stacks of a command: in a folder, several files, a pattern, or a manifest."""

from __future__ import annotations

import csv
import glob
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from napari_gpcis.batch.job import ANNOTATION_SUFFIX, OUTPUT_SUFFIXES, Job, SegmentOptions
from napari_gpcis.io.errors import ImageFileError, OptionError, UserError
from napari_gpcis.io.files import is_zarr_folder, natural_order
from napari_gpcis.io.images.open import may_be_image
from napari_gpcis.io.labels.marks import is_output
from napari_gpcis.io.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DiscoveredJobs", "find_jobs"]

LOG = "segment.log.jsonl"
# Skipped files that are named.
_SHOWN = 5
_COLUMNS = ("image", "clicks", "output")
# Files that accompany images in a folder.
_NO_IMAGES = {".csv", ".json", ".jsonl", ".md", ".txt", ".xml", ".yaml", ".yml", ".gpcis", ".ini"}
_COMPOUND = re.compile(r"\.(ome\.tiff?|ome\.zarr|ome\.tf[28]|tiff?|zarr|zip|[^.]+)$", re.IGNORECASE)


class DiscoveredJobs(NamedTuple):
    """Jobs that the command line asks for.

    Attributes
    ----------
    jobs : list of Job
    log : Path
        File that records finished stacks.
    is_single : bool
        True if one stack was meant, not a list that happens to hold one.
    skipped : str
        Sentence on what was skipped as no image; empty if nothing was.
    """

    jobs: list[Job]
    log: Path
    is_single: bool = False
    skipped: str = ""


def find_jobs(
    images: Sequence[Path],
    clicks: Path | None,
    output: Path | None,
    *,
    preview: Path | None = None,
    table: Path | None = None,
    suffix: str = ".tif",
    options: SegmentOptions | None = None,
    boxes: Path | None = None,
    like: Path | None = None,
) -> DiscoveredJobs:
    """Tell one stack from many, and pair each image with its clicks and its output.

    Parameters
    ----------
    images : sequence of Path
        One image; or several, a pattern such as ``stacks/*.tif``, a folder of images, or a
        manifest: a CSV file with the columns image, clicks and, unless there is an `output`
        folder, output, whose paths are relative to its own.
    clicks : Path, optional
        Clicks file of one image; for many, the folder that holds NAME.csv for each NAME.tif, by
        default the image's own folder. A folder of images with a clicks file is one stack of
        pages.
    output : Path, optional
        Label file of one image; for many, the folder for NAME_labels.tif.
    preview, table : Path, optional
        Likewise a file or, for NAME.png and NAME.csv, a folder.
    suffix : str
        Ending of the label files of many: .tif, or .ome.zarr.
    options : SegmentOptions, optional
        Options of all jobs.
    boxes : Path, optional
        Boxes file, or the folder of such, in place of the clicks or besides them.
    like : Path, optional
        Saved annotation whose objects are the examples for all images, in place of clicks.

    Raises
    ------
    UserError
    """
    wanted = _Wanted(output, preview, table, suffix, options or SegmentOptions())
    if boxes is None or clicks is None:
        return _find(images, clicks or boxes, like, wanted)
    return _with_boxes(boxes, _find(images, clicks, like, wanted))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be made of each image, and how: files for one image, folders for many."""

    output: Path | None
    preview: Path | None
    table: Path | None
    suffix: str
    options: SegmentOptions


def _find(
    images: Sequence[Path], clicks: Path | None, like: Path | None, wanted: _Wanted
) -> DiscoveredJobs:
    """Tell one stack from many; boxes without clicks are taken for clicks."""
    output = wanted.output
    if like is not None:
        _check_like(like, clicks)
    if len(images) == 1 and images[0].suffix.lower() == ".csv" and like is None:
        return _of_manifest(images[0], clicks, wanted)
    if len(images) == 1 and not _is_pattern(images[0]):
        image = images[0]
        if clicks is not None and not clicks.is_dir():
            return _single(image, clicks, wanted)
        clicks = like or clicks
        if not image.is_dir() or is_zarr_folder(image):
            if output is None or output.suffix.lower() in OUTPUT_SUFFIXES:
                return _single(image, clicks, wanted)
            # what a shell made of a pattern that only one file matches
            found = _Found.among([image], images)
        else:
            found = _Found.among(list(image.iterdir()), images)
    else:
        found = _Found.among([path for given in images for path in _matches(given)], images)
    if output is not None:
        found.leave_out({output / f"{_name(path)}_labels{wanted.suffix}" for path in found.images})
    if like is None and clicks is not None and not clicks.is_dir():
        raise _no_folder(len(found.images), clicks)
    pairs = [
        (path, like or (clicks or path.parent) / f"{_name(path)}.csv", None)
        for path in found.images
    ]
    return _many(pairs, wanted)._replace(skipped=found.skipped())


def _with_boxes(boxes: Path, found: DiscoveredJobs) -> DiscoveredJobs:
    """Jobs with their boxes; in a folder, those of images without a file there have none."""
    if not boxes.is_dir():
        if not found.is_single:
            raise _no_folder(len(found.jobs), boxes)
        return found._replace(jobs=[replace(job, boxes=boxes) for job in found.jobs])
    files = [boxes / f"{_name(job.image)}.csv" for job in found.jobs]
    jobs = [
        replace(job, boxes=path) if path.is_file() else job
        for job, path in zip(found.jobs, files, strict=True)
    ]
    return found._replace(jobs=jobs)


@dataclass(slots=True)
class _Found:
    """Files of a folder, a pattern or a list, sorted out.

    Attributes
    ----------
    images : list of Path
        In natural order.
    outputs, others : list of Path
        Our own outputs, and what is no image; without files that accompany images.
    """

    images: list[Path]
    outputs: list[Path]
    others: list[Path]

    @classmethod
    def among(cls, paths: Sequence[Path], given: Sequence[Path]) -> _Found:
        """Sort paths out; those that were `given` one by one may be missing, or folders of pages.

        Raises
        ------
        ImageFileError
            If there is no image.
        """
        found = cls([], [], [])
        for path in paths:
            is_named = path in given and not path.is_file() and not is_zarr_folder(path)
            if is_named:
                found.images.append(path)
            elif may_be_image(path):
                (found.outputs if is_output(path) else found.images).append(path)
            elif path.is_file() and not _accompanies(path):
                found.others.append(path)
        if not found.images:
            known = f" ({found.skipped()})" if found.outputs or found.others else ""
            if len(given) > 1 or given[0] in paths:
                raise ImageFileError(f"none of the files given is an image{known}; give images")
            if _is_pattern(given[0]):
                raise ImageFileError(
                    f"no image matches {given[0]}{known}; check the pattern and the folder"
                )
            raise ImageFileError(f"{given[0]} holds no images{known}; give the folder that does")
        if len(given) == 1:
            found.images.sort(key=_order)
        return found

    def leave_out(self, outputs: set[Path]) -> None:
        """Take images for outputs whose paths are those that the others' labels will have."""
        self.outputs += [path for path in self.images if path in outputs]
        self.images = [path for path in self.images if path not in outputs]

    def skipped(self) -> str:
        """Sentence on all that are no images; empty if there are none."""
        parts = []
        if self.outputs:
            parts.append(f"{_counted(len(self.outputs), 'output')} of earlier runs")
        if self.others:
            names = ", ".join(path.name for path in sorted(self.others, key=_order)[:_SHOWN])
            more = ", …" if len(self.others) > _SHOWN else ""
            noun = (
                "file that is not an image"
                if len(self.others) == 1
                else "files that are not images"
            )
            parts.append(f"{len(self.others)} {noun} ({names}{more})")
        return f"skipped {' and '.join(parts)}" if parts else ""


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _no_folder(images: int, path: Path) -> OptionError:
    return OptionError(
        f"there are {images} images, but {path} is not a folder; give the folder that holds "
        "NAME.csv for each NAME.tif"
    )


def _check_like(like: Path, clicks: Path | None) -> None:
    if clicks is not None:
        raise OptionError("--like takes the place of clicks; leave --clicks out")
    if like.suffix.lower() != ANNOTATION_SUFFIX:
        raise OptionError(
            f"{like} is not a saved annotation ({ANNOTATION_SUFFIX}); save one in napari's panel"
        )
    if not like.is_file():
        raise OptionError(f"there is no annotation {like}; check its name and folder")


def _single(image: Path, clicks: Path | None, wanted: _Wanted) -> DiscoveredJobs:
    if clicks is None:
        raise OptionError("--clicks is missing (or --boxes), which one image needs; give its file")
    if wanted.output is None:
        raise OptionError("--output is missing, which one image needs; give its file")
    job = Job(image, clicks, wanted.output, wanted.preview, wanted.table, wanted.options)
    return DiscoveredJobs([job], wanted.output.parent / LOG, is_single=True)


def _many(
    pairs: Sequence[tuple[Path, Path, Path | None]], wanted: _Wanted, log: Path | None = None
) -> DiscoveredJobs:
    """Jobs of many images; outputs without a path of their own go into the folder."""
    output, preview, table = wanted.output, wanted.preview, wanted.table
    if output is not None and output.suffix.lower() in OUTPUT_SUFFIXES:
        raise OptionError(
            f"there are {len(pairs)} images, but {output} is the name of one file; give a folder"
        )
    jobs = []
    for image, clicks, own in pairs:
        name = _name(image)
        target = own or (output / f"{name}_labels{wanted.suffix}" if output is not None else None)
        if target is None:
            raise OptionError("--output is missing; give the folder for the label files")
        jobs.append(
            Job(
                image,
                clicks,
                target,
                preview and preview / f"{name}.png",
                table and table / f"{name}.csv",
                wanted.options,
            )
        )
    _check_distinct(jobs)
    for folder in {output, preview, table} - {None}:
        _make(folder)
    return DiscoveredJobs(jobs, log or jobs[0].output.parent / LOG)


def _of_manifest(path: Path, clicks: Path | None, wanted: _Wanted) -> DiscoveredJobs:
    if clicks is not None:
        raise OptionError(f"the manifest {path} names the clicks; leave --clicks out")
    rows = _rows(path)
    needed = _COLUMNS if wanted.output is None else _COLUMNS[:2]
    pairs = []
    for line, row in rows:
        missing = [name for name in needed if not row.get(name)]
        if missing:
            raise UserError(
                f"{path}, line {line}: no {' and no '.join(missing)}; write the columns "
                f"{', '.join(needed)}"
            )
        own = None if wanted.output is not None else path.parent / row["output"]
        pairs.append((path.parent / row["image"], path.parent / row["clicks"], own))
    log = path.with_suffix(".log.jsonl") if wanted.output is None else None
    return _many(pairs, wanted, log)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = read_table(file, _COLUMNS.__contains__)
    except FileNotFoundError as error:
        raise UserError(f"there is no manifest {path}; check its name and folder") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path} as a CSV text file; save it as one") from error
    if not table.rows:
        raise UserError(f"{path} names no images; write the columns {', '.join(_COLUMNS)}")
    for line, cells in table.rows:
        # What spreadsheets leave of empty columns is no fault.
        while len(cells) > len(table.header) and not cells[-1].strip():
            cells.pop()
        cells += [""] * (len(table.header) - len(cells))
        if complaint := table.check_width(cells):
            raise UserError(f"{path}, line {line}: {complaint}")
    return [
        (line, dict(zip(table.header, map(str.strip, cells), strict=True)))
        for line, cells in table.rows
    ]


def _matches(given: Path) -> list[Path]:
    if not _is_pattern(given):
        return [given]
    return sorted((Path(name) for name in glob.glob(str(given), recursive=True)), key=_order)


def _accompanies(path: Path) -> bool:
    """True for files that go with images in a folder, and for hidden ones."""
    return path.name.startswith(".") or path.suffix.lower() in _NO_IMAGES


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(str(path)) and not path.exists()


def _order(path: Path) -> tuple[list[tuple[int, str]], str]:
    return natural_order(str(path))


def _name(path: Path) -> str:
    """Name of an image without its endings."""
    return _COMPOUND.sub("", path.name) or path.name


def _check_distinct(jobs: Sequence[Job]) -> None:
    taken: dict[Path, Path] = {}
    for job in jobs:
        other = taken.setdefault(job.output.resolve(), job.image)
        if other != job.image:
            raise OptionError(
                f"{other} and {job.image} would both be written to {job.output}; rename one, or "
                "name the outputs in a manifest"
            )


def _make(folder: Path | None) -> None:
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(
            f"cannot make the folder {folder}: {error.strerror}; choose another"
        ) from error
