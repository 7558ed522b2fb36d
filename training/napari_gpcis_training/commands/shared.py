"""What the commands share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable


def use_threads(threads: int | None) -> None:
    """Say how many threads torch is to use; before torch is loaded."""
    # spinning threads stall a step tenfold when anything else runs; read when torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def report_errors(command: Callable[[], None]) -> None:
    """Run a command; a `ValueError` becomes one line and exit code 2."""
    try:
        command()
    except ValueError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
