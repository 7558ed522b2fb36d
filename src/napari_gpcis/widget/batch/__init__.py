"""A folder of images, segmented in the background."""

from __future__ import annotations

from napari_gpcis.widget.batch.folder import SegmentFolder

__all__ = ["SegmentFolder"]
