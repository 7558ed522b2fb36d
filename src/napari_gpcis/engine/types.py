"""Names for the arrays and networks that the engine handles."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


class ArrayLike(Protocol):
    """An image as the engine reads it: numpy, dask, zarr and h5py arrays are such."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> Any:
        """Type of a value."""
        ...

    def __getitem__(self, key: Any) -> Any:
        """Part of the array, by integers and slices."""
        ...
