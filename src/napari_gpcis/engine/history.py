"""What a session can go back to: states that are never changed, and the steps between them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.labels import Patch
    from napari_gpcis.engine.result import Result

STEPS_WITH_ANSWERS = 50
OBJECTS_WITH_ANSWERS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Committed:
    """An object that has its label.

    Attributes
    ----------
    label : int
    clicks : tuple of Click
    """

    label: int
    clicks: tuple[Click, ...]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Everything that undo restores, but for the labels' pixels.

    Attributes
    ----------
    clicks : tuple of Click
        Of all objects that are not committed, oldest first.
    active : int
        The object that is worked on; in class mode, the class.
    z : int
        The slice that is worked on.
    committed : tuple of Committed
    diameter : float or None
        Estimated object diameter in pixels.
    answers : dict
        (object, slice) → its last result. Filled in when the answer is there, emptied when the
        state is old: answers can be had again.
    """

    clicks: tuple[Click, ...] = ()
    active: int = 1
    z: int = 0
    committed: tuple[Committed, ...] = ()
    diameter: float | None = None
    answers: dict[tuple[int, int], Result] = field(default_factory=dict)

    def of(self, object_id: int, z: int | None = None) -> tuple[Click, ...]:
        """Clicks of an object, in one slice or in all."""
        return tuple(
            click for click in self.clicks if click.object_id == object_id and z in (None, click.z)
        )

    def after(
        self,
        clicks: tuple[Click, ...],
        active: int,
        z: int,
        *,
        forget: tuple[tuple[int, int], ...] = (),
    ) -> State:
        """State with other clicks, and without the answers that no longer hold.

        Of many objects that are worked on at once, the last ones keep their answers.
        """
        held = [item for item in self.answers.items() if item[0] not in forget]
        answers = dict(held[-OBJECTS_WITH_ANSWERS:])
        return replace(self, clicks=clicks, active=active, z=z, answers=answers)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """From one state to the next, with the changes of labels on the way."""

    before: State
    after: State
    patches: tuple[Patch, ...] = ()


class History:
    """Steps behind and ahead of the present state."""

    def __init__(self) -> None:
        self.present = State()
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a step behind."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step ahead."""
        return bool(self._undone)

    def push(self, after: State, patches: tuple[Patch, ...] = ()) -> None:
        """Take a step; what was undone is gone."""
        for answer in self.present.answers.values():
            answer.release()
        self._done.append(Step(self.present, after, patches))
        self._undone.clear()
        self.present = after
        if len(self._done) > STEPS_WITH_ANSWERS:
            self._done[-STEPS_WITH_ANSWERS - 1].before.answers.clear()

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
