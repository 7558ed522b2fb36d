"""A picture of a fine-tuning: loss and clicks against steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.io.files import os_errors_as_output_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Tell = Callable[[dict[str, Any]], None]

_SMOOTHED = 20


@dataclass(slots=True)
class Recorder:
    """Passes a run's events on and keeps what the picture shows.

    Attributes
    ----------
    tell : callable
        Takes the events.
    """

    tell: Tell
    losses: list[tuple[int, float]] = field(default_factory=list)
    clicks: list[tuple[int, float]] = field(default_factory=list)

    def __call__(self, event: dict[str, Any]) -> None:
        """Take an event."""
        if event["event"] == "progress":
            self.losses.append((event["step"], event["loss"]))
        if event["event"] == "validation":
            self.clicks.append((event["step"], event["noc85"]))
        self.tell(event)

    def draw(self, path: Path) -> None:
        """Write the picture, a PNG.

        Raises
        ------
        OutputFileError
            If it cannot be written.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        steps, losses = np.array(self.losses or [(0, np.nan)]).T
        width = min(_SMOOTHED, len(losses))
        left.plot(steps, losses, color="0.8")
        mean = np.convolve(losses, np.full(width, 1 / width), "valid")
        left.plot(steps[width - 1 :], mean, color="C0")
        left.set(xlabel="step", ylabel=f"loss, and its mean over {width} steps")
        right.plot(*np.array(self.clicks or [(0, np.nan)]).T, "o-", color="C1")
        right.set(xlabel="step", ylabel="clicks to 85 % on the objects to choose by")
        with os_errors_as_output_errors(path):
            figure.savefig(path, dpi=120)
