"""Points layers that were read from a file of ours, as clicks to go on with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd

from napari_gpcis.engine.click import Click, Prompt
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
    features, stroke = layer.features, document.annotation.next_stroke - 1
    drawn = [features.get(name, pd.Series(0, features.index)) for name in ("prompt", "stroke")]
    rows = zip(layer.data, features["object"], features["positive"], *drawn, strict=True)
    for position, owner, positive, prompt, number in rows:
        world = layer.data_to_world(np.asarray(position, float))
        place = document.frame.to_click(data_position(document.image, world))
        if place is None or (place, bool(positive)) in known:
            continue
        click = Click(*place, positive=bool(positive), object_id=1)
        click = replace(click, object_id=first + max(1, int(owner)))
        if prompt in get_args(Prompt) and int(number) > 0:
            click = replace(click, prompt=prompt, stroke=stroke + int(number))
        clicks.append(click)
    return clicks
