"""Prior paths: the learned weight-space one and draws from the kernel's own prior.

References
----------
Rahimi and Recht, "Random Features for Large-Scale Kernel Machines", NeurIPS 2007.
Wilson et al., "Efficiently Sampling Functions from Gaussian Process Posteriors", ICML 2020.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

OMEGA_STD_RANGE = (0.01, 0.05)


class LearnedPriorPath(nn.Module):
    """prior(z) = √(2/L) · sin(θ z + τ) · ω with learned θ, τ and ω.

    Parameters
    ----------
    input_dim : int
        Length of z.
    fourier_features : int
        L.
    """

    def __init__(self, input_dim: int, fourier_features: int) -> None:
        super().__init__()
        self.theta = nn.Linear(input_dim, fourier_features)
        self.omega = nn.Parameter(0.25 * torch.randn(fourier_features, 1))
        self.omega_std = nn.Parameter(torch.tensor(0.025))
        nn.init.normal_(self.theta.weight, std=0.114)
        nn.init.zeros_(self.theta.bias)

    def weights(self, noise: Tensor | None) -> Tensor:
        """ω, or its perturbation ω + clamp(std, 0.01, 0.05) · noise; shape (L, 1)."""
        if noise is None:
            return self.omega
        return self.omega + self.omega_std.clamp(*OMEGA_STD_RANGE) * noise

    def forward(self, features: Tensor, weights: Tensor) -> Tensor:
        """Evaluate the path: (..., input_dim) → (..., 1)."""
        amplitude = math.sqrt(2.0 / len(self.omega))
        return amplitude * (torch.sin(self.theta(features)) @ weights)


class SpectralPath:
    """One draw of a function from the GP prior of the kernel, by random Fourier features.

    A feature's frequency is drawn from the normalised spectral density of
    k_deep + w · k_colour: with probability 1 / (1 + w) it is √s · N(0, I) on the deep features,
    else N(0, I) on the colour. The covariance of √(2 (1 + w) / L) cos(·) features is k in
    expectation, with an error that falls as L^−½.

    Parameters
    ----------
    log_precision : Tensor, shape (D,)
        log s.
    colour_weight : Tensor, scalar
        w.
    colour_dim : int
    paths, fourier_features : int
        Number of draws and L.
    generator : torch.Generator, optional
    """

    def __init__(
        self,
        log_precision: Tensor,
        colour_weight: Tensor,
        colour_dim: int,
        paths: int,
        fourier_features: int,
        generator: torch.Generator | None = None,
    ) -> None:
        device, dtype = log_precision.device, log_precision.dtype

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=dtype).to(device)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, dtype=dtype).to(device)

        on_deep = uniform(1, fourier_features) < 1.0 / (1.0 + colour_weight)
        scale = (0.5 * log_precision).exp().unsqueeze(-1)
        self.deep_frequency = scale * normal(len(log_precision), fourier_features) * on_deep
        self.colour_frequency = normal(colour_dim, fourier_features) * ~on_deep
        self.phase = 2.0 * math.pi * uniform(fourier_features)
        self.amplitude = (2.0 * (1.0 + colour_weight) / fourier_features).sqrt()
        self.on_deep = on_deep.squeeze(0)
        self.weights = normal(fourier_features, paths)

    def deep_part(self, deep: Tensor) -> Tensor:
        """The draw's deep component: (..., D) → (..., paths)."""
        return self._part(deep, self.deep_frequency, self.on_deep)

    def colour_part(self, colour: Tensor) -> Tensor:
        """The draw's colour component: (..., colour_dim) → (..., paths)."""
        return self._part(colour, self.colour_frequency, ~self.on_deep)

    def _part(self, values: Tensor, frequency: Tensor, chosen: Tensor) -> Tensor:
        features = torch.cos(values @ frequency[:, chosen] + self.phase[chosen])
        return self.amplitude * (features @ self.weights[chosen])
