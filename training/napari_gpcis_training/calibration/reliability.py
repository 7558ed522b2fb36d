"""Agreement of probabilities with the truth: reliability, calibration error, temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

__all__ = ["Bins", "Measures", "confidence_bins", "find_temperature", "measure", "object_bins"]

BINS = 15
COLDEST, HOTTEST = 0.2, 10.0
"""Bounds of the temperature."""


@dataclass(frozen=True, slots=True)
class Bins:
    """A reliability diagram; each array has shape (15,), bins without pixels are 0.

    Attributes
    ----------
    confidence
        Mean predicted probability, 0–1.
    accuracy
        Share of the pixels that are as predicted, 0–1.
    count
        Pixels.
    """

    confidence: Array
    accuracy: Array
    count: Array

    @classmethod
    def of(cls, predicted: Array, true: Array, lowest: float) -> Bins:
        """Sort probabilities between `lowest` and 1 into equally wide bins."""
        number = ((predicted - lowest) * (BINS / (1 - lowest))).astype(np.int64).clip(0, BINS - 1)
        count, confidence, accuracy = (
            np.bincount(number, weights, BINS) for weights in (None, predicted, true)
        )
        pixels = np.maximum(count, 1)
        return cls(confidence / pixels, accuracy / pixels, count)

    @property
    def expected_error(self) -> float:
        """Σ count |accuracy − confidence| / Σ count, 0–1: the ECE, of bins of the confidence."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.count * gaps).sum() / self.count.sum())


@dataclass(frozen=True, slots=True)
class Measures:
    """Scores of probabilities; less is better.

    Attributes
    ----------
    ece
        Expected calibration error, 0–1: of the predicted class, 15 bins between 0.5 and 1.
    object_ece
        The same of the object's probability, 15 bins between 0 and 1.
    brier
        Mean squared difference from the truth (0 or 1).
    nll
        Mean negative log-likelihood, nats.
    """

    ece: float
    object_ece: float
    brier: float
    nll: float


def confidence_bins(logits: Array, truth: Array) -> Bins:
    """Reliability of the predicted class: shape (n,) and bool, (n,)."""
    return Bins.of(_sigmoid(np.abs(logits)), (logits > 0) == truth, 0.5)


def object_bins(logits: Array, truth: Array) -> Bins:
    """Reliability of the object's probability: shape (n,) and bool, (n,)."""
    return Bins.of(_sigmoid(logits), truth, 0.0)


def measure(logits: Array, truth: Array) -> Measures:
    """Score logits of n ≥ 1 pixels.

    Parameters
    ----------
    logits : array, shape (n,)
        Logits of the object.
    truth : bool array, shape (n,)
        True for pixels of the object.

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    return Measures(
        ece=confidence_bins(logits, truth).expected_error,
        object_ece=object_bins(logits, truth).expected_error,
        brier=float(np.mean((_sigmoid(logits) - truth) ** 2)),
        nll=_negative_log_likelihood(logits, truth),
    )


def find_temperature(logits: Array, truth: Array) -> float:
    """Find the T with which sigmoid(logits / T) has the smallest negative log-likelihood.

    Parameters
    ----------
    logits : array, shape (n,)
        Logits of the object.
    truth : bool array, shape (n,)
        True for pixels of the object.

    Returns
    -------
    float
        The temperature, between 0.2 and 10.

    Raises
    ------
    ValueError
        If there is no pixel.

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    from scipy.optimize import minimize_scalar

    if not len(truth):
        raise ValueError("expected pixels to fit a temperature to, got none; give held-out objects")

    def loss(log_temperature: float) -> float:
        return _negative_log_likelihood(logits * math.exp(-log_temperature), truth)

    found = minimize_scalar(loss, bounds=(math.log(COLDEST), math.log(HOTTEST)), method="bounded")
    return math.exp(float(found.x))


def _negative_log_likelihood(logits: Array, truth: Array) -> float:
    return float(np.logaddexp(0, np.where(truth, -logits, logits)).mean())


def _sigmoid(logits: Array) -> Array:
    probability: Array = 1 / (1 + np.exp(-np.asarray(logits, np.float64).clip(-700, 700)))
    return probability
