"""Propagation of one object: its mask, carried from the slices that were clicked to the others."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING, get_args

from napari_gpcis.engine.options import Direction
from napari_gpcis.engine.propagation.sweep import ClickedSlice, Sweep, between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.predictor import Predictor
    from napari_gpcis.engine.propagation.slice_mask import SliceMask
    from napari_gpcis.engine.propagation.stop_rule import StopRule
    from napari_gpcis.engine.result import Result

ONE = 0
"""Number of the object among those of its sweeps."""


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
    if direction not in get_args(Direction):
        raise ValueError(f"expected a direction of {get_args(Direction)}, got {direction!r}")
    within = range(source.shape[0]) if within is None else within
    seen = {z: ClickedSlice.of(answer) for z, answer in sorted(answers.items()) if z in within}
    clicked = {z: there for z, there in seen.items() if there is not None}
    if not clicked:
        raise ValueError("expected a slice with a mask to carry on, got none; click the object")
    absent = seen.keys() - clicked.keys()

    def through(slices: range, *, up: bool) -> Iterator[SliceMask]:
        """Masks from the clicked slice at the beginning on, until the object ends."""
        sweep = Sweep(
            source,
            predictor,
            {ONE: clicked},
            slices,
            up=up,
            stop=stop,
            absent={ONE: absent},
            encode_ahead=False,
        )
        for _, carried in islice(sweep.steps(), 1, None):
            if not carried:
                return
            yield carried[ONE]

    return _both_ways(through, clicked, within, direction)


def _both_ways(
    through: Callable[..., Iterator[SliceMask]],
    clicked: Mapping[int, ClickedSlice],
    within: range,
    direction: Direction,
) -> Iterator[SliceMask]:
    for low, high in pairwise(clicked):
        gap = range(low, high + 1)
        upwards = {}
        for now in through(gap, up=True):
            upwards[now.z] = now
            yield now.cropped
        for now in through(gap, up=False):
            yield (between(now.z, upwards.get(now.z), now, clicked) or now).cropped
    if direction != "down":
        yield from through(range(max(clicked), within.stop), up=True)
    if direction != "up":
        yield from through(range(within.start, min(clicked) + 1), up=False)
