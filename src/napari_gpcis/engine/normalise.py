"""Intensities of any type and number of channels → three channels between 0 and 1."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from napari_gpcis.engine.types import Array


@dataclass(frozen=True, slots=True)
class Normalisation:
    """The choice of the intensities that become 0 and 1.

    Attributes
    ----------
    low, high : float
        Percentiles; intensities beyond are clipped.
    scope : {"slice", "stack"}
        Whether they are measured in each slice, or once over slices spread through the stack.
    sample_size : int
        Pixels that are looked at, evenly spaced where there are more.
    """

    low: float = 0.1
    high: float = 99.9
    scope: Literal["slice", "stack"] = "slice"
    sample_size: int = 1 << 18

    def __post_init__(self) -> None:
        """Check the percentiles and the scope."""
        if not 0 <= self.low < self.high <= 100:
            raise ValueError(
                f"expected percentiles 0 ≤ low < high ≤ 100, got {self.low} and {self.high}; "
                "0.1 and 99.9 suit most images"
            )
        if self.scope not in ("slice", "stack"):
            raise ValueError(f"expected scope 'slice' or 'stack', got {self.scope!r}; choose one")


@dataclass(frozen=True, slots=True)
class Range:
    """Intensities that become 0 and 1, per channel."""

    low: tuple[float, ...]
    high: tuple[float, ...]


def measure(sample: Array, normalisation: Normalisation, *, joint: bool) -> Range:
    """Percentiles of a sample; NaN and infinity are left out.

    Parameters
    ----------
    sample : array, shape (n, C)
        Raw values.
    normalisation : Normalisation
        The percentiles.
    joint : bool
        Whether all channels share one range, which keeps an RGB image's hues.

    Returns
    -------
    Range
        Low and high are equal in a channel that is constant or has no finite value.
    """
    bounds = []
    for values in [sample] if joint else sample.T:
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
        if finite.dtype.kind == "b" or finite.dtype == np.float16:
            finite = finite.astype(np.float32)
        if finite.size == 0:
            bounds.append((0.0, 0.0))
            continue
        wide = finite.dtype == np.float64
        # half of it, because differences of the largest floats overflow
        limits = np.percentile(
            finite / 2 if wide else finite, (normalisation.low, normalisation.high)
        )
        low, high = 2 * limits if wide else limits
        if low == high:  # a few bright spots on a constant background
            low, high = finite.min(), finite.max()
        bounds.append((float(low), float(high)))
    bounds *= sample.shape[1] if joint else 1
    return Range(tuple(low for low, _ in bounds), tuple(high for _, high in bounds))


def composite(pixels: Array, given: Range, *, rgb: bool) -> Array:
    """Stretch each channel to 0–1 and mix the channels into three.

    One channel is replicated. Three or four of an RGB(A) image stay as they are. Any other
    number is coloured with evenly spaced hues (red and cyan for two, red, green and blue for
    three) and summed, each of the three results weighted to stay within 0–1.

    Parameters
    ----------
    pixels : array, shape (rows, columns, C)
        Any real type; NaN becomes 0, infinity 0 or 1.
    given : Range
        Intensities of each channel that become 0 and 1.
    rgb : bool
        Whether the channels are red, green and blue already.

    Returns
    -------
    float32, shape (3, rows, columns)
    """
    planes = np.stack(
        [
            _stretch(pixels[..., channel], low, high)
            for channel, (low, high) in enumerate(zip(given.low, given.high, strict=True))
        ]
    )
    if len(planes) == 1:
        return np.broadcast_to(planes, (3, *planes.shape[1:]))
    if rgb:
        return planes
    mixed: Array = np.tensordot(hues(len(planes)).T, planes, axes=1)
    return mixed


def hues(count: int) -> Array:
    """Colours of `count` channels, (count, 3) float32; each column sums to one."""
    colours = np.array([colorsys.hsv_to_rgb(index / count, 1, 1) for index in range(count)])
    weights: Array = (colours / colours.sum(0)).astype(np.float32)
    return weights


def _stretch(values: Array, low: float, high: float) -> Array:
    """Map low–high to 0–1, float32; 0 everywhere if the range is empty."""
    span = high / 2 - low / 2  # halves, because high − low of the largest floats overflows
    if span == 0:
        return np.zeros(values.shape, np.float32)
    exact = np.float32 if values.dtype.itemsize <= 2 else np.float64
    stretched: Array = np.multiply(values, 0.5, dtype=exact)
    np.subtract(stretched, low / 2, out=stretched)
    np.divide(stretched, span, out=stretched)
    if values.dtype.kind == "f":
        stretched[np.isnan(stretched)] = 0
    return np.clip(stretched, 0, 1, out=stretched).astype(np.float32, copy=False)
