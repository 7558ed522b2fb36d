"""The tab in which a model is fine-tuned."""
