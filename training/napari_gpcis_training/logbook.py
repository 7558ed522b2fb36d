"""What a run writes down: CSV files, tensorboard, and in the end a picture of the curves."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis_training.curves import LOG, VALIDATION, draw_curves, read_rows
from napari_gpcis_training.training_pass import StepReport

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.state import TrainingState

    Row = dict[str, float]

TENSORBOARD = "tensorboard"


def row_of(state: TrainingState, config: TrainConfig, seconds_per_step: float) -> Row:
    """Means of the recent reports, as a line of the log."""
    row: Row = {"step": state.step, "minutes": round(state.seconds / 60, 2)}
    for name in StepReport._fields:
        values = [getattr(report, name) for report in state.recent]
        values = [value for value in values if not math.isnan(value)]
        row[name] = round(float(np.mean(values)), 5) if values else math.nan
    # the rate of the last step that these are about
    row["learning_rate"] = config.optimiser.learning_rate * state.schedule.factor(state.step - 1)
    row["seconds_per_step"] = round(seconds_per_step, 4)
    row["crops_per_second"] = round(row["crops"] / max(seconds_per_step, 1e-9), 2)
    return row


class Logbook:
    """A run's files of figures, as a context that draws the curves when it is left.

    Parameters
    ----------
    folder : Path or None
        The run's folder; None writes nothing.
    step : int
        Step from which the run goes on: what was written of later ones is dropped, so that no
        step appears twice.
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self._folder = folder
        self._board: Any = None
        if folder is None:
            return
        with os_errors_as_output_errors(folder / LOG):
            folder.mkdir(parents=True, exist_ok=True)
        for name in (LOG, VALIDATION):
            _cut(folder / name, step)
        self._board = _board(folder / TENSORBOARD, step)

    def write(self, row: Row, name: str = LOG, prefix: str = "train") -> None:
        """Add a line to a CSV file, and its figures to tensorboard."""
        if self._folder is None:
            return
        path = self._folder / name
        with os_errors_as_output_errors(path):
            columns = _columns(path)
            with path.open("a", newline="", encoding="utf-8") as file:
                # an older version's file keeps its columns
                writer = csv.DictWriter(file, columns or list(row), "", "ignore")
                if not columns:
                    writer.writeheader()
                writer.writerow(row)
        if self._board is not None:
            for key, value in row.items():
                if key not in ("step", "minutes") and not math.isnan(value):
                    self._board.add_scalar(f"{prefix}/{key}", value, int(row["step"]))

    def picture(self, name: str, picture: np.ndarray, step: int) -> None:
        """Put a picture, uint8 of shape (H, W, 3), into tensorboard."""
        if self._board is not None:
            self._board.add_image(name, picture, step, dataformats="HWC")

    def flush(self) -> None:
        """Bring tensorboard's file up to the step: before a checkpoint says that it is there."""
        if self._board is not None:
            self._board.flush()

    def __enter__(self) -> Logbook:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._board is not None:
            self._board.close()
        if self._folder is not None and kind is None:
            draw_curves(self._folder)


def _columns(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def _cut(path: Path, step: int) -> None:
    """Drop the lines of steps after `step`, and a line that was cut short."""
    if not path.exists():
        return
    rows = [row for row in read_rows(path) if float(row["step"]) <= step]
    if not rows:
        path.unlink()
        return
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _board(folder: Path, step: int) -> Any | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        # part of the extra `train`; the CSV has all of its figures
        return None
    with os_errors_as_output_errors(folder):
        return SummaryWriter(str(folder), purge_step=step + 1)
