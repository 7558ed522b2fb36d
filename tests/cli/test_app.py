from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import EntryPoint, version
from typing import TYPE_CHECKING

import pytest
import torch
import typer
from typer.testing import CliRunner

from napari_gpcis import __version__
from napari_gpcis.cli import plugins
from napari_gpcis.cli.app import app
from napari_gpcis.model.checkpoint import ModelFileError, load_checkpoint, model_card

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNNER = CliRunner()


def test_help_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom napari_gpcis.cli import app\n"
        "print(CliRunner().invoke(app, ['segment', '--help']).output)\n"
        "print(sorted({'torch', 'numpy', 'napari'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--clicks" in done.stdout
    assert done.stdout.rstrip().endswith("[]")


def test_the_version_is_shown() -> None:
    assert RUNNER.invoke(app, ["--version"]).output.strip() == __version__


def test_an_unknown_mode_is_a_usage_error() -> None:
    options = ["segment", "a.tif", "--clicks", "b.csv", "--output", "c.tif", "--mode", "magic"]
    done = RUNNER.invoke(app, options)
    assert done.exit_code == 2
    assert "magic" in done.output


def test_channels_that_are_no_numbers_are_a_usage_error() -> None:
    options = ["segment", "a.tif", "--clicks", "b.csv", "--output", "c.tif", "--channels", "red"]
    done = RUNNER.invoke(app, options)
    assert done.exit_code == 2
    assert "0,2" in done.output


def test_models_info_shows_the_card(tiny_model: Path) -> None:
    done = RUNNER.invoke(app, ["models", "info", str(tiny_model)])
    assert done.exit_code == 0
    assert "encoder: test_resnet" in done.output
    assert "data: none" in done.output


def test_models_list_names_what_is_shipped(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = "napari_gpcis.model.checkpoint"
    card = model_card(tiny_model)
    monkeypatch.setattr(f"{checkpoint}.list_models", lambda: ["tiny"])
    monkeypatch.setattr(f"{checkpoint}.model_card", lambda name: card)
    output = RUNNER.invoke(app, ["models", "list"]).output
    assert "tiny" in output
    assert "test_resnet" in output
    monkeypatch.setattr(f"{checkpoint}.list_models", list)
    assert "no models are installed" in RUNNER.invoke(app, ["models", "list"]).output


def test_models_import_writes_a_model(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_checkpoint(tiny_model)
    monkeypatch.setattr("napari_gpcis.model.checkpoint.import_official", lambda path: network)
    output = tmp_path / "paper.safetensors"
    done = RUNNER.invoke(app, ["models", "import", "official.pth", "--output", str(output)])
    assert done.exit_code == 0
    assert "official.pth" in model_card(output).training["source"]
    state = load_checkpoint(output).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_models_import_of_no_checkpoint_is_refused(tmp_path: Path) -> None:
    output = tmp_path / "paper.safetensors"
    done = RUNNER.invoke(app, ["models", "import", "none.pth", "--output", str(output)])
    assert isinstance(done.exception, ModelFileError)
    assert not output.exists()


def test_doctor_reports_and_clicks(tiny_model: Path) -> None:
    done = RUNNER.invoke(app, ["doctor", "--model", str(tiny_model), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert re.search(rf"^  torch +{re.escape(version('torch'))}$", done.output, re.MULTILINE)
    assert "first click, encoder too" in done.output
    assert " ms, mask of " in done.output


def called(numbers: list[int], loud: bool = False) -> None:
    """Say what was given."""
    typer.echo(f"{numbers} {loud}")


grouped = typer.Typer()


@grouped.command()
def run() -> None:
    """Leave with a code of its own."""
    raise typer.Exit(3)


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> Iterator[typer.Typer]:
    """An app with commands of this file and one whose module is not there."""
    sys.modules["contributed_commands"] = sys.modules[__name__]
    entries = [
        EntryPoint("function", "contributed_commands:called", plugins.GROUP),
        EntryPoint("group", "contributed_commands:grouped", plugins.GROUP),
        EntryPoint("train", "not_installed.cli:train", plugins.GROUP),
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries)
    fresh = typer.Typer()
    plugins.add_to(fresh)
    yield fresh
    del sys.modules["contributed_commands"]


def test_contributed_commands_are_listed_without_being_loaded(extended: typer.Typer) -> None:
    done = RUNNER.invoke(extended, ["--help"])
    assert done.exit_code == 0
    assert "Train a model." in done.output


def test_contributed_functions_and_apps_are_called(extended: typer.Typer) -> None:
    assert RUNNER.invoke(extended, ["function", "1", "2", "--loud"]).output == "[1, 2] True\n"
    assert RUNNER.invoke(extended, ["group"]).exit_code == 3
    assert "Say what was given" in RUNNER.invoke(extended, ["function", "--help"]).output
    assert RUNNER.invoke(extended, ["function", "one"]).exit_code == 2


def test_a_command_that_is_not_installed_says_so(extended: typer.Typer) -> None:
    done = RUNNER.invoke(extended, ["train"])
    assert done.exit_code == 2
    assert "train needs not_installed; run" in done.output
