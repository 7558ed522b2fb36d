"""Between probabilities and their logits, in numpy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_gpcis.engine.types import Array


def logit(probability: Array) -> Array:
    """Inverse of the sigmoid, finite."""
    safe = probability.clip(1e-6, 1 - 1e-6)
    inverse: Array = np.log(safe / (1 - safe))
    return inverse


def sigmoid(logits: Array) -> Array:
    """Probability."""
    probability: Array = 1 / (1 + np.exp(-logits))
    return probability


def moderate(logits: Array, variance: Array) -> Array:
    """Logits of the probability that a latent of this variance gives: f / √(1 + π v / 8).

    References
    ----------
    MacKay, "The evidence framework applied to classification networks", Neural Computation 1992.
    """
    moderated: Array = logits / np.sqrt(1 + math.pi * variance / 8)
    return moderated
