"""Where a layer lies in napari's world, and another one exactly over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari.layers import Layer

    from napari_gpcis.engine.types import Array
    from napari_gpcis.widget.layers.frame import Frame

__all__ = [
    "data_position",
    "follow_transform",
    "layer_transform",
    "place",
    "placement_of",
    "with_offset",
]


def data_position(
    layer: Layer, world: Sequence[float], units: Sequence[Any] | None = None
) -> tuple[float, ...]:
    """Position in a layer's data coordinates, through all of its transforms.

    Parameters
    ----------
    layer : Layer
        Whose coordinates are meant.
    world : sequence of float
        Position in the viewer; of more coordinates than the layer has axes, the last ones count.
    units : sequence of pint.Unit, optional
        Of the viewer (`viewer.dims.units`), which may be finer than those of the layer.
    """
    place = np.asarray(world, float)[-layer.ndim :]
    if units is not None:
        pairs = zip(tuple(units)[-layer.ndim :], layer.units, strict=True)
        place = place * [_ratio(outer, inner) for outer, inner in pairs]
    return tuple(float(value) for value in layer.world_to_data(place))


def layer_transform(layer: Layer, frame: Frame | None = None) -> dict[str, Any]:
    """Keyword arguments that give a new layer the place of another one in the world.

    Parameters
    ----------
    layer : Layer
        The image.
    frame : Frame, optional
        Of the image. Its channel axis, of length 1 in the new layer, is stretched over all
        channels, so that what is there shows at each of them.

    Returns
    -------
    dict
        scale, translate, rotate, shear, affine, units, axis_labels. `affine` is a matrix, never
        the layer's own object, which napari would share.
    """
    scale, translate = np.array(layer.scale, float), np.array(layer.translate, float)
    if frame is not None and frame.channel_axis is not None:
        axis, count = frame.channel_axis, frame.sizes[frame.channel_axis]
        translate += _linear(layer.scale, layer.rotate, layer.shear)[:, axis] * (count - 1) / 2
        scale[axis] *= count
    return {
        "scale": scale,
        "translate": translate,
        "rotate": np.array(layer.rotate),
        "shear": np.array(layer.shear),
        "affine": np.array(layer.affine.affine_matrix),
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def placement_of(meta: dict[str, Any]) -> dict[str, list[Any]]:
    """Where a layer lies in the world, as `SavedAnnotation.placement` has it."""
    numbers = ("scale", "translate", "rotate", "shear", "affine")
    texts = ("units", "axis_labels")
    placement = {name: np.asarray(meta[name], float).tolist() for name in numbers if name in meta}
    placement |= {name: [str(item) for item in meta[name]] for name in texts if name in meta}
    return placement


def with_offset(transform: Mapping[str, Any], offset: Sequence[float]) -> dict[str, Any]:
    """Arguments for a layer that shows a part of another one.

    Parameters
    ----------
    transform : mapping
        From `layer_transform`.
    offset : sequence of float
        The part's first pixel, in data coordinates of the whole.

    Returns
    -------
    dict
        Differs from `transform` in `affine` alone, so that moving the part is one change.
    """
    matrix = np.array(transform["affine"], float)
    linear = _linear(transform["scale"], transform["rotate"], transform["shear"])
    matrix[:-1, -1] += matrix[:-1, :-1] @ linear @ np.asarray(offset, float)
    return {**transform, "affine": matrix}


def follow_transform(
    layer: Layer,
    source: Layer,
    frame: Frame | None = None,
    offset: Callable[[], Sequence[float]] | None = None,
) -> Callable[[], None]:
    """Keep a layer where another one is, as `layer_transform` puts it there.

    Parameters
    ----------
    layer, source : Layer
        What follows, and what it follows.
    frame : Frame, optional
        See `layer_transform`.
    offset : callable, optional
        Asked for the present `offset` of a layer that shows a part; see `with_offset`.

    Returns
    -------
    callable
        Ends it; call it when the layer goes, which is kept alive until then.
    """
    names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    emitters = [getattr(source.events, name) for name in names]

    def follow(event: Any = None) -> None:
        # data of another number of axes: the layer is about to be replaced
        if layer.ndim == source.ndim:
            whole = layer_transform(source, frame)
            place(layer, whole if offset is None else with_offset(whole, offset()))

    def disconnect() -> None:
        for emitter in emitters:
            emitter.disconnect(follow)

    for emitter in emitters:
        emitter.connect(follow)
    return disconnect


def place(layer: Layer, transform: Mapping[str, Any]) -> None:
    """Put a layer where `layer_transform` says; only what differs is set, as each change redraws.

    Parameters
    ----------
    layer : Layer
        What is moved.
    transform : mapping
        From `layer_transform` or `with_offset`.
    """
    for name, value in transform.items():
        present = getattr(layer, name)
        if isinstance(value, np.ndarray):
            same = np.array_equal(np.asarray(present), value)
        else:
            same = present == value
        if not same:
            setattr(layer, name, value)


def _linear(scale: Any, rotate: Any, shear: Any) -> Array:
    matrix: Array = Affine(scale=scale, rotate=rotate, shear=shear, ndim=len(scale)).linear_matrix
    return matrix


def _ratio(outer: Any, inner: Any) -> float:
    """How many of a layer's units are one of the viewer's; 1 if they measure different things."""
    if outer == inner or outer.dimensionality != inner.dimensionality:
        return 1.0
    return float((1 * outer).to(inner).magnitude)
