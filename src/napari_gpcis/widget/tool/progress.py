"""Progress of long work in napari's activity dock."""

from __future__ import annotations

from typing import Any

from napari.utils import progress


class Activity:
    """One bar at a time.

    napari lets Qt deliver events while it draws a bar, the end of the work among them.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._drawing = False
        self._over = False

    def show(self, text: str, done: int, total: int) -> None:
        """Show how far the work is."""
        if self._drawing:
            return
        self._drawing, self._over = True, False
        try:
            if self._bar is None:
                self._bar = progress(total=total, desc=text)
            self._bar.set_description(text)
            self._bar.update(done - self._bar.n)
        finally:
            self._drawing = False
        if self._over:
            self.end()

    def end(self) -> None:
        """Take the bar away."""
        self._over = True
        if self._bar is not None and not self._drawing:
            bar, self._bar = self._bar, None
            bar.close()
