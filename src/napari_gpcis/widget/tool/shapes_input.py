"""Shapes that were drawn with napari's own tools, as prompts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari.layers import Shapes

from napari_gpcis.engine.document.commit import next_object
from napari_gpcis.widget.layers.transforms import data_position

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_gpcis.engine.click import Click, Prompt
    from napari_gpcis.widget.tool.image_document import ImageDocument

_PROMPTS: dict[str, Prompt] = {
    "rectangle": "box",
    "polygon": "lasso",
    "ellipse": "lasso",
    "path": "scribble",
    "line": "scribble",
}


def shapes_layer(viewer: ViewerModel) -> Shapes:
    """The Shapes layer that is meant: the selected one, or the only one.

    Raises
    ------
    ValueError
        If there is none, or it is not clear which.
    """
    active = viewer.layers.selection.active
    found = [layer for layer in viewer.layers if isinstance(layer, Shapes)]
    if isinstance(active, Shapes):
        return active
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError("Select one of the Shapes layers in the list of layers")
    raise ValueError(
        "There are no shapes: add a Shapes layer, and draw rectangles, polygons or paths in it"
    )


def add_shapes(document: ImageDocument, layer: Shapes) -> tuple[int, int]:
    """Make a draft of each shape, in one step; in class mode, all are of the active class.

    Rectangles are boxes (in class mode, all of their inside), polygons and ellipses lassos, paths
    and lines scribbles.

    Parameters
    ----------
    document : ImageDocument
        Where they go.
    layer : napari Shapes layer
        With the shapes.

    Returns
    -------
    tuple of int
        Numbers of shapes that were taken, and that lie outside the image.
    """
    annotation = document.annotation
    state, in_classes = annotation.state, document.mode == "class"
    owner = state.active if in_classes else next_object(state)
    stroke, taken, outside = annotation.next_stroke, 0, 0
    new: list[Click] = []
    for corners, kind in zip(layer.data, layer.shape_type, strict=True):
        prompt = _PROMPTS.get(str(kind), "lasso")
        positions = [_position(document, layer, corner) for corner in corners]
        row, col = document.frame.plane
        path = [(position[row], position[col]) for position in positions]
        if prompt == "box" and in_classes:
            prompt = "lasso"
        try:
            clicks = document.labelled(
                prompt, path, document.frame.slice_of(positions[0]), object_id=owner
            )
        except ValueError:
            outside += 1
            continue
        new += [replace(click, stroke=stroke + taken) for click in clicks]
        taken += 1
        owner += 0 if in_classes else 1
    if new:
        annotation.set_clicks([*state.clicks, *new], active=owner, z=new[-1].z)
    return taken, outside


def _position(document: ImageDocument, layer: Shapes, corner: object) -> tuple[float, ...]:
    """Position of a corner in the image's data; axes that the shapes lack are as shown."""
    dims = document.viewer.dims
    world = list(dims.point)
    own = layer.data_to_world(corner)
    world[len(world) - len(own) :] = own
    return data_position(document.image, world, dims.units)
