"""Objects carried through a stack together, slice by slice, so that each slice is encoded once.

All objects go from one slice to the next, once upwards and once downwards; what both ways say of
a slice between two clicked ones is joined afterwards. `propagate` is a sweep of one object.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_gpcis.engine.propagation.slice_mask import SliceMask, joined, keep_apart
from napari_gpcis.engine.propagation.step import Appearance, PropagationStep
from napari_gpcis.engine.propagation.stop_rule import StopRule

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from typing import TypeAlias

    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.predictor import Predictor
    from napari_gpcis.engine.result import Result

    Clicked: TypeAlias = Mapping[int, Mapping[int, "ClickedSlice"]]
    Found: TypeAlias = tuple["ObjectTrack", SliceMask | None]
    Work: TypeAlias = Callable[["ObjectTrack | None"], Found | None]
    Share: TypeAlias = Callable[[Work, Iterable["ObjectTrack | None"]], Iterator[Found | None]]
    Correct: TypeAlias = Callable[[int, SliceMask], SliceMask | None]


@dataclass(frozen=True, slots=True, eq=False)
class ClickedSlice:
    """An object in a slice that was clicked: all that its propagation starts from.

    Attributes
    ----------
    mask : SliceMask
        The object, cut to its mask.
    appearance : Appearance
        Pixels of the object and around it.
    """

    mask: SliceMask
    appearance: Appearance

    @classmethod
    def of(cls, answer: Result) -> ClickedSlice | None:
        """Take it from an answer, which may go then; None if that has no mask."""
        if not answer.box_mask.any():
            return None
        return cls(SliceMask.of(answer).cropped, Appearance.of(answer))


@dataclass(frozen=True, slots=True, eq=False)
class ObjectTrack:
    """An object under way.

    Attributes
    ----------
    object_id : int
        Number of the object.
    start, last : SliceMask
        The object in the clicked slice where it began, and in the last slice.
    step : PropagationStep
        Carries the object on.
    in_gap : bool
        Whether another clicked slice is ahead.
    """

    object_id: int
    start: SliceMask
    last: SliceMask
    step: PropagationStep
    in_gap: bool


class Sweep:
    """One way through the slices, with all objects.

    Parameters
    ----------
    source : ImageSource
        The image.
    predictor : Predictor
        Answers requests of both modes.
    clicked : mapping of int to mapping of int to ClickedSlice
        Object → clicked slice → the object there.
    within : range
        Slices that follow one another, ascending: a stack, or a volume of a time series.
    up : bool
        Whether the sweep goes towards larger slice indices.
    stop : StopRule, optional
        Rule by which an object has ended.
    absent : mapping of int to collection of int, optional
        Object → slices in which it is known not to be; it ends before them.
    share : callable
        A function like `map`; may share the objects of a slice among threads.
    correct : callable
        Takes an object and the mask that was carried; gives the mask that holds instead, or None.
    encode_ahead : bool
        Whether a slice is encoded while the objects of the one before are carried, which pays
        where `share` has threads.
    """

    def __init__(
        self,
        source: ImageSource,
        predictor: Predictor,
        clicked: Clicked,
        within: range,
        *,
        up: bool,
        stop: StopRule | None = None,
        absent: Mapping[int, Collection[int]] | None = None,
        share: Share = map,
        correct: Correct = lambda object_id, mask: mask,
        encode_ahead: bool = True,
    ) -> None:
        self._source = source
        self._predictor = predictor
        self._slices = within if up else within[::-1]
        self._sign = 1 if up else -1
        self._stop = stop or StopRule()
        self._absent = absent or {}
        self._share = share
        self._correct = correct
        self._ahead = encode_ahead
        self._clicked = {
            object_id: {z: there for z, there in of_object.items() if z in within}
            for object_id, of_object in clicked.items()
        }

    def steps(
        self, done: int = 0, alive: Mapping[int, SliceMask] | None = None
    ) -> Iterator[tuple[int, dict[int, SliceMask]]]:
        """Carry the objects on, slice by slice.

        Parameters
        ----------
        done : int
            Slices that an earlier sweep has taken, to go on from there.
        alive : mapping of int to SliceMask, optional
            Masks that it gave for the last of them.

        Yields
        ------
        z : int
            Slice index.
        carried : dict of int to SliceMask
            Objects that were carried there. Those between clicked slices have logits all around
            the mask, as `between` needs them; the others are cut to the mask.
        """
        tracks = self._tracks_at(self._slices[done - 1], alive or {}) if done else []
        for z in self._slices[done:]:
            going = [track for track in tracks if self._goes_to(track, z)]
            found = sorted(self._carried(z, going), key=lambda pair: pair[0].object_id)
            apart = keep_apart([now for _, now in found])
            carried = [
                (track, now) for (track, _), now in zip(found, apart, strict=True) if now.mask.any()
            ]
            yield z, {track.object_id: now for track, now in carried}
            tracks = [
                ObjectTrack(track.object_id, track.start, now.cropped, track.step, track.in_gap)
                for track, now in carried
            ]
            tracks += self._beginning_at(z)

    def _goes_to(self, track: ObjectTrack, z: int) -> bool:
        """Tell whether an object is to be looked for in a slice."""
        known = z in self._clicked[track.object_id] or z in self._absent.get(track.object_id, ())
        return not known and self._stop.reaches(track.start.z, z)

    def _carried(self, z: int, going: list[ObjectTrack]) -> Iterator[tuple[ObjectTrack, SliceMask]]:
        """Objects that are there in a slice."""

        def work(track: ObjectTrack | None) -> Found | None:
            if track is not None:
                return track, self._mask(track, z)
            self._encode_ahead(z + self._sign, going)
            return None

        # neighbours one after the other: a large slice's tiles may not stay in the cache
        ordered: list[ObjectTrack | None] = [*sorted(going, key=self._place)]
        if self._ahead and going and z != self._slices[-1]:
            ordered.insert(0, None)
        for found in self._share(work, ordered):
            if found is not None and found[1] is not None:
                yield found[0], found[1]

    def _place(self, track: ObjectTrack) -> tuple[int, ...]:
        """Level, and tile of the slice; then the object's number."""
        scale, box = track.step.scale, track.last.box
        rows, cols = self._predictor.embedder.tile_grid(self._source, scale).core
        row, col = (box.r0 + box.r1) // 2 // scale.pixels, (box.c0 + box.c1) // 2 // scale.pixels
        return scale.cell, scale.pixels, row // rows, col // cols, track.object_id

    def _encode_ahead(self, z: int, going: list[ObjectTrack]) -> None:
        """Encode a slice that most of the objects will reach, if it is a single tile."""
        embedder, source = self._predictor.embedder, self._source
        for scale in {track.step.scale for track in going}:
            if embedder.tile_grid(source, scale).halo == 0:
                # memory that is short is found by those who need it, too, and they know what to do
                with suppress(RuntimeError, MemoryError):
                    embedder.encode_slice(source, z, scale)

    def _mask(self, track: ObjectTrack, z: int) -> SliceMask | None:
        """The object in a slice; None where it has ended."""
        # here, as objects of a slice may be shared among threads
        last = track.step.learn(track.last) if track.last is track.start else track.last
        now = track.step.apply(last, z)
        if now is None or self._stop.ends(track.start, track.last, now):
            return None
        now = self._correct(track.object_id, now)
        return now if now is None or track.in_gap else now.cropped

    def _tracks_at(self, z: int, alive: Mapping[int, SliceMask]) -> list[ObjectTrack]:
        """Objects that are under way after a slice."""
        tracks = self._beginning_at(z)
        for object_id, last in alive.items():
            behind = [at for at in self._clicked[object_id] if self._sign * (z - at) > 0]
            start = max(behind, key=lambda at: self._sign * at)
            tracks.append(self._track(object_id, start, last.cropped))
        return tracks

    def _beginning_at(self, z: int) -> list[ObjectTrack]:
        return [
            self._track(object_id, z, of_object[z].mask)
            for object_id, of_object in self._clicked.items()
            if z in of_object
        ]

    def _track(self, object_id: int, start: int, last: SliceMask) -> ObjectTrack:
        of_object = self._clicked[object_id]
        ahead = [z for z in of_object if self._sign * (z - start) > 0]
        seen = [of_object[start].appearance]
        if ahead:
            nearest = min(ahead, key=lambda at: self._sign * at)
            seen.append(of_object[nearest].appearance)
        step = PropagationStep(self._source, self._predictor, seen)
        return ObjectTrack(object_id, of_object[start].mask, last, step, bool(ahead))


def between(
    z: int,
    up: SliceMask | None,
    down: SliceMask | None,
    clicked: Mapping[int, ClickedSlice],
) -> SliceMask | None:
    """Mask of an object in a slice, from both sweeps.

    Parameters
    ----------
    z : int
        Slice index, not one of a clicked slice.
    up, down : SliceMask or None
        Masks of the sweeps that came from smaller and from larger slice indices.
    clicked : mapping of int to ClickedSlice
        The object's clicked slices, of the same volume.
    """
    if up is None or down is None:
        return up if down is None else down
    low = max(at for at in clicked if at < z)
    high = min(at for at in clicked if at > z)
    share = (high - z) / (high - low)
    return joined(up, down, share, clicked[high].appearance.threshold)
