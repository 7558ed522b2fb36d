"""Class mode: pages from a GP that is conditioned once on all clicks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_gpcis.batch.outputs import Page
from napari_gpcis.engine.class_map import ClassMap
from napari_gpcis.io.labels.encode import encode_page
from napari_gpcis.io.labels.writer import label_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_gpcis.batch.run import Run
    from napari_gpcis.batch.threads import WorkerThreads

__all__ = ["ClassPages"]


class ClassPages:
    """Classes of any slices of a stack.

    Parameters
    ----------
    run : Run
        A run in class mode.
    """

    def __init__(self, run: Run) -> None:
        run.on_progress("learning the classes", 0, 1)
        segmenter = run.segmenter
        scale = segmenter.scale(run.diameter)
        self._map = run.threads.run(
            lambda: ClassMap(segmenter.predictor.embedder, segmenter.source, scale, run.clicks)
        )
        self._dtype = label_dtype(run.highest)

    def make(self, slices: Sequence[int], threads: WorkerThreads) -> Iterator[Page]:
        """Pages of some slices, in their order.

        Threads share the pages or, where a page has many tiles, its tiles.
        """
        if self._map.tiles_per_slice < threads.count:
            yield from threads.map(
                lambda z: Page(z, encode_page(self._map.slice(z, threads.check), self._dtype)),
                slices,
            )
            return
        for z in slices:
            labels = self._map.slice(z, threads.check, threads.map)
            yield Page(z, encode_page(labels, self._dtype))
