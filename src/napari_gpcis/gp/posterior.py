"""The posterior of the latent f = B f_grid + f_colour given the clicks, by Matheron's rule.

For a prior path and the targets m at the clicks,

    f(x) = path(x) + K(x, n) (K_nn + ε² I)⁻¹ (m − path_n)
           ^ prior   ^ update

With a grid of stride 1 this is the paper's GP at every pixel.

References
----------
Wilson et al., "Efficiently Sampling Functions from Gaussian Process Posteriors", ICML 2020.
Zhou et al., "Interactive Segmentation as Gaussian Process Classification", CVPR 2023, eq. 11.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_gpcis.gp.cholesky import stable_cholesky
from napari_gpcis.gp.click_kernel import prior_variance
from napari_gpcis.gp.fourier import SpectralPath
from napari_gpcis.gp.raster import flatten, read, upsample

if TYPE_CHECKING:
    from napari_gpcis.gp.click_kernel import ClickKernel

TARGET_VARIANCE = 1e-4
VARIANCE_BLOCK_ENTRIES = 1 << 21


class Posterior:
    """What the clicks say of every pixel.

    Parameters
    ----------
    kernel : ClickKernel
    prior_grid : Tensor, shape (B, h·w, 1)
        The learned prior path on the grid.
    target_mean : Tensor, shape (B, n, c)
        m, the variational mean at the clicks; 0 where padded.
    target : Tensor, shape (B, n, c)
        u: m, with noise in training.
    noise_variance : float
        ε².
    exact_at_clicks : bool
        Write the float64 solution into the clicked pixels of `mean`, so that rounding on the
        raster cannot flip one.
    """

    def __init__(
        self,
        kernel: ClickKernel,
        prior_grid: Tensor,
        target_mean: Tensor,
        target: Tensor,
        noise_variance: float,
        exact_at_clicks: bool,
    ) -> None:
        self.kernel = kernel
        self.target_mean = target_mean
        self.target = target
        self.noise_variance = noise_variance
        self._prior_grid = prior_grid
        self._exact_at_clicks = exact_at_clicks

    @cached_property
    def factor(self) -> Tensor:
        """Cholesky factor of K_nn + ε² I in float64, (B, n, n); identity where padded."""
        covariance = to_float64(self.kernel.covariance)
        padding = ~self.kernel.clicks.valid.squeeze(-1).to(covariance.device)
        diagonal = self.noise_variance + padding.to(covariance.dtype)
        return stable_cholesky(covariance + torch.diag_embed(diagonal))

    def solve(self, values: Tensor) -> Tensor:
        """(K_nn + ε² I)⁻¹ values, in float64: (B, n, c) → (B, n, c)."""
        return torch.cholesky_solve(to_float64(values), self.factor)

    @cached_property
    def prior_at_clicks(self) -> Tensor:
        """The prior path at the clicks, (B, n, 1); 0 where padded."""
        return read(self._prior_grid, self.kernel.grid_taps) * self.kernel.clicks.valid

    @cached_property
    def coefficients(self) -> Tensor:
        """(K_nn + ε² I)⁻¹ (m − prior_n) in float64, (B, n, c)."""
        return self.solve(to_float64(self.target) - to_float64(self.prior_at_clicks))

    @cached_property
    def click_logits(self) -> Tensor:
        """F at the clicks, (B, n, c) float64: m but for ε² (and jitter) times the coefficients."""
        update = to_float64(self.kernel.covariance) @ self.coefficients
        return to_float64(self.prior_at_clicks) + update

    @cached_property
    def prior(self) -> Tensor:
        """Prior path at every pixel, (B, 1, H, W): what the image alone suggests."""
        return upsample(self.kernel.to_grid(self._prior_grid), self.kernel.stride)

    @cached_property
    def update(self) -> Tensor:
        """Function-space update at every pixel, (B, c, H, W): what the clicks add."""
        return self.kernel.apply(self.coefficients.to(self.target))

    @cached_property
    def mean(self) -> Tensor:
        """Latent at every pixel, (B, c, H, W), along the learned prior path."""
        kernel = self.kernel
        coefficients = self.coefficients.to(self.target)
        grid = self._prior_grid + kernel.grid_columns @ coefficients
        latent = upsample(kernel.to_grid(grid), kernel.stride) + kernel.apply_colour(coefficients)
        return self._write_clicks(latent) if self._exact_at_clicks else latent

    def _write_clicks(self, latent: Tensor) -> Tensor:
        taps = self.kernel.raster_taps
        if taps.index.shape[-1] > 1:
            return latent
        flat = latent.flatten(2).clone()
        values = self.click_logits.to(latent)
        for item, valid in enumerate(self.kernel.clicks.valid.squeeze(-1)):
            flat[item, :, taps.index[item, valid, 0]] = values[item, valid].T
        return flat.reshape(latent.shape)

    def variance(self) -> Tensor:
        """Posterior variance of the latent at every pixel.

        v(x) = k(x, x) − K(x, n) K⁻¹ (I − σ² K⁻¹) K(n, x), K = K_nn + ε² I, σ² = 1e-4, the
        variance of m. k(x, x) is B k_deep Bᵀ + w.

        Returns
        -------
        Tensor, shape (B, 1, H, W)
            Between 0 and 1 + w.
        """
        kernel = self.kernel
        deep_columns = flatten(upsample(kernel.to_grid(kernel.grid_columns), kernel.stride))
        valid = kernel.clicks.valid.transpose(-1, -2)
        explained = []
        chunk = max(1, VARIANCE_BLOCK_ENTRIES // valid.shape[-1])
        for start in range(0, deep_columns.shape[1], chunk):
            part = slice(start, start + chunk)
            columns = deep_columns[:, part] + kernel.colour_columns(part)
            explained.append(self._explained_variance(columns * valid))
        total = kernel.to_raster(torch.cat(explained, 1).unsqueeze(-1))
        prior = prior_variance(kernel)
        return (prior - total.to(prior)).clamp(min=0.0)

    def _explained_variance(self, columns: Tensor) -> Tensor:
        wide = to_float64(columns).transpose(-1, -2)
        half: Tensor = torch.linalg.solve_triangular(self.factor, wide, upper=False)
        full: Tensor = torch.linalg.solve_triangular(self.factor.mT, half, upper=True)
        return half.square().sum(1) - TARGET_VARIANCE * full.square().sum(1)

    def sample(
        self,
        count: int,
        generator: torch.Generator | None = None,
        fourier_features: int = 1024,
    ) -> Tensor:
        """Draw functions from the posterior, with spectral features of k as the prior paths.

        The targets are drawn from N(m, σ² I) and observed with noise ε, so that the draws'
        covariance is the one whose diagonal `variance` gives.

        Parameters
        ----------
        count : int
            Number of draws.
        generator : torch.Generator, optional
            On the CPU.
        fourier_features : int
            L; the covariance error of the draws falls as L^−½.

        Returns
        -------
        Tensor, shape (B, count, H, W)

        Raises
        ------
        ValueError
            If the posterior is that of several classes.
        """
        if self.target.shape[-1] != 1:
            raise ValueError("expected one latent function, got several; condition on one class")
        kernel = self.kernel
        path = SpectralPath(
            kernel.log_precision,
            kernel.colour_weight,
            kernel.colour.shape[-1],
            count,
            fourier_features,
            generator,
        )
        deep, colour = path.deep_part(kernel.deep), path.colour_part(kernel.colour)
        at_clicks = read(deep, kernel.grid_taps) + read(colour, kernel.raster_taps)
        shape = at_clicks.shape
        noise = torch.randn(2, *shape, generator=generator, dtype=deep.dtype).to(deep.device)
        drawn = self.target + TARGET_VARIANCE**0.5 * noise[0] - self.noise_variance**0.5 * noise[1]
        residual = (drawn - at_clicks) * kernel.clicks.valid
        update = kernel.apply(self.solve(residual).to(deep))
        return upsample(kernel.to_grid(deep), kernel.stride) + kernel.to_raster(colour) + update


def to_float64(values: Tensor) -> Tensor:
    """Double precision; on the CPU where the device has none (Apple's MPS)."""
    if values.device.type == "mps":
        values = values.cpu()
    return values.double()
