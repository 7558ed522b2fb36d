from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import typer
from napari_gpcis_training.commands.benchmark import benchmark
from typer.testing import CliRunner

from napari_gpcis.model import NetworkConfig, build_network, save_checkpoint

app = typer.Typer()
app.command()(benchmark)

pytestmark = pytest.mark.slow


def test_calibration_and_guidance_are_measured_on_request(data_root: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = NetworkConfig(
        encoder="test_efficientnet", channels=8, feature_dim=8, fourier_features=8
    )
    model = tmp_path / "tiny.safetensors"
    save_checkpoint(model, build_network(config), training={}, scores={})
    output = tmp_path / "report"
    options = ["--dataset", data_root / "cells", "--model", model, "--output", output]
    options += ["--objects", 1, "--crop-size", 64, "--device", "cpu", "--calibration", "--guidance"]
    result = CliRunner().invoke(app, [str(option) for option in options])
    assert result.exit_code == 0, result.output

    calibration = json.loads((output / "calibration_tiny" / "calibration.json").read_text())
    assert calibration["temperature"] > 0
    assert calibration["reported_on"] == {"cells": 3}
    assert (output / "calibration_tiny" / "reliability.png").stat().st_size > 1000
    guidance = json.loads((output / "guidance_tiny" / "guidance.json").read_text())
    assert {"random", "click here next"} <= guidance["ways"].keys()
