"""Unsaved work, written down step by step and read again after a crash."""
