"""`napari-gpcis check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_gpcis_training.commands.shared import report_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis_training.data.check import Check
    from napari_gpcis_training.data.layouts import LabelledFile

_PROBLEMS, _NOTHING = 1, 2
_MOST_ROWS = 40


def check(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="A data set, or a folder of data sets."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of images or stacks.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of their labels; the images' own if left out."),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            help="How DIR is laid out: auto, folder, grabcut, berkeley, davis, sbd, coco_mval, "
            "dsb2018 or sstem."
        ),
    ] = "auto",
    min_area: Annotated[int, typer.Option(min=1, help="Smallest object that counts, px.")] = 1,
    split: Annotated[
        Path | None,
        typer.Option(
            metavar="SPLIT.json",
            help="Split to compare the images with; is written when there is no such file.",
        ),
    ] = None,
    by: Annotated[
        str, typer.Option(help="What a split that is written keeps whole: file, block or group.")
    ] = "file",
    hold_out: Annotated[float, typer.Option(help="Part that it holds out.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Chooses what it holds out.")] = 0,
    group_pattern: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Its first group, searched in a file's name, names plate, film or photograph.",
        ),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(metavar="CYX", help="Axes of --images as stored; from the files by default."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read labelled images, say what there is, and list every problem with its remedy.

    Exit code 1 when there are problems, 2 when nothing can be used.
    """
    with report_errors():
        from napari_gpcis_training.data.check import check_files
        from napari_gpcis_training.data.splits import grouped

        found = {
            name: (grouped(files, group_pattern), remarks)
            for name, (files, remarks) in _find(folder, images, labels, layout, axes).items()
        }
        checks = {name: check_files(*pairing, min_area) for name, pairing in found.items()}
        problems = any(made.problems for made in checks.values())
        if as_json:
            print(json.dumps({name: made.as_json() for name, made in checks.items()}, indent=1))
        else:
            for name, made in checks.items():
                _show(name, made)
        if not all(made.usable for made in checks.values()):
            raise typer.Exit(_NOTHING)
        if split is not None and not problems:
            line = _split(
                split, {name: files for name, (files, _) in found.items()}, by, hold_out, seed
            )
            typer.echo(line, err=as_json)
        if problems:
            raise typer.Exit(_PROBLEMS)


def _find(
    folder: Path | None,
    images: Path | None,
    labels: Path | None,
    layout: str,
    axes: str | None,
) -> dict[str, tuple[list[LabelledFile], list[str]]]:
    """Labelled files and what is wrong with their names, by data set."""
    from napari_gpcis_training.data.check import find_sets
    from napari_gpcis_training.data.layouts import find_files, find_pairs

    if (folder is None) == (images is None) or (labels is not None and images is None):
        raise ValueError("expected a folder, or --images with or without --labels; give one")
    if axes is not None and images is None:
        raise ValueError("--axes are those of --images; give --images, too")
    if images is not None:
        return {images.resolve().name: find_pairs(images, labels or images, axes=axes)}
    sets = find_sets(folder, layout) if folder else []
    return {path.resolve().name: find_files(path, layout) for path in sets}


def _split(
    path: Path, sets: dict[str, list[LabelledFile]], by: str, hold_out: float, seed: int
) -> str:
    """Compare with the written split, or write one; a line that says how it divides."""
    from napari_gpcis_training.data import splits

    if path.exists():
        for name, files in sets.items():
            splits.check_split(splits.read_split(path, name), splits.items_of(files))
        return f"{path} is of these images"
    made = {
        name: splits.split_items(
            splits.items_of(files), by=splits.rule(by), hold_out=hold_out, seed=seed
        )
        for name, files in sets.items()
    }
    splits.write_split(path, made)
    parts = [
        f"{name}: {len(each.train)} to train on, {len(each.held_out)} held out"
        for name, each in made.items()
    ]
    return f"wrote {path}; slices of {'; '.join(parts)}"


def _show(name: str, made: Check) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{name} ({made.layout})")
    for title in ("file", "slices", "size", "channels", "type", "objects", "diameters, px"):
        table.add_column(title, justify="left" if title in ("file", "type") else "right")
    # as many as one reads; those with problems are all in the list below
    for file in made.files[:_MOST_ROWS]:
        table.add_row(*map(escape, _cells(file.as_json())))
    console = Console(width=None if Console().is_terminal else 110)
    console.print(table)
    if len(made.files) > _MOST_ROWS:
        console.print(f"… and {len(made.files) - _MOST_ROWS} more files")
    total = made.as_json()
    console.print(
        f"{len(made.files)} files, {total['objects']} objects, diameters of a quarter, half and "
        f"three quarters of them up to {_joined(total['diameters']) or '–'} px"
    )
    for line in made.problems:
        console.print(f"[red]problem:[/red] {escape(line)}", highlight=False, soft_wrap=True)


def _cells(file: dict[str, Any]) -> list[str]:
    if not file["shape"]:
        return [file["name"], *["–"] * 6]
    slices, rows, columns, channels = file["shape"]
    return [
        file["name"],
        f"{file['labelled_slices']} of {slices}",
        f"{rows} × {columns}",
        str(channels),
        file["dtype"],
        f"{file['objects']}{' (binary)' if file['binary'] else ''}",
        _joined(file["diameters"]),
    ]


def _joined(diameters: Sequence[float]) -> str:
    return " / ".join(f"{diameter:g}" for diameter in diameters)
