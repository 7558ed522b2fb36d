"""The status line: what the tool is doing, told once per turn of the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_gpcis.widget.tool.options import ToolOptions
from napari_gpcis.widget.tool.progress import Activity
from napari_gpcis.widget.tool.types import Status

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_gpcis.widget.tool.types import Level

WORKING = "Working …"
BUSY_MS = 150
"""How long an answer may take before the panel says so: each repaint of it costs a frame."""


class StatusReporter(ToolOptions):
    """ToolOptions, and a line that says what becomes of them.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self._status = Status("Loading the model …", "busy")
        self._activity = Activity()
        self._announcer = QTimer(self)
        self._announcer.setSingleShot(True)
        self._announcer.timeout.connect(self.changed)

    @property
    def status(self) -> Status:
        """What the tool is doing."""
        return self._status

    def _tell(self, text: str, level: Level | str, done: int = 0, total: int = 0) -> None:
        self._status = Status(text, level, done, total)  # type: ignore[arg-type]
        self._announce()

    def _announce(self) -> None:
        """Say once, after all that happens now, that something has changed; later if it is busy."""
        delay = BUSY_MS if self._status.text == WORKING else 0
        timer = self._announcer
        if not timer.isActive() or timer.remainingTime() > delay:
            timer.start(delay)

    def _progress(self, text: str, done: int, total: int) -> None:
        self._tell(text, "busy", done, total)
        self._activity.show(text, done, total)  # in which the work may end

    def _tell_ready(self) -> None:
        if self._loaded is None:
            return
        if self._desk is None:
            self._tell("Open an image, then click on an object", "info")
        elif self._mode == "class":
            self._tell("Click on pixels of each class", "info")
        elif not self._desk.annotation.state.clicks:
            self._tell("Click on an object", "info")
        else:
            self._tell_object()

    def _tell_object(self) -> None:
        """Size of the object, and how long its answer took."""
        if self._desk is None:
            return
        state = self._desk.annotation.state
        if state.active not in state.objects():
            self._tell_ready_for_next()
            return
        result = state.answers.get((state.active, state.z))
        mask = state.mask_of(state.active, state.z)
        if mask is None:
            return
        text = f"{int(mask[1].sum()):,} px"
        if result is not None:
            text += f" in {1e3 * sum(result.timings.values()):.0f} ms"
        self._tell(f"{text} – Enter commits", "info")

    def _tell_ready_for_next(self) -> None:
        if self._status.level == "busy":
            self._tell("Click on an object", "info")

    def _try(self, action: Any) -> None:
        """Do what a key asks for; a refusal goes to the status line."""
        try:
            action()
        except ValueError as error:
            self._tell(str(error), "error")
