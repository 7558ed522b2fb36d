"""What of a batch is done: a line of JSON for each stack, appended when its output is there."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from napari_gpcis.io.files import content_digest, saying_why

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gpcis.batch.job import Job
    from napari_gpcis.batch.segment import Report

__all__ = ["BatchLog"]


class BatchLog:
    """Reads and appends a log.

    A line of a finished stack holds image, clicks, output, the job's fingerprint and the output's
    SHA-256; one of a failed stack, the error. A line that a kill cut short is passed over.

    Parameters
    ----------
    path : Path
        Made when the first line is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: dict[str, dict[str, Any]] = {}
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        self._starts_anew = bool(text) and not text.endswith("\n")
        for line in text.splitlines():
            try:
                record = json.loads(line)
                self._last[record["output"]] = record
            except (ValueError, TypeError, KeyError):
                continue

    def has(self, job: Job, fingerprint: str) -> bool:
        """Whether a job is done: as it is now, and with its output as it was left."""
        record = self._last.get(os.fspath(job.output.resolve()), {})
        if record.get("status") != "done" or record.get("fingerprint") != fingerprint:
            return False
        if not all(path.exists() for path in job.further_outputs):
            return False
        return job.output.exists() and content_digest(job.output) == record.get("sha256")

    def done(self, job: Job, fingerprint: str, report: Report) -> None:
        """Note that a job's outputs are there."""
        self._append(
            job,
            status="done",
            fingerprint=fingerprint,
            sha256=content_digest(job.output),
            slices=report.slices,
            labels=report.labels,
            seconds=round(report.seconds, 2),
        )

    def failed(self, job: Job, error: str) -> None:
        """Note why a job has no output."""
        self._append(job, status="failed", error=error)

    def _append(self, job: Job, **more: object) -> None:
        record: dict[str, Any] = {
            "output": os.fspath(job.output.resolve()),
            "image": os.fspath(job.image.resolve()),
            "clicks": os.fspath(job.clicks.resolve()),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **more,
        }
        line = ("\n" if self._starts_anew else "") + json.dumps(record) + "\n"
        with saying_why(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(line)
        self._starts_anew = False
        self._last[record["output"]] = record
