"""From masks to labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.history import Committed, State
from napari_gpcis.engine.planner import equivalent_diameter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_gpcis.engine.labels import LabelStore, Overlap, Patch
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array


def next_label(state: State, store: LabelStore) -> int:
    """One above all labels."""
    return 1 + max([store.highest, *(done.label for done in state.committed)])


def object_patches(
    answers: Iterable[Result], store: LabelStore, label: int, overlap: Overlap
) -> tuple[Patch, ...]:
    """Changes that give an object its label.

    Raises
    ------
    ValueError
        If there is no pixel to label.
    """
    given = list(answers)
    if not any(answer.box_mask.any() for answer in given):
        raise ValueError(
            "expected an object with at least one pixel, got an empty mask; "
            "click on the object before committing it"
        )
    plans = [store.plan(answer.z, answer.box, answer.box_mask, label, overlap) for answer in given]
    patches = tuple(plan for plan in plans if plan is not None)
    if not patches:
        raise ValueError(
            "expected pixels without a label, got an object that lies on labelled ones; "
            "commit it with overlap='overwrite'"
        )
    return patches


def class_patch(store: LabelStore, z: int, classes: Array) -> tuple[Patch, ...]:
    """Change that makes a slice's labels its classes."""
    whole = Box(0, 0, *classes.shape)
    plan = store.plan(z, whole, np.ones(classes.shape, np.bool_), classes, "overwrite")
    return () if plan is None else (plan,)


def committed(state: State, answers: Iterable[Result], label: int) -> State:
    """State after a commit: the object's clicks are put away and the next one begins."""
    areas = [int(answer.box_mask.sum()) for answer in answers]
    rest = tuple(click for click in state.clicks if click.object_id != state.active)
    ids = [click.object_id for click in rest]
    return replace(
        state,
        clicks=rest,
        active=1 + max([state.active, *ids]),
        committed=(*state.committed, Committed(label, state.of(state.active))),
        diameter=state.diameter or equivalent_diameter(max(areas)),
        answers={key: answer for key, answer in state.answers.items() if key[0] != state.active},
    )
