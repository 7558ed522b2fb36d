"""How well probabilities are calibrated, and the temperature that does it."""
