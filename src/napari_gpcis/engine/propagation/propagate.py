"""Propagation of one object: its mask, carried from the slices that were clicked to the others.

The clicked slices cut the stack into segments: the gaps between two of them, and what lies beyond
the first and the last. What is carried through a segment depends on its clicked ends alone. So a
further click changes the two segments that it ends, and the others are taken as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, get_args
from weakref import ref

import numpy as np

from napari_gpcis.engine.options import Direction
from napari_gpcis.engine.propagation.sweep import ClickedSlice, Sweep, between

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.predictor import Predictor
    from napari_gpcis.engine.propagation.slice_mask import SliceMask
    from napari_gpcis.engine.propagation.stop_rule import StopRule
    from napari_gpcis.engine.result import Result

ONE = 0
"""Number of the object among those of its sweeps."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Slices that an object is carried through, with the clicked ones at the ends.

    Attributes
    ----------
    low, high : ClickedSlice or None
        The object in the first and the last of the slices; None where the stack ends there.
    slices : range
        Slices that follow one another, ascending, ends included.
    absent : frozenset of int
        Slices in which the object is known not to be.
    """

    low: ClickedSlice | None
    high: ClickedSlice | None
    slices: range
    absent: frozenset[int]

    @property
    def ends(self) -> dict[int, ClickedSlice]:
        """The clicked ends, by slice, ascending."""
        return {end.mask.z: end for end in (self.low, self.high) if end is not None}


class Propagation:
    """Propagation of one object, to be run again whenever it was clicked.

    Parameters
    ----------
    source : ImageSource
        The image.
    predictor : Predictor
        Answers requests of both modes.
    stop : StopRule, optional
        Rule by which the object has ended.
    """

    def __init__(
        self, source: ImageSource, predictor: Predictor, stop: StopRule | None = None
    ) -> None:
        self._source = source
        self._predictor = predictor
        self._stop = stop
        self._seen: dict[int, tuple[ref[Result], ClickedSlice | None]] = {}
        self._known: dict[Segment, tuple[SliceMask, ...]] = {}

    def run(
        self,
        answers: Mapping[int, Result],
        direction: Direction = "both",
        within: range | None = None,
        newest: int | None = None,
    ) -> Iterator[SliceMask]:
        """Carry the object, one slice at a time.

        Parameters
        ----------
        answers : mapping of int to Result
            The object's answers, by slice.
        direction : {"both", "up", "down"}
            Up is towards larger slice indices.
        within : range, optional
            Slices that follow one another, and that alone count.
        newest : int, optional
            Slice of the newest click: what it ends comes first.

        Yields
        ------
        SliceMask
            As from `propagate`, which also says what is raised.
        """
        if direction not in get_args(Direction):
            raise ValueError(f"expected a direction of {get_args(Direction)}, got {direction!r}")
        within = range(self._source.shape[0]) if within is None else within
        seen = {z: self._see(z, answer) for z, answer in sorted(answers.items()) if z in within}
        clicked = [there for there in seen.values() if there is not None]
        if not clicked:
            raise ValueError("expected a slice with a mask to carry on, got none; click the object")
        absent = frozenset(z for z, there in seen.items() if there is None)
        segments = _segments(clicked, within, absent)
        self._known = {
            segment: masks for segment, masks in self._known.items() if segment in segments
        }
        wanted = [segment for segment in segments if _is_wanted(segment, direction)]
        if newest is not None:
            wanted.sort(key=lambda segment: min(abs(z - newest) for z in segment.ends))
        return self._through(wanted)

    def _see(self, z: int, answer: Result) -> ClickedSlice | None:
        """The object in a clicked slice: the very one of the last run if it is the same."""
        kept = self._seen.get(z)
        if kept is not None and kept[0]() is answer:
            return kept[1]
        there = ClickedSlice.of(answer)
        if kept is not None and there is not None and _alike(kept[1], there):
            there = kept[1]
        self._seen[z] = (ref(answer), there)
        return there

    def _through(self, segments: list[Segment]) -> Iterator[SliceMask]:
        for segment in segments:
            known = self._known.get(segment)
            if known is not None:
                yield from known
                continue
            carried: dict[int, SliceMask] = {}
            for now in self._carry(segment):
                carried[now.z] = now
                yield now
            self._known[segment] = tuple(carried.values())

    def _carry(self, segment: Segment) -> Iterator[SliceMask]:
        ends = segment.ends
        if segment.low is None or segment.high is None:
            yield from self._pass(segment, up=segment.high is None)
            return
        upwards = {}
        for now in self._pass(segment, up=True):
            upwards[now.z] = now
            yield now.cropped
        for now in self._pass(segment, up=False):
            yield (between(now.z, upwards.get(now.z), now, ends) or now).cropped

    def _pass(self, segment: Segment, *, up: bool) -> Iterator[SliceMask]:
        """Masks from a clicked end on, until the object ends."""
        sweep = Sweep(
            self._source,
            self._predictor,
            {ONE: segment.ends},
            segment.slices,
            up=up,
            stop=self._stop,
            absent={ONE: segment.absent},
            encode_ahead=False,
        )
        for _, carried in islice(sweep.steps(), 1, None):
            if not carried:
                return
            yield carried[ONE]


def propagate(
    answers: Mapping[int, Result],
    *,
    source: ImageSource,
    predictor: Predictor,
    direction: Direction = "both",
    stop: StopRule | None = None,
    within: range | None = None,
) -> Iterator[SliceMask]:
    """Carry an object from its clicked slices to the others, one slice at a time.

    Between two clicked slices the object is carried from both sides. The first pass yields too,
    so that each slice comes when it is done: a slice may come twice, and the later one holds.

    Parameters
    ----------
    answers : mapping of int to Result
        The object's answers, by slice. Never yielded again; where there is no mask in one, the
        object ends.
    source : ImageSource
        The image of the answers.
    predictor : Predictor
        Answers requests of both modes.
    direction : {"both", "up", "down"}
        Up is towards larger slice indices. Slices between clicked ones belong to either.
    stop : StopRule, optional
        Rule by which the object has ended.
    within : range, optional
        Slices that follow one another, and that alone count: one volume of a time series.

    Yields
    ------
    SliceMask
        Cut to the mask.

    Raises
    ------
    ValueError
        If the direction is not one of those above, or no answer has a mask.
    """
    return Propagation(source, predictor, stop).run(answers, direction, within)


def _segments(clicked: list[ClickedSlice], within: range, absent: frozenset[int]) -> list[Segment]:
    """Gaps between clicked slices, what lies above the last one, and what lies below the first."""
    first, last = clicked[0], clicked[-1]
    cut = [
        *((low, high, range(low.mask.z, high.mask.z + 1)) for low, high in pairwise(clicked)),
        (last, None, range(last.mask.z, within.stop)),
        (None, first, range(within.start, first.mask.z + 1)),
    ]
    return [
        Segment(low, high, slices, frozenset(z for z in absent if z in slices))
        for low, high, slices in cut
    ]


def _is_wanted(segment: Segment, direction: Direction) -> bool:
    """Tell whether a segment belongs to a direction."""
    if segment.low is None:
        return direction != "up"
    return segment.high is not None or direction != "down"


def _alike(one: ClickedSlice | None, other: ClickedSlice) -> bool:
    """Tell whether an object is the same in two answers, to the last bit."""
    if one is None or one.mask.box != other.mask.box:
        return False
    first, second = one.appearance, other.appearance
    return (
        (first.scale, first.level, first.threshold)
        == (second.scale, second.level, second.threshold)
        and first.examples == second.examples
        and np.array_equal(one.mask.mask, other.mask.mask)
        and np.array_equal(one.mask.logits, other.mask.logits)
    )
