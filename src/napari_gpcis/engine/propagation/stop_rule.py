"""The rule by which a propagated object is taken to have ended."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.geometry import paste

if TYPE_CHECKING:
    from napari_gpcis.engine.propagation.slice_mask import SliceMask
    from napari_gpcis.engine.types import Array


@dataclass(frozen=True, slots=True)
class StopRule:
    """Bounds beyond which an object is taken to have ended.

    Attributes
    ----------
    smallest_area : int
        Area of a mask, in pixels.
    smallest_share : float
        Area of a mask by that in the clicked slice, 0–1.
    smallest_ratio : float
        Area of a mask by that in the slice before, 0–1.
    smallest_overlap : float
        IoU of a mask and that of the slice before, moved onto it by their centroids, 0–1.
    largest_jump : float
        Way of the centroid between two slices, in diameters of the mask before.
    largest_uncertainty : float
        1 − mean probability in a mask, 0–1.
    most_slices : int or None
        Slices to either side of a clicked one.
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
        """Check each bound."""
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

    def reaches(self, clicked: int, z: int) -> bool:
        """Tell whether an object may be carried from a clicked slice to another one."""
        return self.most_slices is None or abs(z - clicked) <= self.most_slices

    def ends(self, clicked: SliceMask, last: SliceMask, now: SliceMask) -> bool:
        """Tell whether the object, seen in `last`, is no longer there in `now`."""
        area, before = int(now.mask.sum()), int(last.mask.sum())
        least = max(
            1,
            self.smallest_area,
            self.smallest_share * int(clicked.mask.sum()),
            self.smallest_ratio * before,
        )
        if area < least or area > self.largest_growth * before:
            return True
        if 1 - now.confidence > self.largest_uncertainty:
            return True
        shift = _centroid(now) - _centroid(last)
        diameter = 2 * math.sqrt(before / math.pi)
        if float(np.hypot(*shift)) > max(1.0, self.largest_jump * diameter):
            return True
        return _overlap(last, now, shift) < self.smallest_overlap


def _centroid(now: SliceMask) -> Array:
    """Row and column of the slice."""
    middle: Array = np.argwhere(now.mask).mean(0) + now.box[:2]
    return middle


def _overlap(last: SliceMask, now: SliceMask, shift: Array) -> float:
    """IoU of two masks after the first is moved by whole pixels."""
    box, before = last.tight
    moved = box.moved(*(round(float(step)) for step in shift))
    here, after = now.tight
    both = moved.unite(here)
    first, second = paste(before, moved, both), paste(after, here, both)
    return float((first & second).sum() / max(1, (first | second).sum()))
