"""Labelled images: found, checked, split, and read slice by slice."""
