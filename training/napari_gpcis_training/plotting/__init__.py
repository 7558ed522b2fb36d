"""Figures and diagrams with matplotlib."""
