"""Calibration of probabilities, and the temperature that achieves it."""
