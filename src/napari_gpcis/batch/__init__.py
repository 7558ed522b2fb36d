"""Segmentation of whole stacks, one or many, on one machine or several."""
