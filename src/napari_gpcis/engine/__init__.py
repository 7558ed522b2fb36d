"""From clicks to masks and labels: sessions, without Qt and without napari.

The names below are imported on first use: clicks, labels and history need no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.document.annotation import Annotation, Change, Question
    from napari_gpcis.engine.document.history import Committed, State, Step, StoredMask
    from napari_gpcis.engine.document.label_store import LabelStore, Patch
    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.engine.normalise import Normalisation
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.session import Session

__all__ = [
    "Annotation",
    "Box",
    "Change",
    "Click",
    "Committed",
    "LabelStore",
    "Normalisation",
    "Patch",
    "Question",
    "Result",
    "Session",
    "State",
    "Step",
    "StoredMask",
]

_HOMES = {
    "Annotation": "document.annotation",
    "Box": "geometry",
    "StoredMask": "document.history",
    "Change": "document.annotation",
    "Click": "click",
    "Committed": "document.history",
    "LabelStore": "document.label_store",
    "Normalisation": "normalise",
    "Patch": "document.label_store",
    "Question": "document.annotation",
    "Result": "result",
    "Session": "session",
    "State": "document.history",
    "Step": "document.history",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
