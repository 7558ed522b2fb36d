"""A seeded sample of objects: the same for the benchmark and for the validation of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    Array = np.ndarray[Any, np.dtype[Any]]

AREA = 5
"""Column of the area in an index of objects; see `data.sets.LabelledSlice`."""


def sample_objects(
    slices: Iterable[Array],
    count: int | None,
    per_slice: int | None = 5,
    min_diameter: float = 8.0,
    seed: int = 0,
) -> list[tuple[int, Array]]:
    """Choose objects: some of each slice, and some of these.

    Parameters
    ----------
    slices : iterable of int arrays, each of shape (n, 6)
        Index of the objects of each slice.
    count : int or None
        Most objects in all; all that `per_slice` leaves when None.
    per_slice : int or None
        Most objects of a slice.
    min_diameter : float
        Smallest object, px of the image.
    seed : int
        Seed of the sample.

    Returns
    -------
    list of (int, array)
        Number of the slice and row of the index, in the slices' order.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for number, objects in enumerate(slices):
        large = objects[diameters(objects) >= min_diameter]
        sample = rng.permutation(len(large))[:per_slice]
        chosen += [(number, large[index]) for index in sorted(sample)]
    if count is not None and len(chosen) > count:
        sample = rng.choice(len(chosen), count, replace=False)
        chosen = [chosen[index] for index in sorted(sample)]
    return chosen


def diameters(objects: Array) -> Array:
    """Diameters of the circles of the objects' areas, px: (n, 6) → (n,)."""
    found: Array = 2 * np.sqrt(objects[:, AREA] / np.pi)
    return found
