"""Between probabilities and their logits, in numpy."""

from __future__ import annotations

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
