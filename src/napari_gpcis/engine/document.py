"""One image under work: its clicks, answers, labels, and the steps between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.commit import class_patch, committed, next_label, object_patches
from napari_gpcis.engine.history import History, State, Step
from napari_gpcis.engine.planner import Planner, nearest_power

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.labels import LabelStore, Overlap
    from napari_gpcis.engine.options import Options
    from napari_gpcis.engine.request import Request
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.runner import Runner
    from napari_gpcis.engine.types import Array


class Document:
    """What a session knows of one image.

    Parameters
    ----------
    source : ImageSource
    labels : LabelStore
    runner : Runner
    options : Options
    numbers : iterator of int
        Generations of requests.
    """

    def __init__(
        self,
        source: ImageSource,
        labels: LabelStore,
        runner: Runner,
        options: Options,
        numbers: Iterator[int],
    ) -> None:
        self.source = source
        self.labels = labels
        self.runner = runner
        self.options = options
        self.history = History()
        self.class_mode = options.mode == "class"
        self.given_diameter = options.object_diameter
        self.result: Result | None = None
        self._planner = Planner(
            source, runner.embedder, self.class_mode, options.threshold, numbers
        )

    @property
    def state(self) -> State:
        """The present one."""
        return self.history.present

    @property
    def diameter(self) -> float | None:
        """Object diameter in pixels, as given or estimated."""
        return self.given_diameter or self.state.diameter

    def click(
        self, row: float, col: float, positive: bool, z: int, object_id: int | None
    ) -> Result:
        """Add a click."""
        meant = self.state.active if object_id is None else object_id
        click = Click.at(row, col, z=z, positive=positive, object_id=meant, shape=self.source.shape)
        return self._change((*self._others(self.state.clicks, click), click), click, newest=click)

    def move(self, index: int, row: float, col: float) -> Result:
        """Put a click elsewhere in its slice."""
        old, clicks = self._click(index), self.state.clicks
        moved = Click.at(
            row,
            col,
            z=old.z,
            positive=old.positive,
            object_id=old.object_id,
            shape=self.source.shape,
        )
        before, after = clicks[:index], clicks[index + 1 :]
        return self._change(
            (*self._others(before, moved), moved, *self._others(after, moved)), moved
        )

    def remove(self, index: int) -> Result:
        """Remove a click."""
        old, clicks = self._click(index), self.state.clicks
        return self._change(clicks[:index] + clicks[index + 1 :], old)

    def clear(self) -> Result:
        """Remove the clicks of the object (class) that is worked on."""
        state = self.state
        clicks = tuple(click for click in state.clicks if click.object_id != state.active)
        if clicks != state.clicks:
            gone = tuple(key for key in state.answers if key[0] == state.active)
            self.history.push(state.after(clicks, state.active, state.z, forget=gone))
        return self.show(state.z)

    def undo(self) -> Result:
        """Go back a step."""
        step = self.history.undo()
        for patch in reversed(step.patches if step else ()):
            self.labels.write(patch, back=True)
        return self.show(step.after.z if step else self.state.z)

    def redo(self) -> Result:
        """Go ahead again."""
        step = self.history.redo()
        for patch in step.patches if step else ():
            self.labels.write(patch)
        return self.show(self.state.z)

    def commit(self, label: int | None, overlap: Overlap) -> int:
        """Write the object, or the slice's classes, into the labels."""
        state = self.state
        if self.class_mode:
            patches = class_patch(self.labels, state.z, self.classify(state.z))
            self._take(Step(state, state.after(state.clicks, state.active, state.z), patches))
            return state.active
        label = next_label(state, self.labels) if label is None else label
        slices = sorted({click.z for click in state.of(state.active)})
        answers = [self._answer_of(z) for z in slices]
        patches = object_patches(answers, self.labels, label, overlap)
        self._take(Step(state, committed(state, answers, label), patches))
        return label

    def classify(self, z: int) -> Array:
        """Class of every pixel of a slice, (Y, X) int32."""
        self._check_slice(z)
        classes = np.zeros(self.source.shape[1:], np.int32)
        clicks = self.state.clicks
        for place in self._planner.tile_corners(self._base_diameter) if clicks else ():
            request = self._planner.for_class(
                self.state.active, z, clicks, self._base_diameter, place
            )
            result = self.runner.predict(request)
            classes[result.box.slices] = result.box_classes
        return classes

    def prepare(self, z: int) -> None:
        """Encode a slice ahead of need."""
        self._check_slice(z)
        self.runner.encode_slice(self.source, z, self._planner.scale(self._base_diameter))

    def labels_of(self, z: int) -> Array:
        """Labels of a slice, (Y, X) int32; a copy."""
        self._check_slice(z)
        return self.labels.of_slice(z)

    def show(self, z: int) -> Result:
        """Result of what is worked on, in a slice."""
        self.result = self._answer_of(z)
        return self.result

    @property
    def _base_diameter(self) -> float | None:
        """Diameter that sets the scale; a change of it costs all embeddings."""
        estimated = self.state.diameter
        if self.given_diameter is not None or estimated is None:
            return self.given_diameter
        return nearest_power(estimated, self._planner.trained_diameter)

    def _click(self, index: int) -> Click:
        clicks = self.state.clicks
        if not 0 <= index < len(clicks):
            raise ValueError(
                f"expected the index of one of {len(clicks)} clicks, got {index}; see `clicks`"
            )
        return clicks[index]

    def _check_slice(self, z: int) -> None:
        count = self.source.shape[0]
        if not 0 <= z < count:
            raise ValueError(
                f"expected a slice between 0 and {count - 1}, got {z}; indices start at 0"
            )

    def _others(self, clicks: tuple[Click, ...], click: Click) -> tuple[Click, ...]:
        """Clicks that one more on this pixel leaves as they are."""
        return tuple(
            other
            for other in clicks
            if other.place != click.place
            or not (self.class_mode or other.object_id == click.object_id)
        )

    def _change(
        self, clicks: tuple[Click, ...], about: Click, newest: Click | None = None
    ) -> Result:
        key = (about.object_id, about.z)
        last = self.state.answers.get(key)
        after = self.state.after(clicks, about.object_id, about.z, forget=(key,))
        request = self._request(after, about.z, (about.row, about.col), last, newest)
        # the click is kept before the network sees it, whatever becomes of the answer
        self.history.push(after)
        return self._answer(request)

    def _request(
        self,
        state: State,
        z: int,
        place: tuple[int, int],
        last: Result | None = None,
        newest: Click | None = None,
    ) -> Request:
        diameter = self._base_diameter
        if self.class_mode:
            return self._planner.for_class(state.active, z, state.clicks, diameter, place)
        clicks = state.of(state.active, z)
        return self._planner.for_object(state.active, z, clicks, diameter, last, newest)

    def _answer(self, request: Request) -> Result:
        self.result = None
        result = self.runner.predict(request)
        if not self.class_mode and request.clicks:
            self.state.answers[request.object_id, request.z] = result
        self.result = result
        return result

    def _answer_of(self, z: int) -> Result:
        """Answer of what is worked on in a slice, asked for again if it was dropped."""
        state = self.state
        kept = state.answers.get((state.active, z))
        if kept is not None:
            return kept
        of_slice = [click for click in state.clicks if click.z == z]
        place = (of_slice[-1].row, of_slice[-1].col) if of_slice else (0, 0)
        return self._answer(self._request(state, z, place))

    def _take(self, step: Step) -> None:
        for patch in step.patches:
            self.labels.write(patch)
        self.history.push(step.after, step.patches)
        self.result = None
