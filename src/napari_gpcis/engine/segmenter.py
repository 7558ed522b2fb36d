"""The questions about an image: which clicks count, in which window, at which scale."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_gpcis.engine.box_search import places_in, with_anchor
from napari_gpcis.engine.geometry import Box, Scale, equivalent_diameter, found_in
from napari_gpcis.engine.prompts import box_limits, extent, rounds, thinned
from napari_gpcis.engine.pseudo_clicks import seed_click, seed_latent, trim_by_negative_clicks
from napari_gpcis.engine.request import Latent, Request
from napari_gpcis.engine.scale_search import FOUND_WINDOW, WINDOW, levels
from napari_gpcis.engine.window import (
    LARGEST_WINDOW,
    MARGIN,
    better_level,
    keep_window,
    object_box,
    open_window,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.document.annotation import Question
    from napari_gpcis.engine.document.history import State, StoredMask
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.options import Options
    from napari_gpcis.engine.predictor import Predictor
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array

NOTHING = Box(0, 0, 0, 0)
LARGEST_SEARCH = 512
"""Longest side of a window in which a scribble's scale is looked for, network pixels."""


class ObjectView(NamedTuple):
    """The part of a slice in which an object is looked at, and the scale.

    Attributes
    ----------
    scale : Scale
        Scale at which the network sees the window.
    level : int
        Level of the scale, relative to that of the object diameter.
    window : Box
        Window in cells.
    alone : bool
        Whether the window is encoded by itself.
    """

    scale: Scale
    level: int
    window: Box
    alone: bool = False


class ImageSegmenter:
    """Answers questions about one image; changes no annotation.

    Parameters
    ----------
    source : ImageSource
        The image.
    predictor : Predictor
        Answers the requests.
    options : Options
        Mode, object diameter and threshold.

    Attributes
    ----------
    given_diameter : float or None
        Object diameter that the user gave, in pixels.
    threshold : float
        Probability above which a pixel is in the mask.
    """

    def __init__(self, source: ImageSource, predictor: Predictor, options: Options) -> None:
        self.source = source
        self.predictor = predictor
        self.class_mode = options.mode == "class"
        self.given_diameter = options.object_diameter
        self.threshold = options.threshold

    def answer(self, question: Question, is_stale: Callable[[], bool] = lambda: False) -> Result:
        """Mask of an object (class) in a slice.

        An object of which no earlier answer is left is clicked again, click by click and stroke by
        stroke, because each round of the network starts from the last one's mask.

        Parameters
        ----------
        question : Question
            Question from `Annotation.question`.
        is_stale : callable
            Tells whether the answer is not wanted any more; asked between such rounds.
        """
        self.check_slice(question.z)
        state, z = question.state, question.z
        kept = state.answers.get((question.object_id, z))
        if kept is not None:
            return kept
        if self.class_mode:
            own = [click for click in state.clicks if click.z == z]
            place = (own[-1].row, own[-1].col) if own else (0, 0)
            return self._ask_class(question.object_id, z, state, place)
        clicks, last, seed = question.clicks, question.last, question.seed
        if clicks and last is None and seed is not None and seed.mask.any():
            return self._ask_from_seed(question, seed)
        if last is not None:
            return self._ask_object(question, clicks, last)
        made = rounds(clicks)
        result = self._ask_object(question, made[0] if made else (), None)
        for count in range(2, len(made) + 1):
            if is_stale():
                break
            result = self._ask_object(question, tuple(chain(*made[:count])), result)
        return result

    def class_tiles(
        self, state: State, z: int, place: tuple[int, int] = (0, 0)
    ) -> Iterator[Result]:
        """Class mode: results that cover a slice, the one at a pixel first."""
        self.check_slice(z)
        if not state.clicks:
            return
        scale = self.scale(self.base_diameter(state))
        tile_grid = self.predictor.embedder.tile_grid(self.source, scale)
        tiles = tile_grid.tiles(Box(0, 0, *tile_grid.canvas))
        corners = [(tile.r0 * scale.pixels, tile.c0 * scale.pixels) for tile in tiles]
        for corner in sorted(corners, key=lambda corner: _distance(corner, place)):
            yield self._ask_class(state.active, z, state, corner)

    def classify(self, state: State, z: int) -> Array:
        """Class of every pixel of a slice, (Y, X) int32."""
        self.check_slice(z)
        classes = np.zeros(self.source.shape[1:], np.int32)
        for result in self.class_tiles(state, z):
            classes[result.box.slices] = result.box_classes
        return classes

    def prepare(
        self,
        state: State,
        z: int,
        place: tuple[int, int] = (0, 0),
        is_stale: Callable[[], bool] = lambda: False,
    ) -> None:
        """Encode a slice ahead of need, from a pixel outwards."""
        self.check_slice(z)
        if self.searches and not self.expects(state):
            return  # nobody knows the scale yet
        scale = self.scale(self.base_diameter(state))
        self.predictor.encode_slice(self.source, z, scale, place, is_stale)

    def check_slice(self, z: int) -> None:
        """Raise ValueError unless the image has a slice."""
        count = self.source.shape[0]
        if not 0 <= z < count:
            raise ValueError(
                f"expected a slice between 0 and {count - 1}, got {z}; indices start at 0"
            )

    def base_diameter(self, state: State) -> float | None:
        """Diameter that sets the scale; a change of it costs all embeddings."""
        if self.given_diameter is not None or state.diameter is None:
            return self.given_diameter
        return nearest_power(state.diameter, self.predictor.trained_diameter)

    @property
    def searches(self) -> bool:
        """True where nobody gave a diameter: the first click of an object looks for its scale."""
        cached = self.predictor.network.config.fusion == "cached"
        return cached and not self.class_mode and self.given_diameter is None

    def expects(self, state: State) -> bool:
        """True where an object as large as earlier ones is likely."""
        suggested = self.predictor.network.config.image_diameter
        return state.diameter is not None or suggested is not None

    def levels(self, diameter: float | None) -> list[int]:
        """Levels at which an object may be looked for, finest first."""
        return levels(lambda level: self.scale(diameter, level), self.source.shape[1:])

    def level_for(self, size: float, diameter: float | None) -> int:
        """Level that suits an object of a size, which is a diameter in image pixels."""
        seen = max(size, 1.0) * self.scale(diameter).factor
        known = self.levels(diameter)
        suited = round(math.log2(seen / self.predictor.trained_diameter))
        return min(max(suited, known[0]), known[-1])

    def scale(self, diameter: float | None, level: int = 0) -> Scale:
        """Scale for objects of a diameter in image pixels; the model's own suggestion when None."""
        network, trained = self.predictor.network, self.predictor.trained_diameter
        suggested = network.config.image_diameter or trained
        given = suggested if diameter is None else diameter
        return Scale.for_diameter(given, trained, network.size_divisor, level)

    def view(
        self,
        clicks: tuple[Click, ...],
        diameter: float | None,
        last: Result | None,
        newest: Click | None,
        around: Box | None = None,
        level: int = 0,
    ) -> ObjectView:
        """Choose window and scale: the last round's where they still serve, new ones where not.

        Parameters
        ----------
        clicks, diameter, last, newest
            As in `object_request`.
        around : Box, optional
            Image pixels that the window has to hold besides the clicks.
        level : int
            Level to begin at when there is no last round.
        """
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
            level = better_level(level, box, extent, newest, self.predictor.trained_diameter, scale)
            scale = self.scale(diameter, level)
        if last is not None and last.scale == scale:
            window = last.request.window
            if keep_window(window, box, newest or clicks[-1], scale, shape):
                return ObjectView(scale, level, window, alone)
        window = open_window(box, scale, shape, clicks=clicks)
        return ObjectView(scale, level, window, alone)

    def object_request(
        self,
        object_id: int,
        z: int,
        clicks: tuple[Click, ...],
        diameter: float | None,
        last: Result | None = None,
        newest: Click | None = None,
        *,
        anchors: tuple[Click, ...] = (),
        seed: StoredMask | None = None,
    ) -> Request:
        """Request of object mode.

        Parameters
        ----------
        object_id : int
            Number of the object.
        z : int
            Slice index.
        clicks : tuple of Click
            Clicks of this object in this slice, anchors first.
        diameter : float or None
            Diameter of the objects, in image pixels.
        last : Result, optional
            Answer about this object in this slice before the present change.
        newest : Click, optional
            The click that was added; None when clicks were moved, removed or taken up again, which
            asks the last round's question once more.
        anchors : tuple of Click
            Those of the clicks that stand for a mask.
        seed : StoredMask, optional
            Mask to start from, in place of the last round's; the window holds its box.
        """
        view = ObjectView(self.scale(diameter), 0, NOTHING)
        previous: Latent | None = None
        if clicks:
            around, level = None, 0
            if seed is not None:
                around = seed.box
                if self.searches and seed.mask.any():
                    level = self.level_for(equivalent_diameter(int(seed.mask.sum())), diameter)
            view = self.view(clicks, diameter, last, newest, around, level)
            if seed is not None:
                previous = seed_latent(seed, view.window, view.scale)
            elif last is not None and not last.box.empty:
                previous = last.request.previous if newest is None else last.as_previous
        return self._request_in(view, object_id, z, clicks, previous, anchors)

    def _request_in(
        self,
        view: ObjectView,
        object_id: int,
        z: int,
        clicks: tuple[Click, ...],
        previous: Latent | None,
        anchors: tuple[Click, ...] = (),
    ) -> Request:
        """Request of object mode, in a view that has been chosen."""
        return Request(
            source=self.source,
            z=z,
            object_id=object_id,
            clicks=clicks,
            scale=view.scale,
            level=view.level,
            window=view.window,
            previous=previous,
            alone=view.alone,
            threshold=self.threshold,
            anchors=anchors,
            limits=box_limits(clicks, self.source.shape[1:]),
        )

    def class_request(
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
            Class that the result's mask shows.
        z : int
            Slice index.
        clicks : tuple of Click
            All clicks.
        diameter : float or None
            Diameter of the objects, in image pixels.
        place : tuple of int
            Row and column in the image.
        """
        scale = self.scale(diameter)
        tile_grid = self.predictor.embedder.tile_grid(self.source, scale)
        row, col = (position // scale.pixels for position in place)
        return Request(
            source=self.source,
            z=z,
            object_id=class_id,
            clicks=clicks,
            scale=scale,
            level=0,
            window=tile_grid.tile_at(row, col) if clicks else NOTHING,
            halo=tile_grid.halo,
            class_mode=True,
            threshold=self.threshold,
        )

    def _ask_class(self, class_id: int, z: int, state: State, place: tuple[int, int]) -> Result:
        diameter = self.base_diameter(state)
        return self.predictor.predict(
            self.class_request(class_id, z, state.clicks, diameter, place)
        )

    def _ask_object(
        self, question: Question, clicks: tuple[Click, ...], last: Result | None
    ) -> Result:
        newest = clicks[-1] if clicks and _is_added(clicks, last) else None
        if clicks and clicks[0].prompt == "box" and len(rounds(clicks)) == 1:
            return self._ask_box(question, clicks)
        anchors = last.request.anchors if last is not None and clicks else ()
        if clicks and clicks[0].positive and not anchors and len(rounds(clicks)) == 1:
            if clicks[0].prompt == "lasso":
                return self._ask_sized(question, clicks)
            if self.searches:
                return self._ask_first(question, clicks)
        request = self.object_request(
            question.object_id,
            question.z,
            (*anchors, *clicks),
            self.base_diameter(question.state),
            last,
            newest,
            anchors=anchors,
        )
        return self.predictor.predict(request)

    def _ask_first(self, question: Question, clicks: tuple[Click, ...]) -> Result:
        """Answer to an object's one click, or one scribble, at the scale that suits it best."""
        diameter, expected = self.base_diameter(question.state), self.expects(question.state)
        object_id, z, shape = question.object_id, question.z, self.source.shape[1:]
        requests = self.scale_requests(object_id, z, thinned(clicks), diameter)
        found = self.predictor.find_scale(requests, expected=expected)
        box = object_box(found.box, clicks).clip(shape)
        window = open_window(box, found.scale, shape, FOUND_WINDOW, clicks)
        # tiles of the expected scale serve many objects
        alone = not (expected and found.level == 0)
        view = ObjectView(found.scale, found.level, window, alone)
        return self.predictor.predict(self._request_in(view, object_id, z, clicks, found.latent))

    def _ask_box(self, question: Question, clicks: tuple[Click, ...]) -> Result:
        """Answer to a box alone: the best place in it is clicked as well."""
        shape = self.source.shape[1:]
        limits = box_limits(clicks, shape)
        if limits is None:
            return self._ask_sized(question, clicks)
        view = self._view_of(question, limits, limits.grow(1).clip(shape))
        request = self._request_in(view, question.object_id, question.z, clicks, None)
        if self.predictor.network.config.fusion != "cached":
            return self.predictor.predict(with_anchor(request, places_in(request)[0]))
        guess = self.predictor.find_in_box(request)
        return self.predictor.predict(replace(guess.request, previous=guess.latent))

    def _ask_sized(self, question: Question, clicks: tuple[Click, ...]) -> Result:
        """Answer to pixels that say by themselves how large the object is."""
        around = extent(clicks)
        view = self._view_of(question, around, around)
        return self.predictor.predict(
            self._request_in(view, question.object_id, question.z, clicks, None)
        )

    def _view_of(self, question: Question, around: Box, held: Box) -> ObjectView:
        """View in which an object that fills a box is as large as those of the training."""
        diameter = self.base_diameter(question.state)
        level = 0
        if self.predictor.network.config.fusion == "cached":
            level = self.level_for(math.sqrt(math.prod(around.shape)), diameter)
            while max(held.shape) * self.scale(diameter, level).factor * MARGIN > LARGEST_WINDOW:
                level += 1
        scale = self.scale(diameter, level)
        window = open_window(held, scale, self.source.shape[1:], FOUND_WINDOW)
        return ObjectView(scale, level, window, alone=True)

    def scale_requests(
        self, object_id: int, z: int, clicks: tuple[Click, ...], diameter: float | None
    ) -> list[Request]:
        """Requests that ask for an object's first click, or scribble, at every scale, finest first.

        Scales at which a scribble does not fit into a window are left out.

        Parameters
        ----------
        object_id : int
            Number of the object.
        z : int
            Slice index.
        clicks : tuple of Click
            Its one click, a positive one, or the pixels of one scribble.
        diameter : float or None
            Diameter of the objects that were committed, in image pixels.
        """
        requests = []
        for level in self.levels(diameter):
            scale = self.scale(diameter, level)
            box = object_box(None, clicks)
            window = open_window(box, scale, self.source.shape[1:], WINDOW, clicks)
            view = ObjectView(scale, level, window, alone=True)
            requests.append(self._request_in(view, object_id, z, clicks, None))
        longest = [max(request.window.times(request.scale.cell).shape) for request in requests]
        most = max(LARGEST_SEARCH, min(longest))
        return [request for request, side in zip(requests, longest, strict=True) if side <= most]

    def _ask_from_seed(self, question: Question, seed: StoredMask) -> Result:
        """Answer that starts from a mask: a propagated one, or that of a committed object."""
        left = trim_by_negative_clicks(seed, question.clicks)
        anchors: tuple[Click, ...] = ()
        if left.mask.any():
            anchors = (seed_click(left, question.z, question.object_id),)
        request = self.object_request(
            question.object_id,
            question.z,
            (*anchors, *question.clicks),
            self.base_diameter(question.state),
            newest=question.clicks[-1],
            anchors=anchors,
            seed=left,
        )
        return self.predictor.predict(request)


def nearest_power(diameter: float, trained_diameter: float) -> float:
    """The power of two times the trained diameter that is closest to an estimated one.

    An estimate that is off by less than √2 keeps the scale, and with it all embeddings.
    """
    return float(trained_diameter * 2.0 ** round(math.log2(diameter / trained_diameter)))


def _is_added(clicks: tuple[Click, ...], last: Result | None) -> bool:
    """Tell whether clicks are those of the last round and later ones."""
    if last is None:
        return True
    known = {*last.clicks} - {*last.request.anchors}
    return clicks[-1] not in known and known <= {*clicks}


def _distance(corner: tuple[int, int], place: tuple[int, int]) -> int:
    return max(abs(corner[0] - place[0]), abs(corner[1] - place[1]))
