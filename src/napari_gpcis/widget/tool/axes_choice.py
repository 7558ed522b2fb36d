"""Meaning of the image's axes (slices, channels, time), and the channels that the model sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.widget.tool.action_queue import ActionQueue
    from napari_gpcis.widget.tool.image_switcher import ImageSwitcher

AxisKind: TypeAlias = Literal["slices", "channels", "time"]

CHANNEL_NAMES = ("red", "green", "blue")
MOST_CHANNELS = 4
"""Planes of an axis without a name that may well be channels."""


@dataclass(frozen=True)
class Axis:
    """An axis of the image that is not displayed: its index, label, size, and what it holds."""

    index: int
    label: str
    size: int
    kind: AxisKind

    @property
    def is_named(self) -> bool:
        """True for an axis with a label of its own; napari's are "axis -3" or "-3"."""
        return not self.label.removeprefix("axis ").lstrip("-").isdigit()

    @property
    def is_doubtful(self) -> bool:
        """True if it may hold channels, although nothing says so."""
        return not self.is_named and 2 <= self.size <= MOST_CHANNELS and self.kind == "slices"

    @property
    def title(self) -> str:
        """Name in the panel."""
        return self.label if self.is_named else f"axis {self.index}"


class AxesChoice:
    """Axes and channels of the image under work.

    Parameters
    ----------
    switcher : ImageSwitcher
    queue : ActionQueue
    changed : callable
        Called after a change, without arguments.
    """

    def __init__(
        self, switcher: ImageSwitcher, queue: ActionQueue, changed: Callable[[], None]
    ) -> None:
        self._switcher = switcher
        self._documents = switcher.documents
        self._options = switcher.options
        self._queue = queue
        self._changed = changed

    @property
    def all(self) -> list[Axis]:
        """The axes that are not displayed."""
        image, document = self._switcher.image, self._documents.open
        if image is None or document is None:
            return []
        frame, axes = document.frame, []
        for index, size in enumerate(frame.sizes):
            if index in frame.plane:
                continue
            label = str(image.axis_labels[index])
            kind: AxisKind = "time" if label.lower() in ("t", "time") else "slices"
            kind = "channels" if index == frame.channel_axis else kind
            axes.append(Axis(index, label, size, kind))
        return axes

    def set_kind(self, axis: int, kind: AxisKind) -> None:
        """Say what an axis of the image holds.

        Of channels the model sees several at once, and nothing is propagated along them.
        """
        self._queue.do(lambda: self._set_kind(axis, kind))

    def ask_if_doubtful(self) -> None:
        """Ask the user about short axes without a name: they may hold slices or channels."""
        image = self._switcher.image
        if image is None or self._documents.is_said(image):
            return
        for axis in self.all:
            if axis.is_doubtful:
                self._switcher.reporter.ask(
                    f"Are the {axis.size} planes of this image slices or channels? "
                    f"Choose it under {axis.title}"
                )

    @property
    def channels(self) -> list[str]:
        """Names of the image's channels; none without a channel axis."""
        image, document = self._switcher.image, self._documents.open
        if image is None or document is None:
            return []
        if image.rgb:
            return list(CHANNEL_NAMES)
        frame = document.frame
        count = 0 if frame.channel_axis is None else frame.sizes[frame.channel_axis]
        return [f"channel {index}" for index in range(count)]

    @property
    def chosen_channels(self) -> tuple[int, ...]:
        """Indices of the channels that the model sees."""
        return self._options.channels or tuple(range(len(self.channels)))

    def set_channels(self, indices: tuple[int, ...]) -> None:
        """Choose the channels that the model sees."""
        if not indices:
            raise ValueError("The model needs one channel at least: tick one")
        chosen = tuple(indices) if len(indices) < len(self.channels) else ()
        self._options.channels = chosen
        if self._switcher.image is not None:
            self._documents.choose_channels(self._switcher.image, chosen)
        self._switcher.loop.reopen()
        self._changed()

    def _set_kind(self, axis: int, kind: AxisKind) -> None:
        image, document = self._switcher.image, self._documents.open
        if image is None or document is None:
            return
        before = document.frame.channel_axis
        now = axis if kind == "channels" else None if before == axis else before
        if now == before and self._documents.is_said(image):
            return
        if now != before and document.annotation.state.objects():
            raise ValueError("Commit or clear the object first: it was clicked on other slices")
        self._documents.say_channel_axis(image, now)
        if now != before:
            self._switcher.open(image)
        self._changed()
