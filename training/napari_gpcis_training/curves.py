"""A picture of a run's curves."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.io.files import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

    Columns = dict[str, np.ndarray[Any, np.dtype[Any]]]

LOG = "log.csv"
VALIDATION = "validation.csv"
CURVES = "curves.png"


def draw_curves(folder: Path) -> None:
    """Draw loss, IoU and learning rate of a run's log as `curves.png`, if there is a line yet.

    Parameters
    ----------
    folder : Path
        The run's folder.

    Raises
    ------
    ValueError
        If the picture cannot be written.
    """
    log, validation = _columns(folder / LOG), _columns(folder / VALIDATION)
    if not log:
        return
    try:
        from matplotlib.figure import Figure
    except ImportError:  # part of the extra `train`; the CSV has the figures
        return
    # a figure without pyplot needs no display
    figure = Figure(figsize=(8, 9), layout="constrained")
    loss, overlap, rate = figure.subplots(3, 1, sharex=True)
    steps = log["step"]
    for name, label in (("loss", "loss"), ("focal", "focal part")):
        loss.plot(steps, log[name], label=label)
    loss.set_ylabel("loss")
    for name, label in (("first_iou", "first clicks"), ("last_iou", "corrected")):
        overlap.plot(steps, log[name], label=f"training, {label}")
    for name, label in (("iou1", "1 click"), ("iou5", "5 clicks")):
        if name in validation:
            overlap.plot(
                validation["step"], validation[name] / 100, "o-", label=f"held out, {label}"
            )
    overlap.set_ylabel("IoU")
    rate.plot(steps, log["learning_rate"])
    rate.set_ylabel("learning rate")
    rate.set_xlabel("step")
    for axes in (loss, overlap):
        axes.legend()
    for axes in (loss, overlap, rate):
        axes.grid(alpha=0.3)
    with atomic_write(folder / CURVES) as part:
        figure.savefig(part, dpi=120, format="png")


def read_rows(path: Path) -> list[dict[str, str]]:
    """Lines of a CSV file; a last one that was cut short is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    return list(csv.DictReader(whole))


def _columns(path: Path) -> Columns:
    rows = read_rows(path)
    if not rows:
        return {}
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
