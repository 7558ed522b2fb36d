"""Whole stacks, many of them, on one machine or several; the names are imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_gpcis.batch.discover import find_jobs
    from napari_gpcis.batch.job import Job, Options
    from napari_gpcis.batch.segment import Report, segment_stack
    from napari_gpcis.batch.stacks import BatchReport, segment_stacks

__all__ = [
    "BatchReport",
    "Job",
    "Options",
    "Report",
    "find_jobs",
    "segment_stack",
    "segment_stacks",
]

_HOMES = {
    "BatchReport": "stacks",
    "Job": "job",
    "Options": "job",
    "Report": "segment",
    "find_jobs": "discover",
    "segment_stack": "segment",
    "segment_stacks": "stacks",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
