"""A click becomes a mask: interactive segmentation as Gaussian process classification.

`load_model` and `Session` are all that a script needs, `segment_stack` what a night needs. They are
imported on first use, so that importing this package, as napari does when it starts, costs next to
nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_gpcis.batch import segment_stack
    from napari_gpcis.engine import Result, Session
    from napari_gpcis.model import load_model

    __version__: str

__all__ = ["Result", "Session", "__version__", "load_model", "segment_stack"]

_HOMES = {
    "Result": "napari_gpcis.engine",
    "Session": "napari_gpcis.engine",
    "load_model": "napari_gpcis.model",
    "segment_stack": "napari_gpcis.batch",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("napari-gpcis")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
