"""How far a run is: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as RichProgress

if TYPE_CHECKING:
    from napari_gpcis_training.training_pass import StepReport


class Progress(AbstractContextManager["Progress"], Protocol):
    """Takes what there is to show, while it is entered."""

    def say(self, message: str) -> None:
        """Show a message."""
        ...

    def show(
        self, done: float, report: StepReport, seconds_per_step: float, minutes_left: float
    ) -> None:
        """Show a step: the part that is done, its figures, and how fast it goes."""
        ...

    def row(self, row: dict[str, float], minutes_left: float) -> None:
        """Show a line of the log."""
        ...


class Lines(Progress):
    """Lines, each at once, also into a file."""

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

    def say(self, message: str) -> None:
        """Print a line."""
        print(message, flush=True)

    def show(
        self, done: float, report: StepReport, seconds_per_step: float, minutes_left: float
    ) -> None:
        """Steps are not worth a line."""

    def row(self, row: dict[str, float], minutes_left: float) -> None:
        """Print the log's figures."""
        self.say(
            f"step {row['step']:.0f}  loss {row['loss']:.4f}  IoU first {row['first_iou']:.3f} "
            f"last {row['last_iou']:.3f}  clicks {row['clicks']:.1f}  "
            f"{row['seconds_per_step']:.2f} s/step  {row['crops_per_second']:.1f} crops/s  "
            f"{row['minutes']:.0f} min, {minutes_left:.0f} left"
        )


class Silence(Lines):
    """Nothing: what every process but the first shows."""

    def say(self, message: str) -> None:
        """Print nothing."""


class Bar(Progress):
    """A bar with loss, crops per second and the time that is left.

    Parameters
    ----------
    console : Console, optional
    """

    def __init__(self, console: Console | None = None) -> None:
        self._rich = RichProgress(
            TextColumn("training"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console or Console(),
        )
        self._task = self._rich.add_task("training", total=1.0, figures="")

    def __enter__(self) -> Bar:
        self._rich.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is."""
        self._rich.stop()

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        self._rich.console.print(message, highlight=False, markup=False)

    def show(
        self, done: float, report: StepReport, seconds_per_step: float, minutes_left: float
    ) -> None:
        """Move the bar."""
        crops = report.crops / max(seconds_per_step, 1e-9)
        figures = f"loss {report.loss:.3f}  {crops:.1f} crops/s  {_span(minutes_left)} left"
        self._rich.update(self._task, completed=done, figures=figures)

    def row(self, row: dict[str, float], minutes_left: float) -> None:
        """The bar has said it."""


def progress_on(console: Console) -> Progress:
    """A bar where somebody watches, lines where the output goes into a file."""
    return Bar(console) if console.is_terminal else Lines()


def _span(minutes: float) -> str:
    whole = max(0, round(minutes))
    return f"{whole // 60} h {whole % 60:02d} min" if whole >= 60 else f"{whole} min"
