"""A whole benchmark: data sets × segmenters, resumable."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis_training.benchmark.objects import by_file
from napari_gpcis_training.benchmark.records import Record, Scores, score
from napari_gpcis_training.protocol import ALWAYS, CLICKS, SimulatedUser, click_through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_gpcis_training.benchmark.objects import BenchmarkObject, ObjectSet, Place
    from napari_gpcis_training.benchmark.records import RecordJournal
    from napari_gpcis_training.benchmark.segmenters import Segmenter

    Array = np.ndarray[Any, np.dtype[Any]]
    Notify = Callable[[str], None]

ENOUGH = 0.95
"""IoU that ends the clicking at an object."""


@dataclass(frozen=True, slots=True)
class ChosenSet:
    """A data set and the objects of it that are clicked at."""

    data: ObjectSet
    places: list[Place]


@dataclass
class Benchmark:
    """A benchmark's parts, its run and its results.

    Attributes
    ----------
    sets : sequence of ChosenSet
    segmenters : sequence of Segmenter
        Segmenters of different names.
    journal : RecordJournal
        Takes the records; objects that it has already are skipped.
    most : int
        Clicks after which an object is given up.
    enough : float
        IoU that ends the clicking.
    errors : list of str
        Errors of single objects.
    """

    sets: Sequence[ChosenSet]
    segmenters: Sequence[Segmenter]
    journal: RecordJournal
    most: int = CLICKS
    enough: float = ENOUGH
    errors: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Records of a complete run."""
        return sum(len(chosen.places) for chosen in self.sets) * len(self.segmenters)

    def run(self, notify: Notify, advance: Callable[[int], None] = lambda count: None) -> None:
        """Click at every object with every segmenter.

        An object that fails is reported and left out; the rest goes on.

        Parameters
        ----------
        notify : callable
            Called with a line for every failure.
        advance : callable
            Called with the number of records that were dealt with.
        """
        done = {_key(record) for record in self.journal.records}
        for chosen in self.sets:
            for number, places in by_file(chosen.places):
                left = [place for place in places if self._lacking(chosen, place, done)]
                advance((len(places) - len(left)) * len(self.segmenters))
                for item in self._read(chosen.data, number, left, notify):
                    self._click(item, done, notify)
                    advance(len(self.segmenters))

    def records(self) -> dict[tuple[str, str], list[Record]]:
        """Records of this run's objects by data set and segmenter; only where there are any."""
        found: dict[tuple[str, str], list[Record]] = {}
        for chosen in self.sets:
            wanted = {(place.plane, place.number) for place in chosen.places}
            for segmenter in self.segmenters:
                key = chosen.data.name, segmenter.name
                mine = [
                    record
                    for record in self.journal.records
                    if (record.data, record.model) == key
                    and (record.image, record.number) in wanted
                    and record.ious
                ]
                if mine:
                    found[key] = mine
        return found

    def scores(self) -> dict[tuple[str, str], Scores]:
        """Scores of `records`."""
        return {key: score(each, self.most) for key, each in self.records().items()}

    def _lacking(self, chosen: ChosenSet, place: Place, done: set[tuple[str, ...]]) -> bool:
        return any(
            (chosen.data.name, place.plane, str(place.number), segmenter.name) not in done
            for segmenter in self.segmenters
        )

    def _read(
        self, data: ObjectSet, number: int, places: list[Place], notify: Notify
    ) -> Iterator[BenchmarkObject]:
        if not places:
            return
        try:
            yield from data.read(number, places)
        except (ValueError, OSError) as error:
            self._failed(f"{data.name}, {data.files[number].name}: {error}", notify)

    def _click(self, item: BenchmarkObject, done: set[tuple[str, ...]], notify: Notify) -> None:
        for segmenter in self.segmenters:
            key = item.data, item.image_name, str(item.number), segmenter.name
            if key in done:
                continue
            try:
                record = click_object(segmenter, item, self.most, enough=self.enough)
            except Exception as error:  # one image must not cost the night's run
                where = f"{item.data}, {item.image_name}, object {item.number}, {segmenter.name}"
                self._failed(f"{where}: {type(error).__name__}: {error}", notify)
            else:
                self.journal.add(record)

    def _failed(self, line: str, notify: Notify) -> None:
        self.errors.append(line)
        notify(f"left out: {line}")


def click_object(
    segmenter: Segmenter,
    item: BenchmarkObject,
    most: int = CLICKS,
    always: int = ALWAYS,
    enough: float = ENOUGH,
) -> Record:
    """Segment an object click by click; see `protocol.click_through`.

    Parameters
    ----------
    segmenter : Segmenter
        The segmenter; is started on the object's image first.
    item : BenchmarkObject
        The object.
    most : int
        Clicks after which to give up.
    always : int
        Clicks that are made however good the mask is.
    enough : float
        IoU that ends the clicking.

    Returns
    -------
    Record
        Its seconds are those between a click and its mask.
    """
    user = SimulatedUser(item.target, item.valid)
    seconds: list[float] = []

    def answer(_: list[int]) -> list[Array]:
        started = time.perf_counter()
        mask = segmenter.click(*user.clicks[-1])
        seconds.append(time.perf_counter() - started)
        return [mask]

    segmenter.start(item.image, item.typical_diameter)
    click_through([user], answer, most, enough, always)
    return Record.of(item, segmenter.name, user, seconds)


def click_again(segmenter: Segmenter, item: BenchmarkObject, record: Record) -> Array:
    """Mask after the last of a record's clicks, made once more: bool, shape (Y, X)."""
    segmenter.start(item.image, item.typical_diameter)
    mask = np.zeros_like(item.target)
    for click in record.clicks:
        mask = segmenter.click(*click)
    return mask


def _key(record: Record) -> tuple[str, ...]:
    return record.data, record.image, str(record.number), record.model
