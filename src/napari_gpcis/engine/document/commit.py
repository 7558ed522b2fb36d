"""From masks to labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.document.history import Committed, State, StoredMask
from napari_gpcis.engine.geometry import Box, equivalent_diameter, found_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.document.label_store import LabelStore, Patch
    from napari_gpcis.engine.options import Overlap
    from napari_gpcis.engine.types import Array

Masks = dict[int, tuple[Box, "Array"]]
"""Slice → box and mask of an object."""


def next_label(state: State, store: LabelStore, count: int = 1) -> int:
    """One above all labels, also of objects that are taken up again; or the last one of several.

    Raises
    ------
    ValueError
        If the labels' type holds no higher one.
    """
    known = (*state.committed, *state.taken_up.values())
    label = count + max([store.highest, *(done.label for done in known)])
    if label > store.largest:
        raise ValueError(
            f"expected labels that hold a {label}, got ones up to {store.largest}; convert the "
            "labels layer to int32 (right-click on it in the layer list)"
        )
    return label


def object_patches(
    masks: Masks, store: LabelStore, label: int, overlap: Overlap, old: Committed | None = None
) -> tuple[Patch, ...]:
    """Changes that give an object its label, in place of what it had before.

    Raises
    ------
    ValueError
        If there is no pixel to label.
    """
    if not any(mask.any() for _, mask in masks.values()):
        raise ValueError(
            "expected an object with at least one pixel, got an empty mask; "
            "click on the object before committing it"
        )
    own_boxes = dict(old.places) if old else {}
    own = old.label if old else 0
    patches: list[Patch] = []
    for z in sorted({*masks, *own_boxes}):
        box, mask = masks.get(z, (Box(0, 0, 0, 0), np.zeros((0, 0), np.bool_)))
        plan = store.plan(z, box, mask, label, overlap, own=own, own_box=own_boxes.get(z))
        if plan is not None:
            patches.append(plan)
    if not patches and old is None:
        raise ValueError(
            "expected pixels without a label, got an object that lies on labelled ones; "
            "commit it with overlap='overwrite'"
        )
    return tuple(patches)


def found_objects(
    state: State, store: LabelStore, objects: Sequence[tuple[Masks, tuple[Click, ...]]]
) -> tuple[tuple[Patch, ...], tuple[Committed, ...], list[int]]:
    """Changes that label objects where there is no label yet, the first ones foremost.

    Returns
    -------
    patches : tuple of Patch
    found : tuple of Committed
        Objects that got a pixel.
    labels : list of int
        The label of each object, 0 for one that got none.
    """
    first = next_label(state, store)
    next_label(state, store, len(objects))
    taken: dict[int, Array] = {}
    patches: list[Patch] = []
    found: list[Committed] = []
    labels: list[int] = []
    for masks, clicks in objects:
        label, places = first + len(found), []
        for z, (box, mask) in sorted(masks.items()):
            owned = taken.setdefault(z, np.zeros(store.shape[1:], np.bool_))[box.slices]
            free = mask & ~owned & (store.of_box(z, box) == 0)
            plan = store.plan(z, box, free, label, "protect")
            place = found_in(free, box)
            if plan is not None and place is not None:
                owned |= free
                patches.append(plan)
                places.append((z, place))
        labels.append(label if places else 0)
        if places:
            own = tuple(replace(click, object_id=label) for click in clicks)
            found.append(Committed(label, own, tuple(places)))
    return tuple(patches), tuple(found), labels


def diameter_of(objects: Sequence[tuple[Masks, tuple[Click, ...]]]) -> float:
    """Median diameter of objects, each in the slice where it is largest."""
    areas = [max(int(mask.sum()) for _, mask in masks.values()) for masks, _ in objects]
    return equivalent_diameter(float(np.median(areas)))


def class_patches(store: LabelStore, classes: Mapping[int, Array]) -> tuple[Patch, ...]:
    """Changes that make slices' labels their classes."""
    plans = []
    for z, values in classes.items():
        whole, everywhere = Box(0, 0, *values.shape), np.ones(values.shape, np.bool_)
        plans.append(store.plan(z, whole, everywhere, values, "overwrite"))
    return tuple(plan for plan in plans if plan is not None)


def committed(state: State, masks: Masks, label: int) -> State:
    """State after a commit: the object's clicks are put away and the next one begins."""
    boxes = {z: found_in(mask, box) for z, (box, mask) in sorted(masks.items())}
    places = tuple((z, box) for z, box in boxes.items() if box is not None)
    done = Committed(label, state.of(state.active), places, _certainty(state))
    area = max(int(mask.sum()) for _, mask in masks.values())
    rest = state.without(state.active)
    return replace(
        rest,
        active=next_object(state),
        committed=(*rest.committed, done),
        diameter=state.diameter or equivalent_diameter(area),
    )


def _certainty(state: State) -> float | None:
    """Mean probability of the pixels that the active object's answers have."""
    answers = [found for (owner, _), found in state.answers.items() if owner == state.active]
    inside = [found.box_probability[found.box_mask] for found in answers]
    pixels = np.concatenate(inside) if inside else np.zeros(0)
    return round(float(pixels.mean(dtype=np.float64)), 4) if len(pixels) else None


def next_object(state: State) -> int:
    """Object number that none has had."""
    return 1 + max([state.active, *state.objects(), *state.taken_up])


def taken_up(state: State, store: LabelStore, done: Committed) -> State:
    """State in which a committed object is worked on again, with its pixels as they are now."""
    number = next_object(state)
    clicks = tuple(replace(click, object_id=number) for click in done.clicks)
    carried = {
        (number, z): StoredMask(
            box,
            store.of_box(z, box) == done.label,
            tuple(click for click in clicks if click.z == z),
        )
        for z, box in done.places
    }
    return replace(
        state,
        clicks=(*state.clicks, *clicks),
        active=number,
        z=clicks[-1].z if clicks else next(iter(done.places), (state.z,))[0],
        committed=tuple(other for other in state.committed if other.label != done.label),
        taken_up={**state.taken_up, number: done},
        carried={**state.carried, **carried},
    )
