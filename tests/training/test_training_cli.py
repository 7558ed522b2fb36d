from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from napari_gpcis_training.cli import app
from typer.testing import CliRunner

from napari_gpcis.model.checkpoint import load_model, model_card


def train(data_root: Path, output: Path, config_path: Path, *options: str) -> tuple[int, str]:
    arguments = ["train", "--data", str(data_root), "--output", str(output)]
    arguments += ["--config", str(config_path), "--objects", "2", "--device", "cpu", *options]
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


def test_train_leaves_a_model_that_loads_and_a_later_decay(
    data_root: Path, tmp_path: Path, config_path: Path
) -> None:
    code, text = train(data_root, tmp_path / "run", config_path, "--steps", "2")
    assert code == 0, text
    network = load_model(tmp_path / "run" / "model.safetensors")
    assert network.config.encoder == "test_efficientnet"
    card = model_card(tmp_path / "run" / "model.safetensors")
    assert card.training["steps"] == 2
    assert set(card.scores) == {"cells", "volume"}
    assert card.training["data"] == {"cells": "CC0", "volume": "not stated"}
    assert card.licence == "BSD-3-Clause"
    checkpoint = str(tmp_path / "run" / "checkpoint.pt")
    code, text = train(
        data_root, tmp_path / "end", config_path, "--decay-from", checkpoint, "--steps", "3"
    )
    assert code == 0, text
    assert model_card(tmp_path / "end" / "model.safetensors").training["steps"] == 5


def test_a_run_is_not_overwritten(data_root: Path, tmp_path: Path, config_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    code, text = train(data_root, tmp_path, config_path, "--steps", "2")
    assert code == 2
    assert "--resume" in text


def test_missing_data_is_one_line_and_exit_code_2(tmp_path: Path, config_path: Path) -> None:
    code, text = train(tmp_path, tmp_path / "run", config_path, "--steps", "2")
    assert code == 2
    assert "expected a folder" in text
    assert "Traceback" not in text


def test_importing_the_commands_loads_neither_torch_nor_qt() -> None:
    program = (
        "import sys, napari_gpcis_training.cli\n"
        "print([name for name in ('torch', 'napari', 'qtpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
