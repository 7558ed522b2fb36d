"""Progress of long work in napari's activity dock."""

from __future__ import annotations

from typing import Any

from napari.utils import progress


class Activity:
    """One bar at a time."""

    def __init__(self) -> None:
        self._bar: Any = None

    def show(self, text: str, done: int, total: int) -> None:
        """Show how far the work is."""
        if self._bar is None:
            self._bar = progress(total=total, desc=text)
        self._bar.set_description(text)
        self._bar.update(done - self._bar.n)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
