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
        JournalError,
        OptionError,
        OutputFileError,
        StoppedError,
        UserError,
    )
    from napari_gpcis.io.journal import Journal
    from napari_gpcis.io.journal_places import image_identity, journal_path, set_aside
    from napari_gpcis.io.journal_reading import (
        JournalHeader,
        Recording,
        read_journal,
        waiting_recordings,
    )
    from napari_gpcis.io.labels import LabelWriter, label_writer
    from napari_gpcis.io.stacks import ImageStack, open_image

__all__ = [
    "ClicksFileError",
    "ImageFileError",
    "ImageStack",
    "Journal",
    "JournalError",
    "JournalHeader",
    "LabelWriter",
    "OptionError",
    "OutputFileError",
    "Recording",
    "StoppedError",
    "UserError",
    "image_identity",
    "journal_path",
    "label_writer",
    "open_image",
    "read_clicks",
    "read_journal",
    "set_aside",
    "waiting_recordings",
    "write_clicks",
]

_HOMES = {
    "ClicksFileError": "errors",
    "UserError": "errors",
    "ImageFileError": "errors",
    "ImageStack": "stacks",
    "Journal": "journal",
    "JournalError": "errors",
    "JournalHeader": "journal_reading",
    "LabelWriter": "labels",
    "OptionError": "errors",
    "OutputFileError": "errors",
    "Recording": "journal_reading",
    "StoppedError": "errors",
    "image_identity": "journal_places",
    "journal_path": "journal_places",
    "label_writer": "labels",
    "open_image": "stacks",
    "read_clicks": "clicks",
    "read_journal": "journal_reading",
    "set_aside": "journal_places",
    "waiting_recordings": "journal_reading",
    "write_clicks": "clicks",
}


def __getattr__(name: str) -> Any:
    if name == "segment_stack":  # it was here before it had a room of its own
        return getattr(import_module("napari_gpcis.batch"), name)
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
