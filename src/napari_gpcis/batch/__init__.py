"""Whole stacks, many of them, on one machine or several."""
