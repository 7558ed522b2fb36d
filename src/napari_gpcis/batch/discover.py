"""Find the stacks of a command: in a folder, several files, a pattern, or a manifest."""

from __future__ import annotations

import csv
import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from napari_gpcis.batch.job import OUTPUT_SUFFIXES, Job, SegmentOptions
from napari_gpcis.io.errors import ImageFileError, OptionError, UserError
from napari_gpcis.io.files import is_zarr_folder, natural_order
from napari_gpcis.io.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DiscoveredJobs", "find_jobs"]

LOG = "segment.log.jsonl"
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
    """

    jobs: list[Job]
    log: Path
    is_single: bool = False


def find_jobs(
    images: Sequence[Path],
    clicks: Path | None,
    output: Path | None,
    *,
    preview: Path | None = None,
    table: Path | None = None,
    suffix: str = ".tif",
    options: SegmentOptions | None = None,
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

    Raises
    ------
    UserError
    """
    options = options or SegmentOptions()
    if len(images) == 1 and images[0].suffix.lower() == ".csv":
        return _of_manifest(images[0], clicks, output, preview, table, suffix, options)
    if len(images) == 1 and not _is_pattern(images[0]):
        image = images[0]
        if clicks is not None and not clicks.is_dir():
            return _single(image, clicks, output, preview, table, options)
        if not image.is_dir() or is_zarr_folder(image):
            if output is None or output.suffix.lower() in OUTPUT_SUFFIXES:
                return _single(image, clicks, output, preview, table, options)
            found = [image]  # what a shell made of a pattern that only one file matches
        else:
            found = _images_in(image)
    else:
        found = [path for given in images for path in _matches(given)]
    if clicks is not None and not clicks.is_dir():
        raise OptionError(
            f"there are {len(found)} images, but {clicks} is no folder; give the folder that "
            "holds NAME.csv for each NAME.tif"
        )
    pairs = [(path, (clicks or path.parent) / f"{_name(path)}.csv", None) for path in found]
    return _many(pairs, output, preview, table, suffix, options)


def _single(
    image: Path,
    clicks: Path | None,
    output: Path | None,
    preview: Path | None,
    table: Path | None,
    options: SegmentOptions,
) -> DiscoveredJobs:
    if clicks is None:
        raise OptionError("--clicks is missing, which one image needs; give its file")
    if output is None:
        raise OptionError("--output is missing, which one image needs; give its file")
    job = Job(image, clicks, output, preview, table, options)
    return DiscoveredJobs([job], output.parent / LOG, is_single=True)


def _many(
    pairs: Sequence[tuple[Path, Path, Path | None]],
    output: Path | None,
    preview: Path | None,
    table: Path | None,
    suffix: str,
    options: SegmentOptions,
    log: Path | None = None,
) -> DiscoveredJobs:
    """Jobs of many images; outputs without a path of their own go into the folder."""
    if output is not None and output.suffix.lower() in OUTPUT_SUFFIXES:
        raise OptionError(
            f"there are {len(pairs)} images, but {output} is the name of one file; give a folder"
        )
    jobs = []
    for image, clicks, own in pairs:
        name = _name(image)
        target = own or (output / f"{name}_labels{suffix}" if output is not None else None)
        if target is None:
            raise OptionError("--output is missing; give the folder for the label files")
        jobs.append(
            Job(
                image,
                clicks,
                target,
                preview and preview / f"{name}.png",
                table and table / f"{name}.csv",
                options,
            )
        )
    _check_distinct(jobs)
    for folder in {output, preview, table} - {None}:
        _make(folder)
    return DiscoveredJobs(jobs, log or jobs[0].output.parent / LOG)


def _of_manifest(
    path: Path,
    clicks: Path | None,
    output: Path | None,
    preview: Path | None,
    table: Path | None,
    suffix: str,
    options: SegmentOptions,
) -> DiscoveredJobs:
    if clicks is not None:
        raise OptionError(f"the manifest {path} names the clicks; leave --clicks out")
    rows = _rows(path)
    needed = _COLUMNS if output is None else _COLUMNS[:2]
    pairs = []
    for line, row in rows:
        missing = [name for name in needed if not row.get(name)]
        if missing:
            raise UserError(
                f"{path}, line {line}: no {' and no '.join(missing)}; write the columns "
                f"{', '.join(needed)}"
            )
        own = None if output is not None else path.parent / row["output"]
        pairs.append((path.parent / row["image"], path.parent / row["clicks"], own))
    log = path.with_suffix(".log.jsonl") if output is None else None
    return _many(pairs, output, preview, table, suffix, options, log)


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
    found = [Path(name) for name in glob.glob(str(given), recursive=True)]
    images = sorted((path for path in found if _may_be_image(path)), key=_order)
    if not images:
        raise ImageFileError(f"no image matches {given}; check the pattern and the folder")
    return images


def _images_in(folder: Path) -> list[Path]:
    images = sorted((path for path in folder.iterdir() if _may_be_image(path)), key=_order)
    if not images:
        raise ImageFileError(f"{folder} holds no images; give the folder that does")
    return images


def _may_be_image(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return is_zarr_folder(path) if path.is_dir() else path.suffix.lower() not in _NO_IMAGES


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
