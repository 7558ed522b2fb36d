"""The simulated user of benchmark and validation: clicks in the middle of the largest error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis_training.clicks import evaluation_click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Array = np.ndarray[Any, np.dtype[Any]]
    Click = tuple[int, int, bool]

__all__ = ["CLICKS", "SimulatedUser", "click_through", "clicks_to", "iou_after"]

CLICKS = 20
"""Most clicks that NoC@85, NoC@90 and NoC@95 count."""
ALWAYS = 5
"""Clicks that are made however good the mask is, unless no pixel is left to click."""


class SimulatedUser:
    """A user who clicks at one object, and the scores of the answers.

    Parameters
    ----------
    target, valid : bool, shape (Y, X)
        The object, and the pixels that count: the others neither attract clicks nor are scored.

    Attributes
    ----------
    mask : bool, shape (Y, X)
        The last answer; empty at first.
    clicks : list of (int, int, bool)
        Row, column and whether the pixel belongs to the object, in order.
    ious : list of float
        IoU after each click, 0–1.
    contradicted : list of int
        Number of pixels clicked so far that the mask contradicts, after each click.
    """

    def __init__(self, target: Array, valid: Array) -> None:
        self.target = target
        self.valid = valid
        self.mask: Array = np.zeros_like(target)
        self.clicks: list[Click] = []
        self.ious: list[float] = []
        self.contradicted: list[int] = []
        self._clicked = np.zeros_like(target)

    def click(self) -> bool:
        """Click in the middle of the largest error; False where no wrong pixel is left."""
        place = evaluation_click(self.mask, self.target, self.valid, self._clicked)
        if place is not None:
            self.click_at(place[0], place[1])
        return place is not None

    def click_at(self, row: int, col: int) -> None:
        """Click at a pixel, and say truly what it is."""
        self.clicks.append((row, col, bool(self.target[row, col])))
        self._clicked[row, col] = True

    def take(self, mask: Array) -> None:
        """Take the answer to all clicks so far: bool, shape (Y, X)."""
        self.mask = mask
        self.ious.append(intersection_over_union(mask, self.target, self.valid))
        self.contradicted.append(count_contradicted(mask, self.clicks))

    def is_content(self, enough: float, always: int = ALWAYS) -> bool:
        """True once an IoU has been reached and the clicks that are always made are done."""
        return len(self.ious) >= always and max(self.ious) >= enough

    def signed_clicks(self) -> Array:
        """Clicks as a network takes them: float32, (n, 3), row, column, ±1."""
        signed = [(row, col, 1.0 if positive else -1.0) for row, col, positive in self.clicks]
        return np.array(signed, np.float32).reshape(-1, 3)


def click_through(
    users: Sequence[SimulatedUser],
    answer: Callable[[list[int]], Iterable[Array]],
    most: int = CLICKS,
    enough: float = 0.95,
    always: int = ALWAYS,
) -> None:
    """Let users click in turns, side by side, until each is content or has nothing to click.

    Parameters
    ----------
    users : sequence of SimulatedUser
        Users, each at an object of its own.
    answer : callable
        Called with the numbers of the users that have just clicked; gives their masks.
    most : int
        Clicks after which an object is given up.
    enough : float
        IoU that ends the clicking.
    always : int
        Clicks that are made however good the mask is.
    """
    for _ in range(most):
        clicking = [
            number
            for number, user in enumerate(users)
            if not user.is_content(enough, always) and user.click()
        ]
        if not clicking:
            return
        for number, mask in zip(clicking, answer(clicking), strict=True):
            users[number].take(mask)


def clicks_to(ious: Sequence[float], wanted: float, most: int = CLICKS) -> int:
    """Count the clicks to an IoU; `most` when it is not reached by then."""
    reached = (turn for turn, iou in enumerate(ious[:most], 1) if iou >= wanted)
    return next(reached, most)


def iou_after(ious: Sequence[float], clicks: int) -> float:
    """IoU after so many clicks, or after the last one if there were fewer."""
    return ious[min(clicks, len(ious)) - 1] if ious else 0.0


def intersection_over_union(mask: Array, target: Array, valid: Array) -> float:
    """IoU of two masks on the pixels that count; 1 where both are empty."""
    union = int(((mask | target) & valid).sum())
    return int((mask & target & valid).sum()) / union if union else 1.0


def count_contradicted(mask: Array, clicks: Iterable[Click]) -> int:
    """Count the clicked pixels whose sign the mask does not have."""
    return sum(bool(mask[row, col]) != positive for row, col, positive in clicks)
