"""The command `napari-gpcis`. Nothing here loads torch before it is needed."""

from __future__ import annotations

from napari_gpcis.cli.app import app, main

__all__ = ["app", "main"]
