"""Where a layer's n-D data lie in the engine's stack of slices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.engine.types import Array

__all__ = ["Frame", "Index", "displayed_axes"]

CHANNEL_LABELS = frozenset({"c", "ch", "channel", "channels"})
"""Labels, in lower case, of an axis that holds channels."""

Index: TypeAlias = "tuple[int | slice, ...]"


@dataclass(frozen=True, slots=True)
class Frame:
    """How an n-D layer is a stack of slices.

    The plane's lower axis is the row, the higher one the column, also where napari displays them
    the other way round: transposing the view changes neither clicks nor masks. All other axes
    together, in their order, are the slice index.

    A channel axis belongs to the image only. Our layers keep it with length 1, stretched over all
    channels (see `layer_transform`), because napari aligns layers at their last axes: without it,
    the slices of a (Z, C, Y, X) image would follow the slider of the channels.

    Attributes
    ----------
    sizes : tuple of int
        Shape of the image's data, without the colours of an RGB layer.
    plane : tuple of int
        Axes of the rows and of the columns.
    channel_axis : int or None
    """

    sizes: tuple[int, ...]
    plane: tuple[int, int]
    channel_axis: int | None = None

    @classmethod
    def of(
        cls, shape: Sequence[int], displayed: Sequence[int], channel_axis: int | None = None
    ) -> Frame:
        """Frame of data with that shape, of which two axes are displayed.

        Parameters
        ----------
        shape : sequence of int
            Of the data, without the colours of an RGB layer.
        displayed : sequence of int
            The two axes, in any order.
        channel_axis : int, optional
            Axis that holds channels.

        Raises
        ------
        ValueError
            If these are not two axes of the data, or one of them holds the channels.
        """
        sizes = tuple(int(size) for size in shape)
        ndim = len(sizes)
        axes = sorted({int(axis) % ndim for axis in displayed if -ndim <= axis < ndim})
        if len(axes) != 2 or len(tuple(displayed)) != 2:
            raise ValueError(
                f"expected two displayed axes of an image of shape {sizes}, got "
                f"{tuple(displayed)}; choose an image with two axes or more, shown in 2D"
            )
        if channel_axis is not None:
            if not -ndim <= channel_axis < ndim:
                raise ValueError(
                    f"expected a channel axis below {ndim}, got {channel_axis}; "
                    f"the image has shape {sizes}"
                )
            channel_axis %= ndim
        if channel_axis in axes:
            raise ValueError(
                f"expected two displayed axes besides the channels, got {tuple(displayed)} with "
                f"channel axis {channel_axis}; roll the viewer's dimensions"
            )
        return cls(sizes, (axes[0], axes[1]), channel_axis)

    @classmethod
    def of_layer(cls, layer: Layer, viewer: ViewerModel, channel_axis: int | None = None) -> Frame:
        """Frame of an image as the viewer shows it, or would in 2D.

        Parameters
        ----------
        layer : Image
            Multiscale or not, RGB or not.
        viewer : napari.Viewer
            Which axes are displayed.
        channel_axis : int, optional
            When not given, an axis that is labelled "c" or "channel" and is not displayed.

        Raises
        ------
        ValueError
            If `channel_axis` is no axis of the data, or displayed.
        """
        sizes = tuple(layer.data.shape)[: layer.ndim]
        displayed = displayed_axes(viewer.dims.order, layer.ndim)
        if channel_axis is None and not getattr(layer, "rgb", False):
            names = [str(label).lower() for label in layer.axis_labels]
            found = [axis for axis, name in enumerate(names) if name in CHANNEL_LABELS]
            channel_axis = next((axis for axis in found if axis not in displayed), None)
        return cls.of(sizes, displayed, channel_axis)

    def is_shown(self, layer: Layer, viewer: ViewerModel) -> bool:
        """True if the viewer shows the layer in this frame's plane."""
        return tuple(sorted(displayed_axes(viewer.dims.order, layer.ndim))) == self.plane

    def fits(self, shape: Sequence[int], *, rgb: bool = False) -> bool:
        """True if data of this shape, with its colours if they are RGB, fit this frame."""
        return tuple(shape)[: -1 if rgb else None] == self.sizes

    @property
    def ndim(self) -> int:
        """Number of axes of the layers."""
        return len(self.sizes)

    @property
    def leading_axes(self) -> tuple[int, ...]:
        """Axes that together are the slice index."""
        others = {*self.plane, self.channel_axis}
        return tuple(axis for axis in range(self.ndim) if axis not in others)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        row, col = self.plane
        slices = math.prod(self.sizes[axis] for axis in self.leading_axes)
        return slices, self.sizes[row], self.sizes[col]

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of a labels layer over the image: its own, with one channel."""
        return tuple(
            1 if axis == self.channel_axis else size for axis, size in enumerate(self.sizes)
        )

    def to_click(self, position: Sequence[float]) -> tuple[int, int, int] | None:
        """Pixel (z, row, col) that holds a position in data coordinates; None outside.

        Raises
        ------
        ValueError
            If the position has not one coordinate per axis.
        """
        pixels = self._pixels(position)
        inside = all(0 <= pixels[axis] < self.sizes[axis] for axis in self._spatial)
        row, col = self.plane
        return (self.slice_of(position), pixels[row], pixels[col]) if inside else None

    def to_clicks(self, voxels: Array) -> Array:
        """Slice, row and column, (n, 3), of indices into data of `data_shape`, (n, ndim)."""
        z = np.zeros(len(voxels), np.int64)
        for axis in self.leading_axes:
            z = z * self.sizes[axis] + voxels[:, axis]
        return np.stack([z, *(voxels[:, axis] for axis in self.plane)], axis=1)

    def slice_of(self, position: Sequence[float]) -> int:
        """Slice at a position in data coordinates, or the nearest one.

        `data_position(layer, viewer.dims.point)` is the position of the slice that is shown.
        """
        pixels, z = self._pixels(position), 0
        for axis in self.leading_axes:
            z = z * self.sizes[axis] + min(max(pixels[axis], 0), self.sizes[axis] - 1)
        return z

    def run_of(self, z: int) -> range:
        """Slices that follow one another with a slice, along the last leading axis.

        Of a (T, Z, Y, X) image, one volume: the first slice of the next one is no neighbour.
        """
        length = self.sizes[self.leading_axes[-1]] if self.leading_axes else 1
        start = z - z % length
        return range(start, start + length)

    def to_data(self, z: int, row: float, col: float) -> tuple[float, ...]:
        """Position in data coordinates; row and column may lie between pixels.

        Raises
        ------
        ValueError
            If there is no such slice.
        """
        position = [0.0] * self.ndim
        for axis, index in zip(self.leading_axes, self._leading(z), strict=True):
            position[axis] = float(index)
        position[self.plane[0]], position[self.plane[1]] = float(row), float(col)
        return tuple(position)

    def index(self, z: int, box: Box) -> Index:
        """Index of a box of a slice into data of `data_shape`."""
        return self.place(z, *box.slices)

    def pixel(self, z: int, row: int, col: int) -> tuple[int, ...]:
        """Index of a pixel into data of `data_shape`."""
        return tuple(int(value) for value in self.to_data(z, row, col))

    def place(self, z: int, rows: int | slice, cols: int | slice) -> Index:
        """Index of part of a slice into data of `data_shape`.

        Raises
        ------
        ValueError
            If there is no such slice.
        """
        place: list[int | slice] = [0] * self.ndim
        for axis, index in zip(self.leading_axes, self._leading(z), strict=True):
            place[axis] = index
        place[self.plane[0]], place[self.plane[1]] = rows, cols
        return tuple(place)

    def expand(self, values: Array) -> Array:
        """Part of a slice, (rows, columns), as data of a layer: other axes have length 1."""
        row, col = self.plane
        others = [axis for axis in range(self.ndim) if axis not in (row, col)]
        return np.expand_dims(values, tuple(others))

    @property
    def _spatial(self) -> tuple[int, ...]:
        return (*self.leading_axes, *self.plane)

    def _pixels(self, position: Sequence[float]) -> list[int]:
        """Nearest pixel along each axis, −1 for what is no number.

        In the plane as `Click.at` finds it, else half to even, as napari finds the slice it shows.
        """
        if len(position) != self.ndim:
            raise ValueError(
                f"expected a position with {self.ndim} coordinates, got {len(position)}; "
                "bring it into the layer's coordinates with data_position"
            )
        return [
            -1 if not math.isfinite(x) else math.floor(x + 0.5) if axis in self.plane else round(x)
            for axis, x in enumerate(map(float, position))
        ]

    def _leading(self, z: int) -> list[int]:
        count = self.shape[0]
        if not 0 <= z < count:
            raise ValueError(f"expected a slice below {count}, got {z}; slices count from 0")
        indices = []
        for axis in reversed(self.leading_axes):
            z, index = divmod(int(z), self.sizes[axis])
            indices.append(index)
        return indices[::-1]


def displayed_axes(order: Sequence[int], ndim: int) -> tuple[int, int]:
    """Axes of a layer that a 2-D view shows; layers are aligned at their last axes.

    Parameters
    ----------
    order : sequence of int
        `viewer.dims.order`.
    ndim : int
        Of the layer, 2 or more.
    """
    missing = len(order) - ndim
    row, col = [int(axis) - missing for axis in order if axis >= missing][-2:]
    return row, col
