"""The commands put together, and the handling of their errors."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from napari_gpcis.cli import doctor, models, plugins, segment

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["app", "main"]

app = typer.Typer(
    name="napari-gpcis",
    help="Interactive segmentation by Gaussian process classification: a click becomes a mask.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("segment")(segment.segment)
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.doctor)
plugins.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from napari_gpcis import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Options that go before any command."""


def main() -> NoReturn:
    """Run the command line; errors that users can mend are one line on stderr and exit code 2."""
    # A cluster's scheduler ends jobs with SIGTERM: let them clean up as after Ctrl-C.
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except Exception as error:
        if not _is_for_the_user(error):
            raise
        typer.echo(f"napari-gpcis: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    sys.exit(0)


def _is_for_the_user(error: Exception) -> bool:
    from napari_gpcis.io.errors import UserError

    if isinstance(error, UserError):
        return True
    # Whoever raised a ModelFileError has imported its module, and with it torch, already.
    checkpoint = sys.modules.get("napari_gpcis.model.checkpoint")
    return checkpoint is not None and isinstance(error, checkpoint.ModelFileError)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
