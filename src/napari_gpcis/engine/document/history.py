"""The history of an annotation: its states, and the steps between them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.document.label_store import Patch
    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array

STEPS_WITH_ANSWERS = 50
OBJECTS_WITH_ANSWERS = 16

Key: TypeAlias = tuple[int, int]
"""Object and slice."""


@dataclass(frozen=True, slots=True)
class Committed:
    """An object that has its label.

    Attributes
    ----------
    label : int
        Its number in the labels.
    clicks : tuple of Click
        Clicks that outlined it.
    places : tuple of (int, Box)
        Slices, and boxes of the pixels that were written there.
    certainty : float or None
        Mean probability of its pixels in the slices that were clicked, when it was committed;
        None if it is not known.
    """

    label: int
    clicks: tuple[Click, ...]
    places: tuple[tuple[int, Box], ...] = ()
    certainty: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StoredMask:
    """A mask that no click of its slice brought about: propagated, or taken up from the labels.

    Attributes
    ----------
    box : Box
        Pixels that `mask` covers.
    mask : bool, shape of `box`
        The object.
    clicks : tuple of Click
        The object's clicks in this slice for which the mask holds. Once there are others, their
        answer starts from it.
    """

    box: Box
    mask: Array
    clicks: tuple[Click, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Everything that undo restores, but for the labels' pixels.

    Attributes
    ----------
    clicks : tuple of Click
        Clicks of all objects that are not committed, oldest first.
    active : int
        The object that is worked on; in class mode, the class.
    z : int
        The slice that is worked on.
    committed : tuple of Committed
        Objects that have their labels.
    diameter : float or None
        Estimated object diameter in pixels.
    taken_up : dict
        Object → the committed one, while it is worked on again.
    carried : dict
        (object, slice) → its mask without an answer.
    answers : dict
        (object, slice) → its last result. Filled in when the answer is there, emptied when the
        state is old: answers can be had again.
    """

    clicks: tuple[Click, ...] = ()
    active: int = 1
    z: int = 0
    committed: tuple[Committed, ...] = ()
    diameter: float | None = None
    taken_up: Mapping[int, Committed] = field(default_factory=dict)
    carried: Mapping[Key, StoredMask] = field(default_factory=dict)
    answers: dict[Key, Result] = field(default_factory=dict)

    def of(self, object_id: int, z: int | None = None) -> tuple[Click, ...]:
        """Clicks of an object, in one slice or in all."""
        return tuple(
            click for click in self.clicks if click.object_id == object_id and z in (None, click.z)
        )

    def slices_of(self, object_id: int) -> list[int]:
        """Slices in which an object has clicks or a carried mask, in order."""
        clicked = {click.z for click in self.of(object_id)}
        return sorted(clicked | {z for owner, z in self.carried if owner == object_id})

    def objects(self) -> list[int]:
        """Objects that are not committed and have clicks or masks, in order."""
        clicked = {click.object_id for click in self.clicks}
        return sorted(clicked | {owner for owner, _ in self.carried})

    def carried_for(self, object_id: int, z: int) -> StoredMask | None:
        """Carried mask of an object in a slice, if it holds for the present clicks."""
        carried = self.carried.get((object_id, z))
        if carried is None or carried.clicks != self.of(object_id, z):
            return None
        return carried

    def mask_of(self, object_id: int, z: int) -> tuple[Box, Array] | None:
        """Box and mask of an object in a slice; None if it has none, or none yet."""
        carried = self.carried_for(object_id, z)
        if carried is not None:
            return carried.box, carried.mask
        answer = self.answers.get((object_id, z))
        return None if answer is None else (answer.box, answer.box_mask)

    def after(self, clicks: tuple[Click, ...], active: int, z: int) -> State:
        """State with other clicks, and without the answers that no longer hold.

        Of many objects that are worked on at once, the last ones keep their answers.
        """
        new = replace(self, clicks=clicks, active=active, z=z)
        held = [item for item in self.answers.items() if new.of(*item[0]) == self.of(*item[0])]
        return replace(new, answers=dict(held[-OBJECTS_WITH_ANSWERS:]))

    def without(self, object_id: int) -> State:
        """State in which an object has no clicks and no masks."""
        return replace(
            self,
            clicks=tuple(click for click in self.clicks if click.object_id != object_id),
            taken_up={key: old for key, old in self.taken_up.items() if key != object_id},
            carried={key: mask for key, mask in self.carried.items() if key[0] != object_id},
            answers={key: answer for key, answer in self.answers.items() if key[0] != object_id},
        )


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """From one state to the next, with the changes of labels on the way."""

    before: State
    after: State
    patches: tuple[Patch, ...] = ()


class History:
    """Steps behind and ahead of the present state.

    Parameters
    ----------
    start : State, optional
        The first state.
    """

    def __init__(self, start: State | None = None) -> None:
        self.present = start or State()
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def can_undo(self) -> bool:
        """True if there is a step behind."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """True if there is a step ahead."""
        return bool(self._undone)

    def push(self, after: State, patches: tuple[Patch, ...] = ()) -> Step:
        """Take a step; undone ones are gone."""
        for answer in self.present.answers.values():
            answer.release()
        if after.answers is self.present.answers:
            after = replace(after, answers=dict(after.answers))
        step = Step(self.present, after, patches)
        self._done.append(step)
        self._undone.clear()
        self.present = after
        if len(self._done) > STEPS_WITH_ANSWERS:
            self._done[-STEPS_WITH_ANSWERS - 1].before.answers.clear()
        return step

    def amend(self, present: State) -> None:
        """Put another state in place of the present one; no step leads there."""
        self.present = present

    def undo(self) -> Step | None:
        """Go one step back; None if there is none."""
        if not self._done:
            return None
        step = self._done.pop()
        self._undone.append(step)
        self.present = step.before
        return step

    def redo(self) -> Step | None:
        """Go one step ahead again; None if there is none."""
        if not self._undone:
            return None
        step = self._undone.pop()
        self._done.append(step)
        self.present = step.after
        return step

    def last_answer(self, object_id: int, z: int) -> Result | None:
        """Newest answer about an object in a slice, of the present or of an earlier state.

        None if its clicks there were all taken away in between: it began anew then.
        """
        earlier = (step.before for step in reversed(self._done))
        for state in islice(chain([self.present], earlier), STEPS_WITH_ANSWERS + 1):
            if not state.of(object_id, z):
                return None
            if (object_id, z) in state.answers:
                return state.answers[object_id, z]
        return None

    def forget_answers(self) -> None:
        """Drop all answers: another model, device or object size would give others."""
        self.present.answers.clear()
        for step in (*self._done, *self._undone):
            step.before.answers.clear()
            step.after.answers.clear()
