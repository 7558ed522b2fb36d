from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import pytest
import typer
from napari_gpcis_training.commands.shared import _field_docs, takes
from napari_gpcis_training.options import BenchmarkOptions, FinetuneOptions, TrainOptions
from typer.testing import CliRunner


@dataclass(frozen=True)
class Options:
    """Options of a command.

    Attributes
    ----------
    count : int
        Number of sheep,
        counted.
    loud
        Bleat.
    hidden
        Not on the command line.
    """

    count: Annotated[int, typer.Option(min=1)]
    loud: Annotated[bool, typer.Option("--loud")] = False
    hidden: str = "wool"


def run(*words: str) -> tuple[int, str]:
    app = typer.Typer()

    @app.command()
    @takes(Options)
    def count_sheep(
        options: Options, twice: Annotated[bool, typer.Option(help="Begin again.")] = False
    ) -> None:
        """Count sheep."""
        typer.echo(f"{options} {twice}")

    done = CliRunner().invoke(app, words, env={"COLUMNS": "100"})
    return done.exit_code, done.output


def test_a_command_is_handed_its_options_as_one() -> None:
    code, text = run("--count", "3", "--loud", "--twice")
    assert code == 0
    assert text.strip() == f"{Options(3, loud=True)} True"
    assert run("--count", "0")[0] == run()[0] == run("--count", "3", "--hidden", "x")[0] == 2


def test_the_docstring_is_the_help() -> None:
    _, text = run("--help")
    assert "Count sheep." in text
    assert "Number of sheep, counted." in text
    assert "Bleat." in text and "Begin again." in text
    assert "hidden" not in text.lower()


@pytest.mark.parametrize("options", [BenchmarkOptions, FinetuneOptions, TrainOptions])
def test_every_option_is_described_and_nothing_else(options: type) -> None:
    assert list(_field_docs(options)) == [each.name for each in fields(options)]
