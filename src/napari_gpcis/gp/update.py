"""The function-space update of a posterior, detached from the image that it was conditioned on.

    update(x) = Σ_j k_deep(x, g_j) a_j + Σ_j k_colour(x, p_j) b_j

where g_j are the grid points and p_j the pixels that the clicks read, and a, b the posterior's
coefficients taken through the clicks' taps. Conditioned once, it holds for any image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_gpcis.gp.kernels import gaussian_sum, scale_features
from napari_gpcis.gp.raster import flatten, gather_taps, unflatten

if TYPE_CHECKING:
    from torch import Tensor

    from napari_gpcis.gp.posterior import Posterior
    from napari_gpcis.gp.raster import Taps


class FunctionUpdate(NamedTuple):
    """What the clicks add to the prior path, for any features.

    Attributes
    ----------
    log_precision : Tensor, shape (D,)
    deep_centres : Tensor, shape (1, m, D)
        Scaled by √s.
    deep_weights : Tensor, shape (1, m, c)
        A column per latent function.
    colour_centres : Tensor, shape (1, k, C)
    colour_weights : Tensor, shape (1, k, c)
        All zero where the kernel has no colour term.
    """

    log_precision: Tensor
    deep_centres: Tensor
    deep_weights: Tensor
    colour_centres: Tensor
    colour_weights: Tensor

    @classmethod
    def of(cls, posterior: Posterior) -> FunctionUpdate:
        """Take over a posterior's coefficients; of a batch of one."""
        kernel = posterior.kernel
        coefficients = posterior.coefficients.to(posterior.target)
        scaled = scale_features(kernel.deep, kernel.log_precision)
        colour_weights = kernel.colour_weight * _spread(coefficients, kernel.raster_taps)
        return cls(
            kernel.log_precision,
            gather_taps(scaled, kernel.grid_taps).flatten(1, 2),
            _spread(coefficients, kernel.grid_taps),
            gather_taps(kernel.colour, kernel.raster_taps).flatten(1, 2),
            colour_weights,
        )

    def contrasts(self) -> FunctionUpdate:
        """Differences of all functions but the first to the first: enough to find the largest."""
        deep, colour = (
            weights[..., 1:] - weights[..., :1]
            for weights in (self.deep_weights, self.colour_weights)
        )
        return self._replace(deep_weights=deep, colour_weights=colour)

    def on_grid(self, deep: Tensor) -> Tensor:
        """Deep part at every grid point: (1, D, h, w) → (1, c, h, w)."""
        points = scale_features(flatten(deep), self.log_precision)
        total = gaussian_sum(points, self.deep_centres, self.deep_weights)
        return unflatten(total, (deep.shape[-2], deep.shape[-1]))

    def at_colours(self, colours: Tensor) -> Tensor:
        """Colour part of some colours: (1, p, C) → (1, p, c)."""
        return gaussian_sum(colours, self.colour_centres, self.colour_weights)


def _spread(coefficients: Tensor, taps: Taps) -> Tensor:
    """Coefficients of clicks → those of what they read: (1, n, c) → (1, n · t, c)."""
    return (coefficients.unsqueeze(2) * taps.weight.unsqueeze(-1)).flatten(1, 2)
