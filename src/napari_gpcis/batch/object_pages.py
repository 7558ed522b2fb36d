"""Object mode: pages with the outlines of what was clicked in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.batch.outputs import Page
from napari_gpcis.engine.document.annotation import Question
from napari_gpcis.engine.document.history import State
from napari_gpcis.engine.geometry import Box, equivalent_diameter, found_in, paste
from napari_gpcis.engine.prompts import says_where
from napari_gpcis.io.labels.encode import encode_page
from napari_gpcis.io.labels.object_table import ObjectInSlice
from napari_gpcis.io.labels.writer import label_dtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_gpcis.batch.run import Run
    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.segmenter import ImageSegmenter

__all__ = [
    "Outline",
    "SliceOfObjects",
    "answer",
    "by_object",
    "estimate_diameter",
    "find_diameter",
    "object_page",
    "object_pages",
]

_ENOUGH_OBJECTS = 30
_SMALLEST_DIAMETER = 4.0
_SAME_SCALE = math.sqrt(2)


def find_diameter(run: Run) -> None:
    """Estimate the objects' diameter in the most clicked slice, unless it was given."""
    if run.diameter is None:
        run.on_progress("looking at the objects' size", 0, 1)
        segmenter, objects = run.segmenter, by_object(run.clicks_of[run.most_clicked])
        run.diameter = run.threads.run(lambda: estimate_diameter(segmenter, objects))
        segmenter.given_diameter = run.diameter


def object_pages(run: Run, slices: Sequence[int]) -> Iterator[Page]:
    """Labels of some slices, in their order; a slice without clicks stays empty."""
    find_diameter(run)
    work = ((z, own) for z in slices for own in _objects_of(run, z) or [()])
    outlines = run.threads.map(lambda item: (item[0], _outline(run, item[1])), work)
    for z, found in groupby(outlines, key=lambda item: item[0]):
        yield object_page(run, z, [outline for _, outline in found if outline is not None])


def object_page(run: Run, z: int, outlines: Iterable[Outline]) -> Page:
    """Page of the outlines of a slice."""
    labels = SliceOfObjects(run.shape, outlines, run.clicks_of.get(z, ()))
    return Page(z, encode_page(labels, label_dtype(run.highest)), tuple(labels.objects(z)))


def _objects_of(run: Run, z: int) -> list[tuple[Click, ...]]:
    """Clicks of each object of a slice."""
    return list(by_object(run.clicks_of.get(z, ())).values())


def _outline(run: Run, clicks: tuple[Click, ...]) -> Outline | None:
    return Outline.of(answer(run.segmenter, clicks)) if clicks else None


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """An object in a slice.

    Attributes
    ----------
    object_id : int
    box : Box
        Bounding box of the mask, in image pixels.
    mask : bool, shape of `box`
    probability : float32, shape of `box`
    clicked : bool
        True if the object was clicked in this slice.
    """

    object_id: int
    box: Box
    mask: NDArray[np.bool_]
    probability: NDArray[np.float32]
    clicked: bool

    @classmethod
    def of(cls, result: Result) -> Outline:
        """Keep the part of a result that a page needs."""
        box = found_in(result.box_mask, result.box) or Box(0, 0, 0, 0)
        return cls(
            result.request.object_id,
            box,
            paste(result.box_mask, result.box, box),
            paste(result.box_probability, result.box, box),
            clicked=True,
        )


class SliceOfObjects:
    """Labels of a slice, computed where they are read.

    Where two objects claim a pixel, the one with the higher probability gets it, so the order of
    the objects does not matter. A pixel that was clicked for an object belongs to that object, one
    that was clicked as not belonging to it does not.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    outlines : iterable of Outline
    clicks : sequence of Click
        The user's, in this slice.
    """

    def __init__(
        self, shape: tuple[int, int], outlines: Iterable[Outline], clicks: Sequence[Click]
    ) -> None:
        self.shape = shape
        self._outlines = sorted(outlines, key=lambda outline: outline.object_id)
        # positive ones last: another object may have the pixel
        self._clicks = sorted(clicks, key=lambda click: click.positive)

    def __getitem__(self, key: tuple[slice, slice]) -> NDArray[np.uint32]:
        """Object ids in some rows and columns, 0 for background."""
        (r0, r1, down), (c0, c1, right) = (
            part.indices(size) for part, size in zip(key, self.shape, strict=True)
        )
        return self._in(Box(r0, c0, max(r0, r1), max(c0, c1)))[::down, ::right]

    def objects(self, z: int) -> list[ObjectInSlice]:
        """Objects of the slice, without the pixels that others won."""
        return [
            found for outline in self._outlines if (found := self._measured(outline, z)) is not None
        ]

    def _in(self, box: Box) -> NDArray[np.uint32]:
        labels = np.zeros(box.shape, np.uint32)
        best = np.zeros(box.shape, np.float32)
        for outline in self._outlines:
            shared = outline.box.intersect(box)
            if shared.empty:
                continue
            there, here = shared.within(outline.box).slices, shared.within(box).slices
            probability = outline.probability[there]
            wins = outline.mask[there] & (probability > best[here])
            labels[here][wins] = outline.object_id
            best[here][wins] = probability[wins]
        for click in self._clicks:
            if box.holds(click.row, click.col):
                place = click.row - box.r0, click.col - box.c0
                if click.positive:
                    labels[place] = click.object_id
                elif labels[place] == click.object_id:
                    labels[place] = 0
        return labels

    def _measured(self, outline: Outline, z: int) -> ObjectInSlice | None:
        places = np.argwhere(self._in(outline.box) == outline.object_id)
        if not len(places):
            return None
        row, col = (float(middle) for middle in places.mean(0) + outline.box[:2])
        confidence = outline.probability[places[:, 0], places[:, 1]].mean(dtype=np.float64)
        return ObjectInSlice(
            outline.object_id, z, len(places), row, col, float(confidence), outline.clicked
        )


def by_object(clicks: Iterable[Click]) -> dict[int, tuple[Click, ...]]:
    """Clicks of each object that has a positive one, or a box, by id.

    Of two clicks of an object on one pixel, the later one counts.
    """
    objects: dict[int, dict[tuple[int, int, int], Click]] = {}
    for click in clicks:
        own = objects.setdefault(click.object_id, {})
        own.pop(click.place, None)
        own[click.place] = click
    return {
        object_id: tuple(own.values())
        for object_id, own in sorted(objects.items())
        if any(says_where(click) for click in own.values())
    }


def answer(segmenter: ImageSegmenter, clicks: tuple[Click, ...]) -> Result:
    """Result for an object's clicks in one slice, made one after the other."""
    first = clicks[0]
    return segmenter.answer(Question(State(clicks=clicks), first.object_id, first.z))


def estimate_diameter(
    segmenter: ImageSegmenter, objects: Mapping[int, tuple[Click, ...]]
) -> float | None:
    """Median diameter of the clicked objects of a slice, in pixels; None without objects.

    The first estimate is at the model's own scale; if it finds objects of quite another size, a
    second one at their scale decides. The segmenter keeps the scale of the last estimate.
    """
    chosen = list(objects.values())[:_ENOUGH_OBJECTS]
    diameter: float | None = None
    for _ in range(2 if chosen else 0):
        segmenter.given_diameter = diameter
        areas = [int(answer(segmenter, own).box_mask.sum()) for own in chosen]
        seen = max(equivalent_diameter(float(np.median(areas))), _SMALLEST_DIAMETER)
        if diameter is not None and max(seen / diameter, diameter / seen) < _SAME_SCALE:
            break
        diameter = seen
    return diameter
