"""From positions in the canvas to clicks and strokes on the image, or to the object there."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_gpcis.engine.click import Click
from napari_gpcis.widget.tool.auto_commit import begins_another
from napari_gpcis.widget.tool.image_document import WAITING
from napari_gpcis.widget.tool.live_answer import LiveAnswer
from napari_gpcis.widget.tool.sketch import Sketch

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.widget.tool.action_queue import ActionQueue
    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.image_switcher import ImageSwitcher
    from napari_gpcis.widget.tool.types import Drag

DOUBLE_CLICK_S = 1.0


class Mouse:
    """Takes positions in the viewer's world.

    Parameters
    ----------
    switcher : ImageSwitcher
    queue : ActionQueue
    seal : callable
        Commits the object that is worked on, or leaves it as a draft.
    """

    def __init__(
        self, switcher: ImageSwitcher, queue: ActionQueue, seal: Callable[[], object]
    ) -> None:
        self._switcher = switcher
        self._viewer = switcher.viewer
        self._documents = switcher.documents
        self._loop = switcher.loop
        self._queue = queue
        self._seal = seal
        self._sketch = Sketch(switcher.viewer)
        self._live = LiveAnswer(switcher.loop)
        self._last_click = 0.0

    def press(self, world: tuple[float, ...], positive: bool) -> None:
        """The mouse is pressed: most likely a click follows, and its answer can be worked on."""
        document = self._documents.open
        if document is not None and document.is_shown:
            place = document.place_at(world)
            if place is not None:
                click = document.click_at(*place, positive=positive)
                if not self._begins_another(document, (click,)):
                    self._loop.predict_ahead(click)

    def click(self, world: tuple[float, ...], positive: bool) -> None:
        """Click, once what was asked for earlier is answered."""
        self._last_click = time.monotonic()
        if self._loop.loaded is None and not self._queue:
            self._click(world, positive)  # the engine will go through them one by one
            return
        document = self._documents.open
        place = document.place_at(world) if document is not None and document.is_shown else None
        shown = () if place is None else (Click(*place, positive=positive, object_id=WAITING),)
        self._queue.do(lambda: self._click(world, positive), shown)

    def drag(self, drag: Drag) -> None:
        """A stroke is being drawn: show it, and what it would lead to."""
        self._sketch.show(drag)
        document = self._documents.open
        if document is not None and document.is_shown and not self._queue:
            self._live.show(drag)

    def draw(self, drag: Drag) -> None:
        """Add a stroke, once what was asked for earlier is answered."""
        self._sketch.hide()
        self._live.end()
        if self._loop.loaded is None and not self._queue:
            self._draw(drag)
            return
        document = self._documents.open
        shown: tuple[Click, ...] = ()
        if document is not None and document.is_shown:
            with suppress(ValueError):  # said when its turn comes
                shown = document.stroke_of(drag, WAITING)
        self._queue.do(lambda: self._draw(drag), shown)

    def drop(self) -> None:
        """The stroke that was being drawn is not wanted."""
        self._sketch.hide()
        self._live.drop()

    def double_click(self, world: tuple[float, ...]) -> None:
        """Take up the object at a position, if there is one; its first click was none then."""
        fresh = time.monotonic() - self._last_click < DOUBLE_CLICK_S
        self._queue.do(lambda: self._take_up(world, fresh))

    def _click(self, world: tuple[float, ...], positive: bool) -> None:
        document = self._ready()
        place = None if document is None else document.place_at(world)
        if document is not None and place is not None:
            self._add(document, lambda: (document.click_at(*place, positive=positive),))

    def _draw(self, drag: Drag) -> None:
        try:
            document = self._ready()
            if document is not None:
                self._add(document, lambda: document.stroke_of(drag))
        except ValueError:
            self._live.drop()  # nothing of it is left standing
            raise

    def _add(self, document: ImageDocument, make: Callable[[], tuple[Click, ...]]) -> None:
        """Add a click or a stroke, to the next object if it is well outside this one."""
        new = make()
        if self._begins_another(document, new):
            self._seal()
            new = make()
        self._loop.add(new)

    def _begins_another(self, document: ImageDocument, new: tuple[Click, ...]) -> bool:
        return (
            self._switcher.options.auto_commit
            and document.mode == "object"
            and begins_another(document.annotation.state, new, document.frame.shape[1:])
        )

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
        document = self._ready()
        return None if document is None else document.place_at(world)

    def _ready(self) -> ImageDocument | None:
        """The document, if clicks are taken in what is shown."""
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
        return document
