"""Commands of the training pipeline, a module each."""
