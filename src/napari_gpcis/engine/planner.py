"""State → Request: which clicks count, in which window, at which scale."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

from napari_gpcis.engine.classes import class_window
from napari_gpcis.engine.geometry import Box, Scale, found_in
from napari_gpcis.engine.request import Latent, Request
from napari_gpcis.engine.scale_search import FOUND_WINDOW, WINDOW, levels
from napari_gpcis.engine.window import better_level, keep_window, object_box, open_window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.embedding import Embedder
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.scale_search import Candidate

NOTHING = Box(0, 0, 0, 0)


class View(NamedTuple):
    """How an object is looked at.

    Attributes
    ----------
    scale : Scale
    level : int
        Of the scale, relative to the object diameter's.
    window : Box
        In cells.
    alone : bool
        Whether it is encoded by itself.
    """

    scale: Scale
    level: int
    window: Box
    alone: bool = False


class Planner:
    """Makes the requests of one image.

    Parameters
    ----------
    source : ImageSource
    embedder : Embedder
    class_mode : bool
    threshold : float
        Probability above which a pixel is in the mask.
    numbers : iterator of int
        Generations.
    """

    def __init__(
        self,
        source: ImageSource,
        embedder: Embedder,
        class_mode: bool,
        threshold: float,
        numbers: Iterator[int] | None = None,
    ) -> None:
        self.source = source
        self.embedder = embedder
        self.class_mode = class_mode
        self.threshold = threshold
        self.numbers = numbers or itertools.count()

    @property
    def trained_diameter(self) -> float:
        """Diameter of the objects of the training, in network pixels."""
        return float(self.embedder.network.config.object_diameter)

    def scale(self, diameter: float | None, level: int = 0) -> Scale:
        """Scale for objects of a diameter in image pixels; what the model suggests when None."""
        trained = self.trained_diameter
        suggested = self.embedder.network.config.image_diameter or trained
        given = suggested if diameter is None else diameter
        return Scale.for_diameter(given, trained, self.embedder.network.size_divisor, level)

    def levels(self, diameter: float | None) -> list[int]:
        """Levels at which an object may be looked for, finest first."""
        return levels(lambda level: self.scale(diameter, level), self.source.shape[1:])

    def level_for(self, size: float, diameter: float | None) -> int:
        """Level that suits an object of a size, which is a diameter in image pixels."""
        seen = max(size, 1.0) * self.scale(diameter).factor
        known = self.levels(diameter)
        return min(max(round(math.log2(seen / self.trained_diameter)), known[0]), known[-1])

    def for_object(
        self,
        object_id: int,
        z: int,
        clicks: tuple[Click, ...],
        diameter: float | None,
        last: Result | None,
        newest: Click | None,
        around: Box | None = None,
        level: int = 0,
    ) -> Request:
        """Request of object mode.

        Parameters
        ----------
        object_id : int
            The object.
        z : int
            Slice index.
        clicks : tuple of Click
            Of this object in this slice.
        diameter : float or None
            Of the objects, in image pixels.
        last : Result or None
            Of this object in this slice, before the present change.
        newest : Click or None
            The click that was added; None when clicks were moved, removed or taken up again, which
            asks the last round's question once more.
        around : Box, optional
            Image pixels that the window has to hold besides the clicks.
        level : int
            Where to begin when there is no last round.
        """
        if not clicks:
            nothing = View(self.scale(diameter), 0, NOTHING)
            return self._request(object_id, z, (), nothing, NOTHING, None)
        previous: Latent | None = None
        if last is not None and not last.box.empty:
            previous = last.request.previous if newest is None else last.as_previous
        view = self._view(clicks, diameter, last, newest, around, level)
        return self._request(object_id, z, clicks, view, view.window, previous)

    def for_scales(
        self, object_id: int, z: int, click: Click, diameter: float | None
    ) -> list[Request]:
        """Requests that ask for an object's first click at every scale, finest first.

        Parameters
        ----------
        object_id : int
            The object.
        z : int
            Slice index.
        click : Click
            Positive.
        diameter : float or None
            Of the objects that were committed, in image pixels.
        """
        shape = self.source.shape[1:]
        requests = []
        for level in self.levels(diameter):
            scale = self.scale(diameter, level)
            window = open_window(object_box(None, [click]), scale, shape, WINDOW)
            view = View(scale, level, window, alone=True)
            requests.append(self._request(object_id, z, (click,), view, window, None))
        return requests

    def for_found(
        self,
        object_id: int,
        z: int,
        click: Click,
        found: Candidate,
        *,
        alone: bool,
    ) -> Request:
        """Request of an object's first click, that goes on from the answer at the best scale.

        Parameters
        ----------
        object_id : int
            The object.
        z : int
            Slice index.
        click : Click
            Positive.
        found : Candidate
            The answer.
        alone : bool
            Whether the window is encoded by itself.
        """
        shape = self.source.shape[1:]
        box = object_box(found.box, [click]).clip(shape)
        window = open_window(box, found.scale, shape, FOUND_WINDOW)
        view = View(found.scale, found.level, window, alone)
        return self._request(object_id, z, (click,), view, window, found.latent)

    def for_class(
        self,
        class_id: int,
        z: int,
        clicks: tuple[Click, ...],
        diameter: float | None,
        place: tuple[int, int],
    ) -> Request:
        """Request of class mode, for the tile that holds a pixel.

        Parameters
        ----------
        class_id : int
            The class that the result's mask shows.
        z : int
            Slice index.
        clicks : tuple of Click
            All of them.
        diameter : float or None
            Of the objects, in image pixels.
        place : tuple of int
            Row and column in the image.
        """
        scale = self.scale(diameter)
        if not clicks:
            return self._request(class_id, z, (), View(scale, 0, NOTHING), NOTHING, None)
        window, core = class_window(self.embedder, self.source, scale, *place)
        return self._request(class_id, z, clicks, View(scale, 0, window), core, None)

    def tile_corners(self, diameter: float | None) -> list[tuple[int, int]]:
        """First pixel of each tile of a slice."""
        scale = self.scale(diameter)
        layout = self.embedder.layout(self.source, scale)
        whole = Box(0, 0, *layout.canvas)
        return [(tile.r0 * scale.pixels, tile.c0 * scale.pixels) for tile in layout.tiles(whole)]

    def _request(
        self,
        object_id: int,
        z: int,
        clicks: tuple[Click, ...],
        view: View,
        core: Box,
        previous: Latent | None,
    ) -> Request:
        return Request(
            generation=next(self.numbers),
            source=self.source,
            z=z,
            object_id=object_id,
            clicks=clicks,
            scale=view.scale,
            level=view.level,
            window=view.window,
            core=core,
            previous=previous,
            alone=view.alone,
            class_mode=self.class_mode,
            threshold=self.threshold,
        )

    def _view(
        self,
        clicks: tuple[Click, ...],
        diameter: float | None,
        last: Result | None,
        newest: Click | None,
        around: Box | None,
        level: int,
    ) -> View:
        """The last round's view where it still serves, a new one where not."""
        shape = self.source.shape[1:]
        mask_box, alone = around, level != 0
        if last is not None and not last.box.empty:
            level, alone = last.request.level, last.request.alone
            mask_box = None if newest is None else found_in(last.box_mask, last.box)
        box = object_box(mask_box, clicks)
        scale = self.scale(diameter, level)
        if newest is not None:
            positive = [click for click in clicks if click.positive]
            extent = object_box(mask_box, positive or clicks)
            level = better_level(level, box, extent, newest, self.trained_diameter, scale)
            scale = self.scale(diameter, level)
        if last is not None and last.scale == scale:
            window = last.request.window
            if keep_window(window, box, newest or clicks[-1], scale, shape):
                return View(scale, level, window, alone)
        return View(scale, level, open_window(box, scale, shape), alone)


def nearest_power(diameter: float, trained_diameter: float) -> float:
    """The power of two times the trained diameter that is closest to an estimated one.

    An estimate that is off by less than √2 keeps the scale, and with it all embeddings.
    """
    return float(trained_diameter * 2.0 ** round(math.log2(diameter / trained_diameter)))
