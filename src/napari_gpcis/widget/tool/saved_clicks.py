"""Points layers that were read from a file of ours, as clicks to go on with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.click import Click
from napari_gpcis.widget.layers.transforms import data_position

if TYPE_CHECKING:
    from napari.layers import Points

    from napari_gpcis.widget.tool.image_document import ImageDocument

__all__ = ["are_saved_clicks", "clicks_to_add"]


def are_saved_clicks(layer: Points, document: ImageDocument) -> bool:
    """True if a points layer was read from a file of clicks that may be this document's."""
    metadata = layer.metadata.get("gpcis")
    if not isinstance(metadata, dict) or not metadata.get("clicks"):
        return False
    of_mode = metadata.get("mode") in (None, document.mode)
    return of_mode and layer.ndim == document.frame.ndim and "positive" in layer.features


def clicks_to_add(layer: Points, document: ImageDocument) -> list[Click]:
    """Clicks of a points layer that a document has not, of objects that it does not know."""
    state = document.annotation.state
    known = {(click.place, click.positive) for click in state.clicks}
    first = max([0, *state.objects(), *state.taken_up])
    if document.mode == "class" or not (state.clicks or state.committed):
        first = 0
    clicks = []
    rows = zip(layer.data, layer.features["object"], layer.features["positive"], strict=True)
    for position, owner, positive in rows:
        world = layer.data_to_world(np.asarray(position, float))
        place = document.frame.to_click(data_position(document.image, world))
        if place is None or (place, bool(positive)) in known:
            continue
        click = Click(*place, positive=bool(positive), object_id=1)
        clicks.append(replace(click, object_id=first + max(1, int(owner))))
    return clicks
