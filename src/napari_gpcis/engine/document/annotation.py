"""Clicks, committed objects and labels of one image, and the way back through all of it.

Nothing here needs the network: every change is made at once, whether or not it can be answered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Literal, TypeAlias

from napari_gpcis.engine.document.commit import (
    class_patches,
    committed,
    diameter_of,
    found_objects,
    next_label,
    next_object,
    object_patches,
    taken_up,
)
from napari_gpcis.engine.document.history import Committed, History, State, Step
from napari_gpcis.engine.document.regroup import deleted, merged, split
from napari_gpcis.engine.geometry import Box, bounding_box

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.document.commit import Masks
    from napari_gpcis.engine.document.history import StoredMask
    from napari_gpcis.engine.document.label_store import LabelStore, Patch
    from napari_gpcis.engine.document.regroup import Places
    from napari_gpcis.engine.options import Direction, Overlap
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array

Kind: TypeAlias = Literal["step", "undo", "redo"]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A change of an annotation, as its observers are told of it."""

    kind: Kind
    step: Step


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question to the network: an object's mask in a slice.

    Attributes
    ----------
    state : State
        Whose clicks count; the answer goes into its `answers`.
    object_id, z : int
        Object (class) and slice.
    last : Result or None
        Answer that the new one starts from.
    seed : StoredMask or None
        Mask that it starts from when there was no answer yet.
    """

    state: State
    object_id: int
    z: int
    last: Result | None = None
    seed: StoredMask | None = None

    @property
    def clicks(self) -> tuple[Click, ...]:
        """Clicks of the object in the slice."""
        return self.state.of(self.object_id, self.z)

    def same_as(self, other: Question) -> bool:
        """Tell whether two object-mode questions have the same answer."""
        return (
            (self.object_id, self.z, self.clicks) == (other.object_id, other.z, other.clicks)
            and self.state.diameter == other.state.diameter
            and self.last is other.last
            and self.seed is other.seed
        )


class Annotation:
    """The document under work. All methods return at once.

    Parameters
    ----------
    labels : LabelStore
        Store that committed objects are written to.
    class_mode : bool
        Whether clicks name classes instead of outlining objects.
    committed : tuple of Committed
        Objects that the labels hold already, with their clicks.

    Attributes
    ----------
    observers : list of callable
        Each is called with a `Change` after it was made.
    """

    def __init__(
        self,
        labels: LabelStore,
        *,
        class_mode: bool = False,
        committed: tuple[Committed, ...] = (),
    ) -> None:
        self.labels = labels
        self.class_mode = class_mode
        self.history = History(State(committed=committed))
        self.observers: list[Callable[[Change], None]] = []

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        return self.labels.shape

    @property
    def state(self) -> State:
        """The present one."""
        return self.history.present

    @property
    def can_undo(self) -> bool:
        """True if there is something to take back."""
        return self.history.can_undo

    @property
    def can_redo(self) -> bool:
        """True if there is something to do again."""
        return self.history.can_redo

    def set_clicks(
        self, clicks: Sequence[Click], *, active: int | None = None, z: int | None = None
    ) -> bool:
        """Replace all clicks that are not committed, as one step.

        Of two clicks of an object on one pixel, the later one stays.

        Parameters
        ----------
        clicks : sequence of Click
            Oldest first.
        active, z : int, optional
            Object and slice that are worked on from now on; as before when not given.

        Returns
        -------
        bool
            False if that changes nothing.
        """
        state = self.state
        active = state.active if active is None else active
        z = state.z if z is None else z
        if (self._one_per_pixel(clicks), active, z) == (state.clicks, state.active, state.z):
            return False
        self._replace(clicks, active, z)
        return True

    def add(self, *clicks: Click) -> None:
        """Add a click, or all pixels of a stroke, as one step.

        An older click of the object on the same pixel goes.
        """
        newest = clicks[-1]
        self._replace((*self.state.clicks, *clicks), newest.object_id, newest.z)

    @property
    def next_stroke(self) -> int:
        """Number that no scribble, box or lasso of the image has."""
        state = self.state
        done = (*state.committed, *state.taken_up.values())
        earlier = (click for each in done for click in each.clicks)
        return 1 + max((click.stroke for click in chain(state.clicks, earlier)), default=0)

    def move(self, index: int, click: Click) -> None:
        """Put another click in place of one, given by its index; a stroke moves as a whole.

        Pixels of the stroke that would leave the image are left out.
        """
        old, clicks = self.click(index), self.state.clicks
        if old.stroke and (click.z, click.object_id) == (old.z, old.object_id):
            self._move_stroke(old, click.row - old.row, click.col - old.col)
            return
        rest = [other for other in clicks if other is not old and not self._same(other, click)]
        rest.insert(sum(other in rest for other in clicks[:index]), click)
        self._replace(rest, click.object_id, click.z)

    def remove(self, index: int) -> None:
        """Remove a click, given by its index; one of a stroke's pixels takes the stroke along."""
        old, clicks = self.click(index), self.state.clicks
        rest = [other for other in clicks if other is not old and not other.in_one_stroke(old)]
        self._replace(rest, old.object_id, old.z)

    def click(self, index: int) -> Click:
        """Click of an index.

        Raises
        ------
        ValueError
            If there is none.
        """
        clicks = self.state.clicks
        if not 0 <= index < len(clicks):
            raise ValueError(
                f"expected the index of one of {len(clicks)} clicks, got {index}; see `clicks`"
            )
        return clicks[index]

    def clear(self) -> bool:
        """Remove clicks and masks of the object (class) that is worked on, in all slices.

        An object that was taken up again is put back as it was committed. False if there is
        nothing to remove.
        """
        state = self.state
        if state.active not in {*state.objects(), *state.taken_up}:
            return False
        rest = state.without(state.active)
        old = state.taken_up.get(state.active)
        if old is not None:
            rest = replace(rest, committed=(*rest.committed, old), active=next_object(state))
        self._push(rest)
        return True

    def begin_object(self) -> int:
        """Leave the object as it is and begin another; returns its number."""
        state = self.state
        if state.active not in state.objects():
            return state.active
        self._push(replace(state, active=next_object(state)))
        return self.state.active

    def activate(self, object_id: int, z: int | None = None) -> None:
        """Work on another object (class)."""
        self.set_clicks(self.state.clicks, active=object_id, z=z)

    def unanswered(self) -> list[int]:
        """Slices in which the object that is worked on still lacks its mask."""
        state, active = self.state, self.state.active
        clicked = {click.z for click in state.of(active)}
        return [z for z in sorted(clicked) if state.mask_of(active, z) is None]

    def commit(self, label: int | None = None, overlap: Overlap = "protect") -> int:
        """Write the object into the labels and begin the next.

        Parameters
        ----------
        label : int, optional
            Label to write; when not given, the one that it had, if it was taken up again, else the
            next free one.
        overlap : {"protect", "overwrite"}
            Fate of pixels that belong to other objects.

        Returns
        -------
        int
            The label.

        Raises
        ------
        ValueError
            If there is no pixel to label, or a slice still lacks its answer. Nothing is changed
            then.
        """
        state = self.state
        if self.unanswered():
            raise ValueError(
                f"expected answers in slices {self.unanswered()}, got none yet; wait for them"
            )
        masks: Masks = {
            z: mask
            for z in state.slices_of(state.active)
            if (mask := state.mask_of(state.active, z)) is not None
        }
        old = state.taken_up.get(state.active)
        if label is None:
            label = old.label if old else next_label(state, self.labels)
        patches = object_patches(masks, self.labels, label, overlap, old)
        self._push(committed(state, masks, label), patches)
        return label

    def commit_found(self, objects: Sequence[tuple[Masks, tuple[Click, ...]]]) -> list[int]:
        """Write objects that were found, and not clicked one by one, into the labels; one step.

        Pixels that have a label keep it, and of two objects the first gets a pixel. What is
        worked on is left as it is.

        Parameters
        ----------
        objects : sequence of (dict, tuple of Click)
            Masks of an object by slice, and the clicks with which it can be taken up.

        Returns
        -------
        list of int
            The label of each; 0 for one that was left no pixel.

        Raises
        ------
        ValueError
            If the labels' type holds too few labels. Nothing is changed then.
        """
        state = self.state
        patches, found, labels = found_objects(state, self.labels, objects)
        if found:
            diameter = state.diameter or diameter_of(objects)
            after = replace(state, committed=(*state.committed, *found), diameter=diameter)
            self._push(after, patches)
        return labels

    def commit_classes(self, classes: Mapping[int, Array]) -> bool:
        """Class mode: write slices' classes, (Y, X) int each, into the labels; one step."""
        patches = class_patches(self.labels, classes)
        if patches:
            self._push(replace(self.state), patches)
        return bool(patches)

    def choose(self, class_id: int) -> None:
        """Class mode: give the clicks to come another class. Not a step of the history."""
        self.history.amend(replace(self.state, active=class_id))

    def take_up(self, label: int, z: int | None = None) -> int:
        """Work on a committed object again, with its clicks and its pixels as they are now.

        Parameters
        ----------
        label : int
            Label of the object.
        z : int, optional
            Slice in which to look for its pixels, if it was not committed here.

        Returns
        -------
        int
            Its object number.

        Raises
        ------
        ValueError
            If there is no such label.
        """
        state = self.state
        done = next((item for item in state.committed if item.label == label), None)
        if done is None or not done.places:
            done = self._found(label, z, done)
        self._push(taken_up(state, self.labels, done))
        return self.state.active

    def delete(self, places: Mapping[int, Places]) -> None:
        """Delete objects, given by their labels and where these are, as one step."""
        self._push(*deleted(self.state, self.labels, places))

    def merge(self, places: Mapping[int, Places]) -> None:
        """Make several objects one, with the label of the first, as one step."""
        self._push(*merged(self.state, self.labels, places))

    def split(self, label: int, places: Places) -> None:
        """Make an object's pieces, or its two halves, objects of their own, as one step.

        Raises
        ------
        ValueError
            If it is in one piece and has no waist.
        """
        self._push(*split(self.state, self.labels, label, places))

    def carry(
        self,
        masks: Mapping[int, StoredMask],
        object_id: int | None = None,
        instead: Iterable[int] = (),
    ) -> bool:
        """Give an object masks in slices where it has no clicks, as one step.

        Parameters
        ----------
        masks : mapping of int to StoredMask
            Slice → mask.
        object_id : int, optional
            The one that is worked on when not given.
        instead : iterable of int
            Slices that were propagated to: the object's older masks there go.

        Returns
        -------
        bool
            False if that changes nothing.
        """
        state = self.state
        owner = state.active if object_id is None else object_id
        gone = {(owner, z) for z in instead if not state.of(owner, z)}
        new = {(owner, z): mask for z, mask in masks.items() if not state.of(owner, z)}
        kept = {key: mask for key, mask in state.carried.items() if key not in gone}
        if not new and len(kept) == len(state.carried):
            return False
        self._push(replace(state, carried={**kept, **new}))
        return True

    def edit(self, patches: Iterable[Patch], *, written: bool = False) -> None:
        """Take a change of labels that was made by hand into the history.

        With `written`, the labels hold it already.
        """
        changes = tuple(patches)
        for patch in changes:
            self.labels.highest = max(self.labels.highest, int(patch.after.max()))
        self._push(replace(self.state), changes, written)

    def undo(self) -> Step | None:
        """Go back a step; None if there is none."""
        step = self.history.undo()
        if step is not None:
            for patch in reversed(step.patches):
                self.labels.write(patch, back=True, changed_only=True)
            self._tell("undo", step)
        return step

    def redo(self) -> Step | None:
        """Go ahead again; None if there is nowhere to go."""
        step = self.history.redo()
        if step is not None:
            for patch in step.patches:
                self.labels.write(patch, changed_only=True)
            self._tell("redo", step)
        return step

    def replay(self, kind: Kind, after: State | None = None, patches: Iterable[Patch] = ()) -> None:
        """Make a recorded change again; observers are not told."""
        observers, self.observers = self.observers, []
        try:
            if kind == "undo":
                self.undo()
            elif kind == "redo":
                self.redo()
            elif after is not None:
                self._push(after, tuple(patches))
        finally:
            self.observers = observers

    def question(self, z: int, object_id: int | None = None) -> Question:
        """Question to the network about an object (class) in a slice."""
        state = self.state
        object_id = state.active if object_id is None else object_id
        last = None if self.class_mode else self.history.last_answer(object_id, z)
        return Question(state, object_id, z, last, state.carried.get((object_id, z)))

    def question_after(self, *new: Click) -> Question:
        """Question that a click or a stroke would lead to, if added; nothing is changed."""
        newest, state = new[-1], self.state
        key = newest.object_id, newest.z
        clicks = self._one_per_pixel((*state.clicks, *new))
        last = self.history.last_answer(*key)
        after = state.after(clicks, *key)
        return Question(after, *key, last, state.carried.get(key))

    def accept(self, question: Question, result: Result) -> None:
        """Keep the answer to a question, for as long as its state can be gone back to.

        One that was cut short, because it was not wanted any more, is not kept.
        """
        if not self.class_mode and question.clicks and {*question.clicks} <= {*result.clicks}:
            question.state.answers[question.object_id, question.z] = result

    def _move_stroke(self, old: Click, rows: int, cols: int) -> None:
        """Shift all pixels of the stroke that a pixel belongs to."""
        whole = Box(0, 0, *self.shape[1:])
        shifted = (
            replace(click, row=click.row + rows, col=click.col + cols)
            if click.in_one_stroke(old)
            else click
            for click in self.state.clicks
        )
        kept = [
            click
            for click in shifted
            if not click.in_one_stroke(old) or whole.holds(click.row, click.col)
        ]
        self._replace(kept, old.object_id, old.z)

    def _replace(self, clicks: Iterable[Click], active: int, z: int) -> None:
        self._push(self.state.after(self._one_per_pixel(clicks), active, z))

    def _push(self, after: State, patches: tuple[Patch, ...] = (), written: bool = False) -> None:
        for patch in () if written else patches:
            self.labels.write(patch, changed_only=True)
        self._tell("step", self.history.push(after, patches))

    def _tell(self, kind: Kind, step: Step) -> None:
        for observer in tuple(self.observers):
            observer(Change(kind, step))

    def _same(self, one: Click, other: Click) -> bool:
        """Tell whether two clicks exclude each other; a pixel has one class."""
        return one.place == other.place and (self.class_mode or one.object_id == other.object_id)

    def _one_per_pixel(self, clicks: Iterable[Click]) -> tuple[Click, ...]:
        kept: dict[object, Click] = {}
        for click in clicks:
            key = click.place, 0 if self.class_mode else click.object_id
            kept.pop(key, None)
            kept[key] = click
        return tuple(kept.values())

    def _found(self, label: int, z: int | None, done: Committed | None) -> Committed:
        """A labelled object whose pixels are looked for in the slices where it may be."""
        clicks = done.clicks if done else ()
        slices = {click.z for click in clicks} | ({z} if z is not None else set())
        boxes = {at: bounding_box(self.labels.of_slice(at) == label) for at in sorted(slices)}
        places = tuple((at, box) for at, box in boxes.items() if box is not None)
        if not places:
            raise ValueError(
                f"expected a label that the slice has, got {label}; double-click on an object"
            )
        return Committed(label, clicks, places)


def reach(clicked: Collection[int], direction: Direction, within: range) -> range:
    """Slices that a propagation may give a mask, clicked ones included.

    Parameters
    ----------
    clicked : collection of int
        Slices with clicks, not empty.
    direction : {"both", "up", "down"}
        Up is towards larger slice indices.
    within : range
        All slices.
    """
    low = min(clicked) if direction == "up" else within.start
    high = max(clicked) + 1 if direction == "down" else within.stop
    return range(low, high)
