"""Records of simulated users, an object each; their scores; and their journal on disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis_training.protocol import CLICKS, clicks_to, iou_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_gpcis_training.benchmark.objects import BenchmarkObject
    from napari_gpcis_training.protocol import SimulatedUser

MANY_CLICKS = 100
"""Most clicks that NoC₁₀₀@90 and NoF₁₀₀@90 count."""
RECORDS = "records.jsonl"
SETTINGS = "settings.json"


@dataclass(slots=True)
class Record:
    """One object, clicked at with one segmenter.

    Attributes
    ----------
    data, image : str
        Names of the data set and of the image (of a volume, with the slice).
    number : int
        The object's label.
    model : str
        The segmenter's name.
    diameter : float
        Diameter of the circle of the object's area, px.
    clicks : list of (int, int, bool)
        Row, column, positive; in order.
    ious : list of float
        IoU after each click, 0–1.
    contradicted : list of int
        Number of pixels clicked so far that the mask contradicts, after each click.
    seconds : list of float
        Duration of each answer, without click simulation and loading.
    """

    data: str
    image: str
    number: int
    model: str
    diameter: float
    clicks: list[tuple[int, int, bool]] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)
    contradicted: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @classmethod
    def of(
        cls, item: BenchmarkObject, model: str, user: SimulatedUser, seconds: list[float]
    ) -> Record:
        """Record a user's clicks at an object, and the duration of each answer."""
        where = (item.data, item.image_name, item.number, model, item.diameter)
        return cls(*where, user.clicks, user.ious, user.contradicted, seconds)

    def clicks_to(self, wanted: float, most: int = CLICKS) -> int:
        """Clicks to an IoU; `most` when it is not reached by then."""
        return clicks_to(self.ious, wanted, most)

    def fails(self, wanted: float, most: int = CLICKS) -> bool:
        """Say whether an IoU is not reached within `most` clicks."""
        return max(self.ious[:most], default=0.0) < wanted

    def after(self, clicks: int) -> float:
        """IoU after so many clicks, or after the last one if there were fewer."""
        return iou_after(self.ious, clicks)


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of the records of one segmenter on one data set.

    Attributes
    ----------
    objects : int
    noc85, noc90, noc95 : float
        Mean clicks to an IoU of 0.85, 0.90 and 0.95, 20 at most.
    failures90 : int
        Objects that 20 clicks do not bring to 0.90.
    noc100_90, nof100_90
        Mean clicks to 0.90 and objects that miss it, 100 at most; None unless clicked so far.
    iou1, iou5 : float
        Mean IoU after one and after five clicks, in percent.
    noic : int
        Clicked pixels that the final mask contradicts, summed: NoIC.
    noic_rounds, clicks_rounds : int
        The same summed over all rounds, and the clicked pixels among which these are.
    spc : float
        Seconds per click: the mean over all clicks.
    """

    objects: int
    noc85: float
    noc90: float
    noc95: float
    failures90: int
    noc100_90: float | None
    nof100_90: int | None
    iou1: float
    iou5: float
    noic: int
    noic_rounds: int
    clicks_rounds: int
    spc: float


def score(records: Sequence[Record], most: int = CLICKS) -> Scores:
    """Score records that were clicked at up to `most` times.

    Raises
    ------
    ValueError
        When there is no record.
    """
    if not records:
        raise ValueError("expected at least one object to score, got none; choose other data")
    many = most >= MANY_CLICKS
    seconds = [second for record in records for second in record.seconds]
    return Scores(
        objects=len(records),
        noc85=_mean(record.clicks_to(0.85) for record in records),
        noc90=_mean(record.clicks_to(0.90) for record in records),
        noc95=_mean(record.clicks_to(0.95) for record in records),
        failures90=sum(record.fails(0.90) for record in records),
        noc100_90=_mean(r.clicks_to(0.90, MANY_CLICKS) for r in records) if many else None,
        nof100_90=sum(r.fails(0.90, MANY_CLICKS) for r in records) if many else None,
        iou1=100 * _mean(record.after(1) for record in records),
        iou5=100 * _mean(record.after(5) for record in records),
        noic=sum(record.contradicted[-1] for record in records if record.contradicted),
        noic_rounds=sum(sum(record.contradicted) for record in records),
        clicks_rounds=sum(len(r.ious) * (len(r.ious) + 1) // 2 for r in records),
        spc=float(np.mean(seconds)) if seconds else float("nan"),
    )


def mean_curve(records: Sequence[Record], most: int = CLICKS) -> NDArray[np.float64]:
    """Mean IoU after 1, 2, … `most` clicks; an object that was done keeps its last IoU."""
    return np.array([_mean(r.after(clicks) for r in records) for clicks in range(1, most + 1)])


class RecordJournal:
    """Records of a run in a folder, a line each.

    Parameters
    ----------
    folder : Path
        Folder of the journal; created if missing.
    settings : mapping
        Settings that all records have in common; records made otherwise must not join them.
    resume : bool
        True to go on from the records in the folder.

    Attributes
    ----------
    records : list of Record
        Records of earlier runs, followed by the new ones.

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
                f"expected an output without records, got {self.path}; give --resume to continue "
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
                f"expected records in {self.path}, got something else ({error}); "
                "give another folder"
            ) from error
        record.clicks = [(row, col, positive) for row, col, positive in record.clicks]
        return record


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
