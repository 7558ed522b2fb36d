"""Question → Result: what is asked of the network about the state of an annotation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.geometry import equivalent_diameter
from napari_gpcis.engine.planner import Planner, nearest_power
from napari_gpcis.engine.seed import believed, seed_click, seed_latent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_gpcis.engine.annotation import Question
    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.history import CarriedMask, State
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.options import Options
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.runner import Runner
    from napari_gpcis.engine.types import Array


class Answerer:
    """Answers questions about one image; changes no annotation.

    Parameters
    ----------
    source : ImageSource
    runner : Runner
    options : Options
    numbers : iterator of int
        Generations of requests.

    Attributes
    ----------
    given_diameter : float or None
        Object diameter in pixels that the user gave.
    """

    def __init__(
        self, source: ImageSource, runner: Runner, options: Options, numbers: Iterator[int]
    ) -> None:
        self.source = source
        self.runner = runner
        self.class_mode = options.mode == "class"
        self.given_diameter = options.object_diameter
        self.planner = Planner(source, runner.embedder, self.class_mode, options.threshold, numbers)

    def answer(self, question: Question, is_stale: Callable[[], bool] = lambda: False) -> Result:
        """Mask of an object (class) in a slice.

        An object of which no earlier answer is left is clicked again, click by click, because
        each round of the network starts from the last one's mask.

        Parameters
        ----------
        question : Question
            From `Annotation.question`.
        is_stale : callable
            Whether the answer is not wanted any more; asked between such rounds.
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
        result = self._ask_object(question, clicks if last else clicks[:1], last)
        for count in range(2, len(clicks) + 1) if last is None else ():
            if is_stale():
                break
            result = self._ask_object(question, clicks[:count], result)
        return result

    def class_tiles(
        self, state: State, z: int, place: tuple[int, int] = (0, 0)
    ) -> Iterator[Result]:
        """Class mode: results that cover a slice, the one at a pixel first."""
        self.check_slice(z)
        if not state.clicks:
            return
        corners = self.planner.tile_corners(self.base_diameter(state))
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
        scale = self.planner.scale(self.base_diameter(state))
        self.runner.encode_slice(self.source, z, scale, place, is_stale)

    def base_diameter(self, state: State) -> float | None:
        """Diameter that sets the scale; a change of it costs all embeddings."""
        if self.given_diameter is not None or state.diameter is None:
            return self.given_diameter
        return nearest_power(state.diameter, self.planner.trained_diameter)

    @property
    def searches(self) -> bool:
        """Whether the first click of an object looks for its scale: nobody said how large it is."""
        cached = self.runner.network.config.fusion == "cached"
        return cached and not self.class_mode and self.given_diameter is None

    def expects(self, state: State) -> bool:
        """Whether an object as large as another is likely."""
        return state.diameter is not None or self.runner.network.config.image_diameter is not None

    def check_slice(self, z: int) -> None:
        """Raise ValueError unless the image has a slice."""
        count = self.source.shape[0]
        if not 0 <= z < count:
            raise ValueError(
                f"expected a slice between 0 and {count - 1}, got {z}; indices start at 0"
            )

    def _ask_class(self, class_id: int, z: int, state: State, place: tuple[int, int]) -> Result:
        diameter = self.base_diameter(state)
        return self.runner.predict(
            self.planner.for_class(class_id, z, state.clicks, diameter, place)
        )

    def _ask_object(
        self, question: Question, clicks: tuple[Click, ...], last: Result | None
    ) -> Result:
        newest = clicks[-1] if clicks and _is_added(clicks, last) else None
        anchors = last.request.anchors if last is not None and clicks else ()
        if self.searches and not anchors and len(clicks) == 1 and clicks[0].positive:
            return self._ask_first(question, clicks[0])
        request = self.planner.for_object(
            question.object_id,
            question.z,
            (*anchors, *clicks),
            self.base_diameter(question.state),
            last,
            newest,
        )
        return self.runner.predict(replace(request, anchors=anchors))

    def _ask_first(self, question: Question, click: Click) -> Result:
        """Answer to an object's one click, at the scale that suits it best."""
        diameter, expected = self.base_diameter(question.state), self.expects(question.state)
        object_id, z = question.object_id, question.z
        requests = self.planner.for_scales(object_id, z, click, diameter)
        found = self.runner.find_scale(requests, expected=expected)
        # tiles of the expected scale serve many objects
        alone = not (expected and found.level == 0)
        return self.runner.predict(self.planner.for_found(object_id, z, click, found, alone=alone))

    def _ask_from_seed(self, question: Question, seed: CarriedMask) -> Result:
        """Answer that starts from a mask: a propagated one, or that of a committed object."""
        left = believed(seed, question.clicks)
        anchors: tuple[Click, ...] = ()
        diameter, level = self.base_diameter(question.state), 0
        if left.mask.any():
            anchors = (seed_click(left, question.z, question.object_id),)
            if self.searches:
                size = equivalent_diameter(int(left.mask.sum()))
                level = self.planner.level_for(size, diameter)
        request = self.planner.for_object(
            question.object_id,
            question.z,
            (*anchors, *question.clicks),
            diameter,
            None,
            question.clicks[-1],
            seed.box,
            level,
        )
        latent = seed_latent(left, request.window, request.scale)
        return self.runner.predict(replace(request, previous=latent, anchors=anchors))


def _is_added(clicks: tuple[Click, ...], last: Result | None) -> bool:
    """Whether clicks are those of the last round and later ones."""
    if last is None:
        return True
    known = {*last.clicks} - {*last.request.anchors}
    return clicks[-1] not in known and known <= {*clicks}


def _distance(corner: tuple[int, int], place: tuple[int, int]) -> int:
    return max(abs(corner[0] - place[0]), abs(corner[1] - place[1]))
