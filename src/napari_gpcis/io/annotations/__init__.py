"""Clicks and whole annotations in files."""
