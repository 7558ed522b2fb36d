"""Propagation: an object's mask, carried from the slices that were clicked to the others."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from napari_gpcis.engine.geometry import paste
from napari_gpcis.engine.masks import sigmoid
from napari_gpcis.engine.options import Direction
from napari_gpcis.engine.propagation.step import Appearance, Carrier, Held, cut, held

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.predictor import Predictor
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array


@dataclass(frozen=True, slots=True)
class StopRule:
    """When an object is taken to have ended.

    Attributes
    ----------
    smallest_area : int
        Of a mask, in pixels.
    smallest_share : float
        Of the area that the object had in the clicked slice, 0–1.
    smallest_ratio : float
        Area of a mask by that in the slice before, 0–1.
    smallest_overlap : float
        IoU of a mask and that of the slice before, moved onto it by their centroids, 0–1.
    largest_jump : float
        Of the centroid between two slices, in diameters of the mask before.
    largest_uncertainty : float
        1 − mean probability in a mask, 0–1.
    most_slices : int or None
        To either side of a clicked slice.
    largest_growth : float
        Area of a mask by that in the slice before, 1 or more: one that grows faster has flowed
        into a neighbour.
    """

    smallest_area: int = 8
    smallest_share: float = 0.05
    smallest_ratio: float = 0.3
    smallest_overlap: float = 0.2
    largest_jump: float = 1.0
    largest_uncertainty: float = 0.33
    most_slices: int | None = None
    largest_growth: float = 1.6

    def __post_init__(self) -> None:
        """Check each."""
        for name in (
            "smallest_share",
            "smallest_ratio",
            "smallest_overlap",
            "largest_uncertainty",
        ):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"expected {name} between 0 and 1, got {value}; see StopRule")
        bounds = {"smallest_area": 0, "largest_jump": 0, "most_slices": 0, "largest_growth": 1}
        for name, least in bounds.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise ValueError(f"expected {name} of {least} or more, got {value}; see StopRule")

    def ends(self, clicked: Held, last: Held, now: Held) -> bool:
        """Whether the object, seen in `last`, is no longer there in `now`."""
        area, before = int(now.mask.sum()), int(last.mask.sum())
        least = max(
            1,
            self.smallest_area,
            self.smallest_share * int(clicked.mask.sum()),
            self.smallest_ratio * before,
        )
        if area < least or area > self.largest_growth * before:
            return True
        if 1 - now.sureness > self.largest_uncertainty:
            return True
        shift = _centroid(now) - _centroid(last)
        diameter = 2 * math.sqrt(before / math.pi)
        if float(np.hypot(*shift)) > max(1.0, self.largest_jump * diameter):
            return True
        return _overlap(last, now, shift) < self.smallest_overlap


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """An object in a slice that was not clicked.

    Attributes
    ----------
    z : int
        Slice index.
    box : Box
        Bounding box of the mask, in image pixels.
    mask : bool, shape of `box`
    confidence : float
        Mean probability in the mask, 0–1.
    result : Result or None
        What the network alone said, in a window around the mask.
    """

    z: int
    box: Box
    mask: Array
    confidence: float
    result: Result | None


def propagate(
    answers: Mapping[int, Result],
    *,
    source: ImageSource,
    predictor: Predictor,
    direction: Direction = "both",
    stop: StopRule | None = None,
    within: range | None = None,
) -> Iterator[Carried]:
    """Carry an object from its clicked slices to the others, one slice at a time.

    Between two clicked slices the object is carried from both sides. The first pass yields too,
    so that each slice comes when it is done: a slice may come twice, and the later one holds.

    Parameters
    ----------
    answers : mapping of int to Result
        The object's answers, by slice. Never yielded again; where there is no mask in one, the
        object ends.
    source : ImageSource
        Of the answers.
    predictor : Predictor
        Answers requests of both modes.
    direction : {"both", "up", "down"}
        Up is towards larger slice indices. Slices between clicked ones belong to either.
    stop : StopRule, optional
        When the object has ended.
    within : range, optional
        Slices that follow one another, and that alone count: one volume of a time series.

    Yields
    ------
    Carried

    Raises
    ------
    ValueError
        If the direction is not one of those above, or no answer has a mask.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"expected a direction of {get_args(Direction)}, got {direction!r}")
    within = range(source.shape[0]) if within is None else within
    clicked = {z: held(answer) for z, answer in sorted(answers.items()) if z in within}
    empty = {z for z, here in clicked.items() if not here.mask.any()}
    for z in empty:
        del clicked[z]
    if not clicked:
        raise ValueError("expected a slice with a mask to carry on, got none; click the object")
    return _propagate(clicked, empty, within, source, predictor, direction, stop or StopRule())


def _propagate(
    clicked: Mapping[int, Held],
    empty: Collection[int],
    within: range,
    source: ImageSource,
    predictor: Predictor,
    direction: Direction,
    stop: StopRule,
) -> Iterator[Carried]:
    looks = {z: Appearance.of(here.result) for z, here in clicked.items() if here.result}

    def carry(start: Held, towards: range, examples: list[Held]) -> Iterator[Held]:
        carrier = Carrier(source, predictor, [looks[example.z] for example in examples])
        yield from _pass(
            carrier, start, itertools.takewhile(lambda z: z not in empty, towards), stop
        )

    for low, high in itertools.pairwise(clicked.values()):
        upwards: dict[int, Held] = {}
        for now in carry(low, range(low.z + 1, high.z), [low, high]):
            upwards[now.z] = now
            yield _carried(now)
        for now in carry(high, range(high.z - 1, low.z, -1), [high, low]):
            share = (high.z - now.z) / (high.z - low.z)
            other = upwards.get(now.z)
            threshold = looks[high.z].threshold
            yield _carried(now if other is None else joined(other, now, share, threshold))
    lowest, highest = clicked[min(clicked)], clicked[max(clicked)]
    if direction != "down":
        for now in carry(highest, range(highest.z + 1, within.stop), [highest]):
            yield _carried(now)
    if direction != "up":
        for now in carry(lowest, range(lowest.z - 1, within.start - 1, -1), [lowest]):
            yield _carried(now)


def _pass(carrier: Carrier, start: Held, towards: Iterable[int], stop: StopRule) -> Iterator[Held]:
    last = start
    for z in itertools.islice(towards, stop.most_slices):
        now = carrier.step(last, z)
        if now is None or stop.ends(start, last, now):
            return
        yield now
        last = now


def joined(low: Held, high: Held, share: float, threshold: float) -> Held:
    """What two passes say of a slice between two clicked ones.

    Parameters
    ----------
    low, high : Held
        Carried upwards and downwards.
    share : float
        Weight of the first one, 0–1.
    threshold : float
        Probability above which a pixel is in the mask.
    """
    box = low.box.unite(high.box)
    surely_not = -4.0
    logits = share * paste(low.logits, low.box, box, surely_not)
    logits += (1 - share) * paste(high.logits, high.box, box, surely_not)
    nearer = low if share >= 0.5 else high
    mask = cut(logits, box, low.touched + high.touched, threshold)
    if not mask.any():
        return nearer
    sureness = float(sigmoid(logits[mask]).mean())
    return Held(nearer.z, box, mask, logits, nearer.touched, sureness, nearer.result)


def _carried(now: Held) -> Carried:
    box, mask = now.tight
    return Carried(now.z, box, mask, now.sureness, now.result)


def _centroid(now: Held) -> Array:
    """Row and column of the slice."""
    middle: Array = np.argwhere(now.mask).mean(0) + now.box[:2]
    return middle


def _overlap(last: Held, now: Held, shift: Array) -> float:
    """IoU of two masks after the first is moved by whole pixels."""
    box, before = last.tight
    down, right = (round(float(step)) for step in shift)
    moved = type(box)(box.r0 + down, box.c0 + right, box.r1 + down, box.c1 + right)
    here, after = now.tight
    both = moved.unite(here)
    first, second = paste(before, moved, both), paste(after, here, both)
    return float((first & second).sum() / max(1, (first | second).sum()))
