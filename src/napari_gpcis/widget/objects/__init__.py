"""The objects of the image under work, as a table."""

from __future__ import annotations

from napari_gpcis.widget.objects.dock import ObjectsDock

__all__ = ["ObjectsDock"]
