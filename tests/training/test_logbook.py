from __future__ import annotations

import io
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from napari_gpcis_training.curves import CURVES, LOG, read_rows
from napari_gpcis_training.logbook import Logbook
from napari_gpcis_training.progress import BarProgress, LineProgress, progress_on
from napari_gpcis_training.training_pass import StepReport
from rich.console import Console

ROW = {
    "loss": 0.5,
    "focal": 0.4,
    "first_iou": 0.6,
    "last_iou": float("nan"),
    "learning_rate": 1e-3,
}


def test_leaving_the_log_draws_the_curves(tmp_path: Path) -> None:
    with Logbook(tmp_path, 0) as log:
        for step in (10, 20, 30):
            log.write({"step": step, **ROW})
    picture = iio.imread(tmp_path / CURVES)
    assert picture.shape[0] > 600
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 20


def test_lines_beyond_the_checkpoint_and_cut_short_are_dropped(tmp_path: Path) -> None:
    with Logbook(tmp_path, 0) as log:
        for step in (10, 20, 30):
            log.write({"step": step, **ROW})
    with (tmp_path / LOG).open("a", encoding="utf-8") as file:
        file.write("15,0.5,0.")
    with Logbook(tmp_path, 20) as log:
        log.write({"step": 30, **ROW})
    assert [row["step"] for row in read_rows(tmp_path / LOG)] == ["10", "20", "30"]


def test_an_older_log_keeps_its_columns(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text("step,loss,gone\n10,0.7,1\n", encoding="utf-8")
    log = Logbook(tmp_path, 10)
    log.write({"step": 20, **ROW})
    assert read_rows(tmp_path / LOG)[1] == {"step": "20", "loss": "0.5", "gone": ""}


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    with Logbook(None, 0) as log:
        log.write({"step": 10, **ROW})
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_sees_a_bar_and_a_file_lines(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = io.StringIO()
    bar = progress_on(Console(file=terminal, force_terminal=True, width=100))
    assert isinstance(bar, BarProgress)
    with bar:
        bar.show(0.25, StepReport(0.5, 0.4, 1, 0.6, 0.7, 3, 12), 0.5, 90.0)
    assert "25%" in terminal.getvalue()
    assert "24.0 crops/s" in terminal.getvalue()
    assert "1 h 30 min left" in terminal.getvalue()
    lines = progress_on(Console(file=io.StringIO()))
    assert isinstance(lines, LineProgress)
    figures = {"minutes": 3, "clicks": 2, "seconds_per_step": 0.5, "crops_per_second": 24}
    lines.row({"step": 50, **ROW, **figures}, 90)
    assert "step 50  loss 0.5000" in capsys.readouterr().out
