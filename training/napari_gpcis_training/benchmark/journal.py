"""The records of a benchmark on disk, written as they come, so that nothing measured is lost."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis_training.benchmark.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RECORDS = "records.jsonl"
SETTINGS = "settings.json"


class RecordJournal:
    """Records of a run in a folder, a line each.

    Parameters
    ----------
    folder : Path
        Is made when missing.
    settings : mapping
        What all records have in common: records made otherwise must not join them.
    resume : bool
        Whether to go on from what is in the folder.

    Attributes
    ----------
    records : list of Record
        Those of before, and the new ones.

    Raises
    ------
    ValueError
        If there are records and `resume` is not set, if they were made with other settings, or if
        one is not a record.
    OutputFileError
        If the folder cannot be written to.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, resume: bool) -> None:
        self.path = folder / RECORDS
        if self.path.exists() and not resume:
            raise ValueError(
                f"expected an output without records, got {self.path}; give --resume to go on "
                "from them, or another folder"
            )
        with os_errors_as_output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._keep_settings(folder / SETTINGS, settings)
        self.records = self._read()

    def add(self, record: Record) -> None:
        """Write a record, which is on disk when this returns.

        Raises
        ------
        OutputFileError
            If it cannot be written.
        """
        line = json.dumps(asdict(record), ensure_ascii=False)
        with os_errors_as_output_errors(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self.records.append(record)

    def _keep_settings(self, path: Path, settings: Mapping[str, Any]) -> None:
        new = json.loads(json.dumps(dict(settings)))
        if self.path.exists() and path.exists():
            old = json.loads(path.read_text(encoding="utf-8"))
            different = [name for name in new if name in old and old[name] != new[name]]
            if different:
                name = different[0]
                raise ValueError(
                    f"expected the settings of the records in {self.path}, got {name} "
                    f"{new[name]!r} instead of {old[name]!r}; give another folder"
                )
            new = old | new
        with atomic_write(path) as part:
            part.write_text(json.dumps(new, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def _read(self) -> list[Record]:
        """Records of before; a last line that a killed run left unfinished is cut off."""
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with os_errors_as_output_errors(self.path), self.path.open("r+b") as file:
                file.truncate(len(whole))
        return [self._parse(line) for line in whole.decode("utf-8").splitlines()]

    def _parse(self, line: str) -> Record:
        try:
            values = json.loads(line)
            known = {each.name for each in fields(Record)}
            record = Record(**{name: value for name, value in values.items() if name in known})
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(
                f"expected records in {self.path}, got another content ({error}); "
                "give another folder"
            ) from error
        record.clicks = [(row, col, positive) for row, col, positive in record.clicks]
        return record
