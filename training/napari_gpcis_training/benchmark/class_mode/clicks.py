"""Class mode's simulated user: where the clicks go, what a class map is worth, and a record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy import ndimage

from napari_gpcis_training.clicks import distance_inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Classes = NDArray[np.integer]
    ClassImage = tuple[str, NDArray[np.uint8], Classes]
    Way = Literal["shared", "corrected"]

__all__ = [
    "ClassClick",
    "ClassRecord",
    "accuracy",
    "correcting_click",
    "dice",
    "first_clicks",
    "shared_clicks",
]

_DEEP_ENOUGH = 3.0
"""Pixels from an outline beyond which a user does not aim any deeper."""


class ClassClick(NamedTuple):
    """A pixel and its class, 1…K."""

    row: int
    col: int
    number: int


@dataclass(slots=True)
class ClassRecord:
    """One image, clicked at with one method.

    Attributes
    ----------
    data, image, model : str
        Names of the data set, the image and the method.
    way : {"shared", "corrected"}
        "shared": the same clicks for all methods; "corrected": each one's own errors put right.
    clicks : list of ClassClick
        In order.
    accuracies, dices : list of float
        After each click, 0–1.
    seconds : list of float
        Duration of each answer.
    start_seconds : float
        Duration of the work before the first click.
    contradicted : int
        Clicked pixels that the last map contradicts.
    maps : dict of int to (Y, X) int array
        Class maps after the numbers of clicks that were asked for.
    """

    data: str
    image: str
    model: str
    way: Way
    clicks: list[ClassClick] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    dices: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    start_seconds: float = 0.0
    contradicted: int = 0
    maps: dict[int, Classes] = field(default_factory=dict)


def first_clicks(truth: Classes) -> list[ClassClick]:
    """Click once on each class, in the middle of its largest region.

    Parameters
    ----------
    truth : int, shape (Y, X)
        Classes 1…K; 0 where the class is not known.

    Returns
    -------
    list of ClassClick
        In the order of the classes. A region is connected by edges; its middle is the pixel that
        is farthest from any other class and from the frame, the first in row-major order of
        equals.
    """
    return [_middle(_largest_region(truth == number), number) for number in _present(truth)]


def shared_clicks(truth: Classes, count: int, seed: int) -> list[ClassClick]:
    """Draw clicks that depend on no method: the classes in turn, at random places.

    Parameters
    ----------
    truth : int, shape (Y, X)
        Classes 1…K; 0 where the class is not known.
    count : int
        Clicks in all; fewer when a class has fewer pixels than its share of them.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    list of ClassClick
        No pixel twice. A pixel is drawn the more often the farther it lies from other classes and
        from the frame, up to 3 px: users shun outlines.
    """
    rng = np.random.default_rng(seed)
    present = _present(truth)
    drawn = {
        number: _draw(truth == number, len(range(turn, count, len(present))), rng)
        for turn, number in enumerate(present)
    }
    clicks = []
    for turn in range(count):
        number = present[turn % len(present)]
        if not drawn[number]:
            break
        clicks.append(ClassClick(*drawn[number].pop(), number))
    return clicks


def correcting_click(
    predicted: Classes, truth: Classes, clicks: Sequence[ClassClick]
) -> ClassClick | None:
    """Place the next click: in the middle of the largest error, deterministically.

    Parameters
    ----------
    predicted, truth : int, shape (Y, X)
        Classes 1…K; where the truth is 0, nothing is an error.
    clicks : sequence of ClassClick
        So far; their pixels are not clicked again.

    Returns
    -------
    ClassClick or None
        The pixel of a class that is deepest within that class's wrongly predicted pixels; of
        equals, that of the higher class, then the first in row-major order. None where no
        unclicked pixel is wrong.
    """
    untouched = np.ones(truth.shape, bool)
    for click in clicks:
        untouched[click.row, click.col] = False
    best, deepest = None, 0.0
    for number in _present(truth):
        depth = distance_inside((truth == number) & (predicted != number)) * untouched
        place = int(depth.argmax())
        if depth.flat[place] > 0 and depth.flat[place] >= deepest:
            deepest = float(depth.flat[place])
            row, col = divmod(place, truth.shape[1])
            best = ClassClick(row, col, number)
    return best


def accuracy(predicted: Classes, truth: Classes) -> float:
    """Share of the pixels of known class that are predicted right, 0–1."""
    return float((predicted == truth)[truth > 0].mean())


def dice(predicted: Classes, truth: Classes) -> float:
    """Dice coefficient 2 |A ∩ B| / (|A| + |B|), 0–1: mean over all classes but the background, 1.

    Pixels of unknown class (0) count nowhere.
    """
    known = truth > 0
    scores = []
    for number in _present(truth):
        if number > 1:
            seen, wanted = (predicted == number) & known, truth == number
            scores.append(2 * np.sum(seen & wanted) / (np.sum(seen) + np.sum(wanted)))
    return float(np.mean(scores))


def _present(truth: Classes) -> list[int]:
    return [int(number) for number in np.unique(truth) if number > 0]


def _largest_region(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    regions, _ = ndimage.label(mask)
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    largest: NDArray[np.bool_] = regions == sizes.argmax()
    return largest


def _middle(mask: NDArray[np.bool_], number: int) -> ClassClick:
    row, col = np.unravel_index(int(distance_inside(mask).argmax()), mask.shape)
    return ClassClick(int(row), int(col), number)


def _draw(mask: NDArray[np.bool_], count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    weights = np.minimum(distance_inside(mask), _DEEP_ENOUGH).ravel().astype(np.float64)
    count = min(count, int(np.count_nonzero(weights)))
    places = rng.choice(weights.size, size=count, replace=False, p=weights / weights.sum())
    return [divmod(int(place), mask.shape[1]) for place in places]
