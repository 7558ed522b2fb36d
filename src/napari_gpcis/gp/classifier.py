"""The GP classifier: parameters, the amortised target m, and conditioning on clicks.

References
----------
Zhou et al., "Interactive Segmentation as Gaussian Process Classification", CVPR 2023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_gpcis.gp.click_kernel import ClickKernel
from napari_gpcis.gp.clicks import pad_clicks
from napari_gpcis.gp.fourier import LearnedPriorPath
from napari_gpcis.gp.posterior import Posterior, to_float64
from napari_gpcis.gp.raster import flatten, pool

if TYPE_CHECKING:
    from collections.abc import Sequence

TARGET_STD = 0.01
TRAINING_NOISE_VARIANCE = 1e-2
TEST_NOISE_VARIANCE = 1e-7


class TrainingNoise(NamedTuple):
    """Standard normal noise of one training pass.

    Attributes
    ----------
    omega : Tensor, shape (L, 1)
        Of length 0 without a prior path.
    target : Tensor, shape (B, n, 1)
    """

    omega: Tensor
    target: Tensor


class GPClassifier(nn.Module):
    """Gaussian process classifier of pixels, trained by the clicks in closed form.

    Parameters
    ----------
    feature_dim : int
        D, length of a deep feature.
    colour_dim : int
        Length of a colour.
    fourier_features : int
        L of the learned prior path.
    hidden : int
        Hidden units of the MLP that gives |m|.
    prior_path : bool
        Whether there is a learned prior path; without, the prior is zero.
    colour_kernel : bool
        Whether the kernel has its colour term; prior path and MLP see colour either way.
    """

    def __init__(
        self,
        feature_dim: int = 48,
        colour_dim: int = 3,
        fourier_features: int = 256,
        hidden: int = 96,
        prior_path: bool = True,
        colour_kernel: bool = True,
    ) -> None:
        super().__init__()
        input_dim = feature_dim + colour_dim
        self.log_precision = nn.Parameter(torch.ones(feature_dim))
        self.raw_colour_weight = nn.Parameter(torch.zeros(1)) if colour_kernel else None
        self.prior_path = LearnedPriorPath(input_dim, fourier_features) if prior_path else None
        self.target_mlp = nn.Sequential(
            nn.Linear(input_dim, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    @property
    def colour_weight(self) -> Tensor | None:
        """W = softplus(raw_w), the colour kernel's share; a scalar, or none without colour."""
        if self.raw_colour_weight is None:
            return None
        return F.softplus(self.raw_colour_weight).squeeze(0)

    def condition(
        self,
        deep: Tensor,
        colour: Tensor,
        clicks: Sequence[Tensor],
        noise_variance: float | None = None,
        noise: TrainingNoise | None = None,
    ) -> Posterior:
        """Posterior given the clicks.

        Parameters
        ----------
        deep : Tensor, shape (B, D, h, w)
            Deep features on the grid.
        colour : Tensor, shape (B, C, H, W)
            Colour of every pixel; H / h = W / w is the grid's stride.
        clicks : sequence of B Tensors, each of shape (n_i, 3)
            Row, column in pixels of the colour raster, and label ±1, oldest first; further
            columns are labels of further latent functions. Fractions interpolate between pixel
            centres; clicks outside the frame are dropped.
        noise_variance : float, optional
            ε²; 1e-2 in training mode and 1e-7 in evaluation mode when not given.
        noise : TrainingNoise, optional
            Drawn when not given and the module is in training mode.

        Returns
        -------
        Posterior

        Raises
        ------
        ValueError
            If shapes do not fit each other.
        """
        self._check_shapes(deep, colour, clicks)
        if noise_variance is None:
            noise_variance = TRAINING_NOISE_VARIANCE if self.training else TEST_NOISE_VARIANCE
        deep, colour = deep.float(), colour.float()
        batch = pad_clicks(clicks, colour.shape[-2], colour.shape[-1])
        if noise is None and self.training:
            noise = self._draw_noise(batch.labels)
        kernel = ClickKernel(deep, colour, batch, self.log_precision, self.colour_weight)
        prior_grid = self._prior_on_grid(kernel, colour, noise)
        at_clicks = torch.cat([kernel.deep_at_clicks, kernel.colour_at_clicks], -1)
        mean = batch.labels * F.softplus(self.target_mlp(at_clicks))
        target = mean if noise is None else (mean + TARGET_STD * noise.target) * batch.valid
        return Posterior(kernel, prior_grid, mean, target, noise_variance, not self.training)

    def _prior_on_grid(
        self, kernel: ClickKernel, colour: Tensor, noise: TrainingNoise | None
    ) -> Tensor:
        """The prior path at the grid points, (B, h·w, 1)."""
        if self.prior_path is None:
            return torch.zeros_like(kernel.deep[..., :1])
        features = torch.cat([kernel.deep, flatten(pool(colour, kernel.stride))], -1)
        weights = self.prior_path.weights(None if noise is None else noise.omega)
        prior: Tensor = self.prior_path(features, weights)
        return prior

    def _draw_noise(self, labels: Tensor) -> TrainingNoise:
        path = self.prior_path
        omega = labels.new_zeros(0, 1) if path is None else torch.randn_like(path.omega)
        return TrainingNoise(omega, torch.randn_like(labels))

    def _check_shapes(self, deep: Tensor, colour: Tensor, clicks: Sequence[Tensor]) -> None:
        if len(clicks) != deep.shape[0] or colour.shape[0] != deep.shape[0]:
            raise ValueError(
                f"expected one colour image and one click tensor per item, got {deep.shape[0]} "
                f"feature maps, {colour.shape[0]} colour images and {len(clicks)} click tensors; "
                "pass an empty (0, 3) tensor for an image without clicks"
            )
        stride = colour.shape[-2] // deep.shape[-2]
        if (deep.shape[-2] * stride, deep.shape[-1] * stride) != tuple(colour.shape[-2:]):
            raise ValueError(
                f"expected a colour raster that is a multiple of the {tuple(deep.shape[-2:])} "
                f"grid, got {tuple(colour.shape[-2:])}; pad the image to a multiple of the stride"
            )


def amortisation_loss(posterior: Posterior) -> Tensor:
    """Loss of the targets: mean BCE(u, (y + 1) / 2) + mᵀ K⁻¹ m / n, K⁻¹ detached.

    u is the noisy target and m its mean, as in the reference implementation.

    Parameters
    ----------
    posterior : Posterior
        Of a training pass.

    Returns
    -------
    Tensor, scalar
        Mean over the images of the batch, in float32; the paper weights it by 0.001.
    """
    clicks = posterior.kernel.clicks
    mean = posterior.target_mean
    counts = clicks.valid.sum(1).clamp(min=1).to(mean.dtype)
    wanted = (clicks.labels + 1.0) / 2.0
    entropy = F.binary_cross_entropy_with_logits(posterior.target, wanted, reduction="none")
    fit = (entropy * clicks.valid).sum(1) / counts
    with torch.no_grad():
        inverse = torch.cholesky_inverse(posterior.factor)
    wide = to_float64(mean)
    complexity = (wide * (inverse @ wide)).sum(1).to(mean) / counts
    return (fit + complexity).mean()
