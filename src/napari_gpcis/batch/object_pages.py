"""Object mode: pages with the outlines of what was clicked in them."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from napari_gpcis.batch.outlines import (
    Outline,
    SliceOfObjects,
    answer,
    by_object,
    estimate_diameter,
)
from napari_gpcis.batch.page import Page
from napari_gpcis.io.labels.encode import encode_page
from napari_gpcis.io.labels.writer import label_dtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_gpcis.batch.run import Run
    from napari_gpcis.engine.click import Click

__all__ = ["find_diameter", "object_page", "object_pages"]


def find_diameter(run: Run) -> None:
    """Set the objects' diameter, if it was not given, to that of the most clicked slice's."""
    if run.diameter is None:
        run.tell("looking at the objects' size", 0, 1)
        segmenter, objects = run.segmenter, by_object(run.clicks_of[run.most_clicked])
        run.diameter = run.crew.run(lambda: estimate_diameter(segmenter, objects))
        segmenter.given_diameter = run.diameter


def object_pages(run: Run, slices: Sequence[int]) -> Iterator[Page]:
    """Labels of some slices, in their order; a slice without clicks stays empty."""
    find_diameter(run)
    work = ((z, own) for z in slices for own in _objects_of(run, z) or [()])
    outlines = run.crew.map(lambda item: (item[0], _outline(run, item[1])), work)
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
