"""The Gaussian process classifier of GPCIS, on torch alone."""

from __future__ import annotations

from napari_gpcis.gp.classifier import GPClassifier, TrainingNoise, amortisation_loss
from napari_gpcis.gp.posterior import Posterior

__all__ = ["GPClassifier", "Posterior", "TrainingNoise", "amortisation_loss"]
