"""Image layers of one shape, such as the channels of a file that was split, as one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from napari.layers import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.types import Array

__all__ = ["alike", "combined"]


def alike(layers: Sequence[Image]) -> bool:
    """True if layers can be the channels of one image: grey ones of one shape, two at least."""
    shapes = {tuple(_finest(layer).shape) for layer in layers}
    return len(layers) > 1 and len(shapes) == 1 and not any(layer.rgb for layer in layers)


def combined(layers: Sequence[Image]) -> Image:
    """An image layer whose first axis holds layers as channels; no pixel is copied.

    Parameters
    ----------
    layers : sequence of Image
        Of one shape. The first one says where the image lies in the world.

    Returns
    -------
    Image
        Its data are read from those of the layers when they are asked for.

    Raises
    ------
    ValueError
        If the layers cannot be the channels of one image.
    """
    if not alike(layers):
        raise ValueError(
            "Select two or more grey images of one size in the list of layers (Ctrl and click), "
            "then press Combine again"
        )
    parts = [_lazy(_finest(layer)) for layer in layers]
    limits = np.array([layer.contrast_limits for layer in layers])
    first = layers[0]
    return Image(
        da.stack(parts),
        name=" + ".join(str(layer.name) for layer in layers),
        axis_labels=("c", *first.axis_labels),
        units=("pixel", *first.units),
        contrast_limits=(limits[:, 0].min(), limits[:, 1].max()),
        **_placement(first),
    )


def _finest(layer: Image) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


class _Source:
    """Data of a layer, to be read only: dask would copy what looks more like an array."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self.shape = tuple(int(size) for size in data.shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(data.dtype)

    def __getitem__(self, key: Any) -> Array:
        part: Array = np.asarray(self._data[key])
        return part


def _lazy(data: Any) -> da.Array:
    """Data of a layer, read slice by slice when they are asked for."""
    if isinstance(data, da.Array):
        return data
    chunks = (*(1 for _ in data.shape[:-2]), -1, -1)
    # without a name of its own, dask would read all of the data for one
    lazy: da.Array = da.from_array(_Source(data), chunks, name=False, asarray=True)
    return lazy


def _placement(layer: Image) -> dict[str, Array]:
    """Where a layer lies in the world, behind a channel axis."""
    ndim = layer.ndim
    origin = np.asarray(layer.data_to_world(np.zeros(ndim)))
    steps = [np.asarray(layer.data_to_world(unit)) - origin for unit in np.eye(ndim)]
    linear = np.stack(steps, axis=1)
    if np.allclose(linear, np.diag(np.diag(linear))):
        return {"scale": np.array([1, *np.diag(linear)]), "translate": np.array([0, *origin])}
    affine = np.eye(ndim + 2)
    affine[1:-1, 1:-1], affine[1:-1, -1] = linear, origin
    return {"affine": affine}
