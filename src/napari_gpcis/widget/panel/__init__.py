"""The panel: everything that the plugin shows beside napari's canvas."""

from __future__ import annotations

from napari_gpcis.widget.panel.panel import GPCISPanel

__all__ = ["GPCISPanel"]
