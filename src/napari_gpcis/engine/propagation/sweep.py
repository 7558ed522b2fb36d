"""Propagation of many objects at once: slice by slice, so that each is read and encoded once.

`propagate` carries one object through all slices. Here all objects of a stack go from one slice to
the next together, once upwards and once downwards, and what both ways say of a slice between two
clicked ones is joined afterwards. For each object it is what `propagate` finds for it alone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_gpcis.engine.propagation.propagate import StopRule, joined
from napari_gpcis.engine.propagation.step import Appearance, Carrier, Held, held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeAlias

    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.predictor import Predictor
    from napari_gpcis.engine.result import Result

    Anchors: TypeAlias = Mapping[int, Mapping[int, "Anchor"]]
    Carried: TypeAlias = tuple["Track", Held | None]
    Work: TypeAlias = Callable[["Track | None"], Carried | None]
    Share: TypeAlias = Callable[[Work, Iterable["Track | None"]], Iterator[Carried | None]]
    Correct: TypeAlias = Callable[[int, Held], Held | None]


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """An object in a slice that was clicked: all that its propagation starts from.

    Attributes
    ----------
    held : Held
        Cut to the mask.
    appearance : Appearance
    """

    held: Held
    appearance: Appearance

    @classmethod
    def of(cls, answer: Result) -> Anchor | None:
        """Take it from an answer, which may go then; None if that has no mask."""
        if not answer.box_mask.any():
            return None
        return cls(held(answer).cropped, Appearance.of(answer))


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """An object under way.

    Attributes
    ----------
    object_id : int
    start, last : Held
        In the clicked slice where it began, and in the last slice.
    carrier : Carrier
    in_gap : bool
        Whether another clicked slice is ahead.
    """

    object_id: int
    start: Held
    last: Held
    carrier: Carrier
    in_gap: bool


class Sweep:
    """One way through the slices, with all objects.

    Parameters
    ----------
    source : ImageSource
        The image.
    predictor : Predictor
        Answers requests of both modes.
    anchors : mapping of int to mapping of int to Anchor
        Object → slice → what is known of it there.
    within : range
        Slices that follow one another, ascending: a stack, or a volume of a time series.
    up : bool
        Whether towards larger slice indices.
    stop : StopRule, optional
        When an object has ended.
    share : callable
        Like `map`; may share the objects of a slice among threads.
    correct : callable
        Takes an object and what was carried of it; gives what holds instead, None if nothing.
    """

    def __init__(
        self,
        source: ImageSource,
        predictor: Predictor,
        anchors: Anchors,
        within: range,
        *,
        up: bool,
        stop: StopRule | None = None,
        share: Share = map,
        correct: Correct = lambda object_id, held: held,
    ) -> None:
        self._source = source
        self._predictor = predictor
        self._slices = within if up else within[::-1]
        self._sign = 1 if up else -1
        self._stop = stop or StopRule()
        self._share = share
        self._correct = correct
        self._anchors = {
            object_id: {z: anchor for z, anchor in of_object.items() if z in within}
            for object_id, of_object in anchors.items()
        }

    def steps(
        self, done: int = 0, alive: Mapping[int, Held] | None = None
    ) -> Iterator[tuple[int, dict[int, Held]]]:
        """Carry the objects on, slice by slice.

        Parameters
        ----------
        done : int
            Slices that an earlier sweep has taken, to go on from there.
        alive : mapping of int to Held, optional
            What it gave for the last of them.

        Yields
        ------
        z : int
            Slice index.
        carried : dict of int to Held
            Objects that were carried there. Those between clicked slices have logits all around
            the mask, as `between` needs them; the others are cut to the mask.
        """
        tracks = self._tracks_at(self._slices[done - 1], alive or {}) if done else []
        for z in self._slices[done:]:
            going = [track for track in tracks if z not in self._anchors[track.object_id]]
            carried = sorted(self._carried(z, going), key=lambda pair: pair[0].object_id)
            yield z, {track.object_id: now for track, now in carried}
            tracks = [
                Track(track.object_id, track.start, now.cropped, track.carrier, track.in_gap)
                for track, now in carried
            ]
            tracks += self._beginning_at(z)

    def _carried(self, z: int, going: list[Track]) -> Iterator[tuple[Track, Held]]:
        """Objects that are there in a slice."""

        def work(track: Track | None) -> Carried | None:
            if track is not None:
                return self._step(track, z)
            self._encode_ahead(z + self._sign, going)
            return None

        # neighbours one after the other: a large slice's tiles may not stay in the cache
        ordered: list[Track | None] = [*sorted(going, key=self._place)]
        if going and z != self._slices[-1]:
            ordered.insert(0, None)
        for found in self._share(work, ordered):
            if found is not None and found[1] is not None:
                yield found[0], found[1]

    def _place(self, track: Track) -> tuple[int, ...]:
        """Level, and tile of the slice; then the object's number."""
        scale, box = track.carrier.scale, track.last.box
        rows, cols = self._predictor.embedder.layout(self._source, scale).core
        row, col = (box.r0 + box.r1) // 2 // scale.pixels, (box.c0 + box.c1) // 2 // scale.pixels
        return scale.cell, scale.pixels, row // rows, col // cols, track.object_id

    def _encode_ahead(self, z: int, going: list[Track]) -> None:
        """Encode a slice that most of the objects will reach, if it is a single tile."""
        embedder, source = self._predictor.embedder, self._source
        for scale in {track.carrier.scale for track in going}:
            if embedder.layout(source, scale).halo == 0:
                # memory that is short is found by those who need it, too, and they know what to do
                with suppress(RuntimeError, MemoryError):
                    embedder.encode_slice(source, z, scale)

    def _step(self, track: Track, z: int) -> Carried:
        now = track.carrier.step(track.last, z)
        if now is None or self._stop.ends(track.start, track.last, now):
            return track, None
        now = self._correct(track.object_id, now)
        if now is None:
            return track, None
        if track.in_gap:
            return track, Held(z, now.box, now.mask, now.logits, now.touched, now.sureness)
        return track, now.cropped

    def _tracks_at(self, z: int, alive: Mapping[int, Held]) -> list[Track]:
        """Objects that are under way after a slice."""
        tracks = self._beginning_at(z)
        for object_id, last in alive.items():
            behind = [at for at in self._anchors[object_id] if self._sign * (z - at) > 0]
            start = max(behind, key=lambda at: self._sign * at)
            tracks.append(self._track(object_id, start, last.cropped))
        return tracks

    def _beginning_at(self, z: int) -> list[Track]:
        return [
            self._track(object_id, z, of_object[z].held)
            for object_id, of_object in self._anchors.items()
            if z in of_object
        ]

    def _track(self, object_id: int, start: int, last: Held) -> Track:
        of_object = self._anchors[object_id]
        ahead = [z for z in of_object if self._sign * (z - start) > 0]
        seen = [of_object[start].appearance]
        if ahead:
            nearest = min(ahead, key=lambda at: self._sign * at)
            seen.append(of_object[nearest].appearance)
        carrier = Carrier(self._source, self._predictor, seen)
        return Track(object_id, of_object[start].held, last, carrier, bool(ahead))


def between(
    z: int, up: Held | None, down: Held | None, of_object: Mapping[int, Anchor]
) -> Held | None:
    """An object in a slice, from what the two sweeps say.

    Parameters
    ----------
    z : int
        Slice index, not one of a clicked slice.
    up, down : Held or None
        Of the sweeps that came from smaller and from larger slice indices.
    of_object : mapping of int to Anchor
        Its clicked slices, of the same volume.
    """
    if up is None or down is None:
        return up if down is None else down
    low = max(at for at in of_object if at < z)
    high = min(at for at in of_object if at > z)
    share = (high - z) / (high - low)
    return joined(up, down, share, of_object[high].appearance.threshold)
