"""Pictures of a training's curves, and of a fine-tuning's."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis_training.plotting import figure_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Columns = dict[str, np.ndarray[Any, np.dtype[Any]]]
    OnEvent = Callable[[dict[str, Any]], None]

LOG = "log.csv"
VALIDATION = "validation.csv"
CURVES = "curves.png"
_SMOOTHED = 20


def draw_curves(folder: Path) -> None:
    """Draw loss, IoU and learning rate of a run's log as `curves.png`, if it has a line yet.

    Nothing is drawn without matplotlib, part of the extra `train`: the CSV has the figures.

    Parameters
    ----------
    folder : Path
        The run's folder.

    Raises
    ------
    OutputFileError
        If the picture cannot be written.
    """
    log, validation = _columns(folder / LOG), _columns(folder / VALIDATION)
    if not log or find_spec("matplotlib") is None:
        return
    with figure_to(folder / CURVES, 8, 9) as figure:
        loss, overlap, rate = figure.subplots(3, 1, sharex=True)
        steps = log["step"]
        for name, label in (("loss", "loss"), ("focal", "focal part")):
            loss.plot(steps, log[name], label=label)
        for name, label in (("first_iou", "first clicks"), ("last_iou", "corrected")):
            overlap.plot(steps, log[name], label=f"training, {label}")
        for name, label in (("iou1", "1 click"), ("iou5", "5 clicks")):
            if name in validation:
                values = validation[name] / 100
                overlap.plot(validation["step"], values, "o-", label=f"held out, {label}")
        rate.plot(steps, log["learning_rate"])
        loss.set(ylabel="loss")
        overlap.set(ylabel="IoU")
        rate.set(ylabel="learning rate", xlabel="step")
        for axes in (loss, overlap):
            axes.legend()


@dataclass(slots=True)
class TrainingCurves:
    """Passes a fine-tuning's events on and keeps what its picture shows.

    Attributes
    ----------
    on_event : callable
        Takes the events.
    losses : list of (int, float)
        Loss by step.
    clicks : list of (int, float)
        Clicks to 85 % on the objects to choose by, by step.
    """

    on_event: OnEvent
    losses: list[tuple[int, float]] = field(default_factory=list)
    clicks: list[tuple[int, float]] = field(default_factory=list)

    def __call__(self, event: dict[str, Any]) -> None:
        """Take an event."""
        if event["event"] == "progress":
            self.losses.append((event["step"], event["loss"]))
        if event["event"] == "validation":
            self.clicks.append((event["step"], event["noc85"]))
        self.on_event(event)

    def draw(self, path: Path) -> None:
        """Write the picture, a PNG.

        Raises
        ------
        OutputFileError
            If it cannot be written.
        """
        with figure_to(path, 8, 3.2) as figure:
            left, right = figure.subplots(1, 2)
            steps, losses = np.array(self.losses or [(0, np.nan)]).T
            width = min(_SMOOTHED, len(losses))
            left.plot(steps, losses, color="0.8")
            mean = np.convolve(losses, np.full(width, 1 / width), "valid")
            left.plot(steps[width - 1 :], mean, color="C0")
            left.set(xlabel="step", ylabel=f"loss, and its mean over {width} steps")
            right.plot(*np.array(self.clicks or [(0, np.nan)]).T, "o-", color="C1")
            right.set(xlabel="step", ylabel="clicks to 85 % on the objects to choose by")


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
