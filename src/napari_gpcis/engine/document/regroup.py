"""Objects deleted, merged and split: labels and committed objects after each of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_gpcis.engine.document.commit import next_label
from napari_gpcis.engine.document.history import Committed, State
from napari_gpcis.engine.geometry import Box, bounding_box

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_gpcis.engine.document.label_store import LabelStore, Patch
    from napari_gpcis.engine.types import Array

Places = tuple[tuple[int, Box], ...]
"""Slices of an object, and boxes around its pixels there."""


def deleted(
    state: State, store: LabelStore, places: Mapping[int, Places]
) -> tuple[State, tuple[Patch, ...]]:
    """State and changes of labels without some objects.

    Parameters
    ----------
    state : State
        The present one.
    store : LabelStore
        Labels; nothing is written yet.
    places : mapping of int to Places
        Where the pixels of each label are.
    """
    _check_free(state, places)
    patches = [patch for label in places for patch in _given(store, label, places[label], 0)]
    kept = tuple(done for done in state.committed if done.label not in places)
    return replace(state, committed=kept), tuple(patches)


def merged(
    state: State, store: LabelStore, places: Mapping[int, Places]
) -> tuple[State, tuple[Patch, ...]]:
    """State and changes of labels in which several objects have the first one's label."""
    if len(places) < 2:
        raise ValueError(
            f"expected two objects or more to merge, got {len(places)}; select several"
        )
    _check_free(state, places)
    first, *others = places
    patches = [patch for label in others for patch in _given(store, label, places[label], first)]
    own = {done.label: done for done in state.committed if done.label in places}
    clicks = tuple(
        replace(click, object_id=first)
        for label in places
        if label in own
        for click in own[label].clicks
    )
    boxes: dict[int, Box] = {}
    for z, box in (place for label in places for place in places[label]):
        boxes[z] = boxes[z].unite(box) if z in boxes else box
    known = [done.certainty for done in own.values() if done.certainty is not None]
    # As sure as its least sure part.
    one = Committed(first, clicks, tuple(sorted(boxes.items())), min(known, default=None))
    kept = tuple(done for done in state.committed if done.label not in places)
    return replace(state, committed=(*kept, one)), tuple(patches)


def split(
    state: State, store: LabelStore, label: int, places: Places
) -> tuple[State, tuple[Patch, ...]]:
    """State and changes of labels in which an object is several.

    Its pieces, where it has some that lie apart; else its two halves, cut where it is narrowest
    between the two places that are farthest from its border. The largest keeps the label.

    Raises
    ------
    ValueError
        If there is nothing to split.
    """
    _check_free(state, [label])
    mask, corner = _volume(store, label, places)
    parts = _parts(mask)
    sizes = np.bincount(parts.ravel())[1:]
    if len(sizes) < 2:
        raise ValueError(
            f"expected an object of two parts, got {label} in one; paint a gap with the eraser of "
            "the labels layer, then split it"
        )
    old = next((done for done in state.committed if done.label == label), Committed(label, ()))
    kept = tuple(done for done in state.committed if done.label != label)
    largest, *others = (int(part) + 1 for part in np.argsort(-sizes, kind="stable"))
    numbers = {largest: label}
    fresh = next_label(state, store)
    numbers |= {part: fresh + at for at, part in enumerate(others)}
    if max(numbers.values()) > store.largest:
        raise ValueError(
            f"expected labels that hold a {max(numbers.values())}, got ones up to {store.largest}; "
            "convert the labels layer to int32 (right-click on it in the layer list)"
        )
    table = np.zeros(len(sizes) + 1, np.int32)
    for part, number in numbers.items():
        table[part] = number
    patches = []
    for at, values in enumerate(table[parts]):
        place = Box(corner[1], corner[2], corner[1] + mask.shape[1], corner[2] + mask.shape[2])
        plan = store.plan(corner[0] + at, place, mask[at], values, "overwrite")
        if plan is not None:
            patches.append(plan)
    new = tuple(_part_of(old, number, parts == part, corner) for part, number in numbers.items())
    return replace(state, committed=(*kept, *new)), tuple(patches)


def _check_free(state: State, labels: Mapping[int, Places] | Sequence[int]) -> None:
    taken = [done.label for done in state.taken_up.values() if done.label in labels]
    if taken:
        raise ValueError(
            f"expected committed objects, got {taken[0]}, which is worked on; commit it first"
        )


def _given(store: LabelStore, label: int, places: Places, value: int) -> list[Patch]:
    """Changes that give the pixels of a label another value."""
    plans = [
        store.plan(z, box, store.of_box(z, box) == label, value, "overwrite") for z, box in places
    ]
    return [plan for plan in plans if plan is not None]


def _volume(store: LabelStore, label: int, places: Places) -> tuple[Array, tuple[int, int, int]]:
    """Mask of an object, (Z, Y, X), and slice, row and column of its corner."""
    if not places:
        raise ValueError(f"expected a label that the image has, got {label}; choose another")
    first, last = min(z for z, _ in places), max(z for z, _ in places)
    whole = places[0][1]
    for _, box in places[1:]:
        whole = whole.unite(box)
    mask = np.zeros((last - first + 1, *whole.shape), np.bool_)
    for z, box in places:
        mask[z - first][box.within(whole).slices] = store.of_box(z, box) == label
    return mask, (first, whole.r0, whole.c0)


def _parts(mask: Array) -> Array:
    """Parts of a mask, numbered from 1 on."""
    everywhere = np.ones((3, 3, 3), np.bool_)
    parts, count = ndimage.label(mask, everywhere)
    if count != 1:
        return np.asarray(parts)
    # Imported here: it takes a while, and few ever split.
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    # Slices are thick, and how thick is not known here: each one counts by itself.
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    depth = np.stack([ndimage.distance_transform_edt(page) for page in padded])[:, 1:-1, 1:-1]
    smooth = ndimage.gaussian_filter(depth, (0, 1, 1)) * mask
    apart = max(2, int(depth.max() / 2))
    peaks = peak_local_max(smooth.max(0), min_distance=apart, exclude_border=False, num_peaks=2)
    markers = np.zeros(mask.shape, np.int32)
    for number, (row, col) in enumerate(peaks, start=1):
        markers[int(smooth[:, row, col].argmax()), row, col] = number
    return np.asarray(watershed(-smooth, markers, mask=mask))


def _part_of(old: Committed, label: int, part: Array, corner: tuple[int, int, int]) -> Committed:
    """A part of an object, with the positive clicks that lie in it, and all negative ones."""

    def holds(place: tuple[int, int, int]) -> bool:
        at = tuple(here - start for here, start in zip(place, corner, strict=True))
        inside = all(0 <= here < size for here, size in zip(at, part.shape, strict=True))
        return inside and bool(part[at])

    own = [click for click in old.clicks if not click.positive or holds(click.place)]
    clicks = tuple(replace(click, object_id=label) for click in own)
    boxes = [(corner[0] + at, bounding_box(page)) for at, page in enumerate(part)]
    places = tuple((z, box.moved(*corner[1:])) for z, box in boxes if box is not None)
    # One that was taken for a single object is to be looked at again.
    is_clicked = any(click.positive for click in clicks)
    return Committed(label, clicks if is_clicked else (), places, None)
