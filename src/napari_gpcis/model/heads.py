"""Heads: deep features and clicks → the latent of every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from napari_gpcis.gp.raster import upsample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.gp import GPClassifier, Posterior


class Prediction(Protocol):
    """A head's prediction of a window. Every map is (B, 1, H, W)."""

    @property
    def logits(self) -> Tensor:
        """The latent f; sigmoid(f) is the probability."""
        ...

    @property
    def prior(self) -> Tensor:
        """Logits from the image alone."""
        ...

    @property
    def update(self) -> Tensor:
        """Change of the logits by the clicks."""
        ...

    def variance(self) -> Tensor:
        """Variance of the latent."""
        ...


class GPPrediction:
    """Prediction of the GP head: a view of its posterior.

    Parameters
    ----------
    posterior : Posterior
    """

    def __init__(self, posterior: Posterior) -> None:
        self.posterior = posterior

    @property
    def logits(self) -> Tensor:
        """Posterior mean along the learned prior path."""
        return self.posterior.mean

    @property
    def prior(self) -> Tensor:
        """Prior path."""
        return self.posterior.prior

    @property
    def update(self) -> Tensor:
        """Function-space update."""
        return self.posterior.update

    def variance(self) -> Tensor:
        """Posterior variance."""
        return self.posterior.variance()


class ConvPrediction:
    """Prediction of the convolution head, which knows neither prior nor posterior.

    Parameters
    ----------
    logits : Tensor, shape (B, 1, H, W)
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def prior(self) -> Tensor:
        """The logits: all that the head has."""
        return self.logits

    @property
    def update(self) -> Tensor:
        """Zero: clicks act through the features alone."""
        return torch.zeros_like(self.logits)

    def variance(self) -> Tensor:
        """P (1 − p), the variance of the pixel's Bernoulli variable, for want of a latent one."""
        probability = self.logits.sigmoid()
        return probability * (1.0 - probability)


class GPHead(nn.Module):
    """The Gaussian process classifier as a head.

    Parameters
    ----------
    classifier : GPClassifier
    noise_variance : float
        ε² in evaluation mode.
    """

    def __init__(self, classifier: GPClassifier, noise_variance: float) -> None:
        super().__init__()
        self.classifier = classifier
        self.noise_variance = noise_variance

    def forward(
        self,
        deep: Tensor,
        colour: Tensor,
        clicks: Sequence[Tensor],
        noise_variance: float | None = None,
    ) -> GPPrediction:
        """Condition on the clicks; arguments as those of `GPClassifier.condition`."""
        if noise_variance is None and not self.training:
            noise_variance = self.noise_variance
        return GPPrediction(self.classifier.condition(deep, colour, clicks, noise_variance))


class ConvHead(nn.Module):
    """A 1×1 convolution on deep features and colour.

    Parameters
    ----------
    feature_dim : int
        D.
    """

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.deep = nn.Conv2d(feature_dim, 1, 1)
        self.colour = nn.Conv2d(3, 1, 1, bias=False)

    def forward(
        self,
        deep: Tensor,
        colour: Tensor,
        clicks: Sequence[Tensor],
        noise_variance: float | None = None,
    ) -> ConvPrediction:
        """Logits; clicks and noise are the GP's business and are not looked at."""
        stride = colour.shape[-2] // deep.shape[-2]
        return ConvPrediction(upsample(self.deep(deep), stride) + self.colour(colour))
