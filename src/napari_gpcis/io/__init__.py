"""Files in and out: stacks read slice by slice, labels and clicks written whole or not at all.

The names below are imported on first use, so that `io.errors` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_gpcis.io.annotations.clicks import read_clicks, write_clicks
    from napari_gpcis.io.errors import (
        ClicksFileError,
        ImageFileError,
        JournalError,
        OptionError,
        OutputFileError,
        StoppedError,
        UserError,
    )
    from napari_gpcis.io.images.open import open_image
    from napari_gpcis.io.images.stack import ImageStack
    from napari_gpcis.io.journal.locations import image_identity, journal_path, set_aside
    from napari_gpcis.io.journal.reader import (
        JournalHeader,
        Recording,
        read_journal,
        waiting_recordings,
    )
    from napari_gpcis.io.journal.writer import Journal
    from napari_gpcis.io.labels.writer import LabelWriter, label_writer

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
    "ImageStack": "images.stack",
    "Journal": "journal.writer",
    "JournalError": "errors",
    "JournalHeader": "journal.reader",
    "LabelWriter": "labels.writer",
    "OptionError": "errors",
    "OutputFileError": "errors",
    "Recording": "journal.reader",
    "StoppedError": "errors",
    "image_identity": "journal.locations",
    "journal_path": "journal.locations",
    "label_writer": "labels.writer",
    "open_image": "images.open",
    "read_clicks": "annotations.clicks",
    "read_journal": "journal.reader",
    "set_aside": "journal.locations",
    "waiting_recordings": "journal.reader",
    "write_clicks": "annotations.clicks",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
