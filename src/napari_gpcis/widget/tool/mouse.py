"""From a position in the canvas to a click on the image, or to the object that lies there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_gpcis.engine.click import Click
from napari_gpcis.widget.tool.image_document import WAITING

if TYPE_CHECKING:
    from napari_gpcis.widget.tool.action_queue import ActionQueue
    from napari_gpcis.widget.tool.image_switcher import ImageSwitcher

DOUBLE_CLICK_S = 1.0


class Mouse:
    """Takes positions in the viewer's world.

    Parameters
    ----------
    switcher : ImageSwitcher
    queue : ActionQueue
    """

    def __init__(self, switcher: ImageSwitcher, queue: ActionQueue) -> None:
        self._switcher = switcher
        self._viewer = switcher.viewer
        self._documents = switcher.documents
        self._loop = switcher.loop
        self._queue = queue
        self._last_click = 0.0

    def press(self, world: tuple[float, ...], positive: bool) -> None:
        """The mouse is pressed: most likely a click follows, and its answer can be worked on."""
        document = self._documents.open
        if document is not None and document.is_shown:
            place = document.place_at(world)
            if place is not None:
                self._loop.predict_ahead(place, positive)

    def click(self, world: tuple[float, ...], positive: bool) -> None:
        """Click, once what was asked for earlier is answered."""
        self._last_click = time.monotonic()
        if self._loop.loaded is None and not self._queue:
            self._click(world, positive)  # the engine will go through them one by one
            return
        document = self._documents.open
        place = document.place_at(world) if document is not None and document.is_shown else None
        shown = None if place is None else Click(*place, positive=positive, object_id=WAITING)
        self._queue.do(lambda: self._click(world, positive), shown)

    def double_click(self, world: tuple[float, ...]) -> None:
        """Take up the object at a position, if there is one; its first click was none then."""
        fresh = time.monotonic() - self._last_click < DOUBLE_CLICK_S
        self._queue.do(lambda: self._take_up(world, fresh))

    def _click(self, world: tuple[float, ...], positive: bool) -> None:
        place = self._place(world)
        if place is not None:
            self._loop.click(place, positive)

    def _take_up(self, world: tuple[float, ...], fresh: bool) -> None:
        place, document = self._place(world), self._documents.open
        if place is None or document is None or document.mode != "object":
            return
        draft, label = document.draft_at(*place), document.label_at(*place)
        clicked = document.annotation.state.clicks[-1:]
        if (draft or label) and fresh and clicked and clicked[0].place == place:
            document.annotation.undo()
        if draft:
            document.annotation.activate(draft, place[0])
        elif label:
            document.annotation.take_up(label, place[0])
            document.select_label(label)

    def _place(self, world: tuple[float, ...]) -> tuple[int, int, int] | None:
        """Slice, row and column of a position, if clicks are taken there."""
        if self._documents.open is None:
            self._switcher.choose()
        if self._documents.open is None:
            return None  # it has been said why
        if self._viewer.dims.ndisplay != 2:
            self._switcher.reporter.tell(
                "Clicks are taken in the 2-D view: press the cube below the layers", "warning"
            )
            return None
        self._switcher.follow_plane()  # which may begin another document
        document = self._documents.open
        if document is None or not document.is_shown:
            return None
        if not document.image.visible:
            raise ValueError(
                f"“{document.image.name}” is hidden: show it, or select the image to click on in "
                "the list of layers"
            )
        return document.place_at(world)
