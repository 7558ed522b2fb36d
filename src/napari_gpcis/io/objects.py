"""Object mode on one slice: the clicks of many objects become one label image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.engine.geometry import equivalent_diameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_gpcis import Result, Session
    from napari_gpcis.engine.click import Click

__all__ = ["estimate_diameter", "label_slice"]

_ENOUGH_OBJECTS = 30
_SMALLEST_DIAMETER = 4.0
_SAME_SCALE = math.sqrt(2)


def label_slice(
    session: Session, shape: tuple[int, int], clicks: Sequence[Click]
) -> NDArray[np.uint32]:
    """Outline all objects of the session's image, a single slice.

    Where two objects claim a pixel, the one with the higher probability gets it, so the order of
    the objects does not matter. A pixel that was clicked for an object belongs to that object.

    Parameters
    ----------
    session : Session
        In object mode, its image set.
    shape : tuple of int
        Rows and columns.
    clicks : sequence of Click
        Those of this slice; an object without positive clicks is left out.

    Returns
    -------
    ndarray of uint32, shape (Y, X)
        Object ids, 0 for background.
    """
    labels = np.zeros(shape, np.uint32)
    best = np.zeros(shape, np.float32)
    for object_id, own in _by_object(clicks).items():
        result = _outline(session, object_id, own)
        inside = result.box.slices
        wins = result.box_mask & (result.box_probability > best[inside])
        labels[inside][wins] = object_id
        best[inside][wins] = result.box_probability[wins]
    for click in clicks:
        if click.positive:
            labels[click.row, click.col] = click.object_id
    return labels


def estimate_diameter(
    session: Session, page: NDArray[Any], channel_axis: int | None, clicks: Sequence[Click]
) -> float | None:
    """Median diameter of the clicked objects of a slice, in pixels.

    The first look is at the model's own scale; when it shows objects of quite another size, a
    second one at their scale decides.
    """
    objects = list(_by_object(clicks).items())[:_ENOUGH_OBJECTS]
    diameter: float | None = None
    for _ in range(2):
        session.object_diameter = diameter
        session.set_image(page, channel_axis=channel_axis)
        areas = [
            int(_outline(session, object_id, own).box_mask.sum()) for object_id, own in objects
        ]
        if not areas:
            return None
        seen = max(equivalent_diameter(float(np.median(areas))), _SMALLEST_DIAMETER)
        if diameter is not None and max(seen / diameter, diameter / seen) < _SAME_SCALE:
            break
        diameter = seen
    return diameter


def _outline(session: Session, object_id: int, clicks: Sequence[Click]) -> Result:
    for click in clicks:
        result = session.add_click(
            click.row, click.col, positive=click.positive, object_id=object_id
        )
    return result


def _by_object(clicks: Sequence[Click]) -> dict[int, list[Click]]:
    """Clicks of each object that has a positive one, by id."""
    objects: dict[int, list[Click]] = {}
    for click in clicks:
        objects.setdefault(click.object_id, []).append(click)
    return {
        object_id: own
        for object_id, own in sorted(objects.items())
        if any(click.positive for click in own)
    }
