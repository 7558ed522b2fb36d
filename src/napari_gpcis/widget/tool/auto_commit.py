"""Whether a click or a stroke is about another object than the one that is worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.geometry import equivalent_diameter
from napari_gpcis.engine.prompts import box_limits, extent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.document.history import State

FAR = 0.5
"""Distance from the object's outline, in its equivalent diameters, from which it is another one.

Of cells side by side, the middle of the next one is half a diameter away.
"""


def begins_another(state: State, new: Sequence[Click], shape: tuple[int, int]) -> bool:
    """Tell whether new clicks are well outside the object that has a mask in their slice.

    Parameters
    ----------
    state : State
        With the object's mask.
    new : sequence of Click
        A click, or the pixels of a stroke.
    shape : tuple of int
        Rows and columns of the slice.

    Returns
    -------
    bool
        True where all are positive, out of the mask, and either farther from it than half its
        equivalent diameter or beyond a box that was drawn around it; of a new box, where it holds
        nothing of the mask.
    """
    z = new[0].z
    found = state.mask_of(state.active, z)
    if found is None or not found[1].any():
        return False
    box, mask = found
    pixels = np.argwhere(mask) + np.array([box.r0, box.c0])
    if new[0].prompt == "box":
        drawn = extent(new)
        return not any(drawn.holds(row, col) for row, col in pixels.tolist())
    if not all(click.positive for click in new):
        return False
    places = np.array([(click.row, click.col) for click in new])
    limits = box_limits(state.of(state.active, z), shape)
    if limits is not None and not any(limits.holds(row, col) for row, col in places.tolist()):
        return True
    far = FAR * equivalent_diameter(len(pixels))
    return all(float(np.hypot(*(pixels - place).T).min()) > far for place in places)
