"""Reports in files: Markdown tables, means with their errors, names fit to be written."""

from __future__ import annotations

import hashlib
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["file_stem", "markdown", "markdown_rows", "mean_and_error", "with_error", "write_texts"]

_SPECIAL = re.compile(r"([\\`*<>\[\]|~&]|(?<![^\W_])_|_(?![^\W_]))")


def markdown_rows(frame: pd.DataFrame) -> str:
    """Lay out a frame as a table of GitHub's Markdown, without its index.

    Parameters
    ----------
    frame : DataFrame
        Cells and titles as they are to be read, names escaped by `markdown`. The first column is
        aligned to the left, all others to the right.
    """
    sides = ["left", *["right"] * (len(frame.columns) - 1)]
    text: str = frame.to_markdown(index=False, colalign=sides, disable_numparse=True)
    return text


def mean_and_error(values: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float]]:
    """Mean of each column, and its standard error; NaN where there is a single row."""
    return values.mean(), values.sem()


def with_error(mean: float, error: float | None, digits: int) -> str:
    """Write a mean as "1.2 ± 0.3", or alone where its error is not known."""
    if error is None or error != error:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def write_texts(folder: str | Path, texts: Mapping[str, str]) -> list[Path]:
    """Write files into a folder: all of them or, on an error, none.

    Parameters
    ----------
    folder : path
        Created if missing; files of the same names in it are replaced.
    texts : mapping
        Content by file name.

    Returns
    -------
    list of Path
        The files, in the order of `texts`.

    Raises
    ------
    OutputFileError
        When the system refuses to write.
    """
    paths = [Path(folder) / name for name in texts]
    with os_errors_as_output_errors(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        # Each is in its temporary place before the first takes its own.
        for path, text in zip(paths, texts.values(), strict=True):
            part = stack.enter_context(atomic_write(path))
            with os_errors_as_output_errors(path):
                part.write_text(text, encoding="utf-8", newline="")
    return paths


def file_stem(name: str) -> str:
    """Turn any name into the stem of a file, different for different names.

    A short name of letters, digits and, between them, dots, hyphens and underscores stays; in any
    other one the rest is replaced, and eight digits of its SHA-256 are appended.
    """
    stem = re.sub(r"[^\w.-]+", "_", name).strip("._-")[:80]
    if stem and stem == name:
        return stem
    return f"{stem or 'name'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def markdown(text: str) -> str:
    """Escape what GitHub's Markdown would take for a table's edge, emphasis, a link or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
