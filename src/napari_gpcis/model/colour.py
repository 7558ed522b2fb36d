"""Colour as the GP’s kernel sees it: smoothed where a pixel differs by noise alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

RADIUS = 2


def smooth_colour(image: Tensor, contrast: float) -> Tensor:
    """Average colours over 5×5 px where they vary by less than `contrast`; edges stay.

    A self-guided filter: with μ and v the mean and variance of a channel in the window around a
    pixel, the result is the window's mean of a · c + (1 − a) · μ, a = v / (v + contrast²). Noise
    (v ≪ contrast²) becomes μ; the two sides of an edge (v ≫ contrast²) stay apart. It looks
    `2 · RADIUS` pixels far and knows nothing of the rest of the image, so that tiles agree.

    Parameters
    ----------
    image : Tensor, shape (B, C, H, W)
        Values in 0–1.
    contrast : float
        Spread that is smoothed away as noise, in the same units; 0 returns the image as it is.

    Returns
    -------
    Tensor, shape (B, C, H, W)

    References
    ----------
    He, Sun and Tang, "Guided Image Filtering", TPAMI 2013.
    """
    if not contrast:
        return image
    mean = _window_mean(image)
    variance = (_window_mean(image.square()) - mean.square()).clamp(min=0.0)
    share = variance / (variance + contrast**2)
    return _window_mean(share) * image + _window_mean((1.0 - share) * mean)


def _window_mean(values: Tensor) -> Tensor:
    side = 2 * RADIUS + 1
    return F.avg_pool2d(values, side, stride=1, padding=RADIUS, count_include_pad=False)
