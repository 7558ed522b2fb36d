"""From clicks to masks and labels: sessions, without Qt and without napari."""

from __future__ import annotations

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.history import Committed
from napari_gpcis.engine.normalise import Normalisation
from napari_gpcis.engine.result import Result
from napari_gpcis.engine.session import Session

__all__ = ["Box", "Click", "Committed", "Normalisation", "Result", "Session"]
