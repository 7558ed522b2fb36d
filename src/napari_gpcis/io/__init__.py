"""Files in and out: stacks read slice by slice, labels and clicks written whole or not at all.

The names below are imported on first use, so that `io.errors` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_gpcis.io.clicks import read_clicks, write_clicks
    from napari_gpcis.io.errors import (
        ClicksFileError,
        ImageFileError,
        OutputFileError,
        UserError,
    )
    from napari_gpcis.io.labels import LabelWriter, label_writer
    from napari_gpcis.io.segment import segment_stack
    from napari_gpcis.io.stacks import ImageStack, open_image

__all__ = [
    "ClicksFileError",
    "ImageFileError",
    "ImageStack",
    "LabelWriter",
    "OutputFileError",
    "UserError",
    "label_writer",
    "open_image",
    "read_clicks",
    "segment_stack",
    "write_clicks",
]

_HOMES = {
    "ClicksFileError": "errors",
    "UserError": "errors",
    "ImageFileError": "errors",
    "ImageStack": "stacks",
    "LabelWriter": "labels",
    "OutputFileError": "errors",
    "label_writer": "labels",
    "open_image": "stacks",
    "read_clicks": "clicks",
    "segment_stack": "segment",
    "write_clicks": "clicks",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
