"""Object mode with propagation: from the clicked slices up and down, then page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_gpcis.batch.object_pages import find_diameter, object_page
from napari_gpcis.batch.outlines import Outline, answer, by_object
from napari_gpcis.batch.records import pack_anchors, pack_held, unpack_anchors, unpack_held
from napari_gpcis.engine.document.annotation import Question
from napari_gpcis.engine.document.history import State, StoredMask
from napari_gpcis.engine.masks import sigmoid
from napari_gpcis.engine.propagation.slice_mask import SliceMask
from napari_gpcis.engine.propagation.sweep import ClickedSlice, Sweep, between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from napari_gpcis.batch.checkpoint import WorkFolder
    from napari_gpcis.batch.page import Page
    from napari_gpcis.batch.run import Run
    from napari_gpcis.batch.spool import Spool
    from napari_gpcis.engine.click import Click

    Anchors: TypeAlias = dict[int, dict[int, ClickedSlice]]

__all__ = ["propagated_pages"]


def propagated_pages(run: Run, slices: Sequence[int], work: WorkFolder) -> Iterator[Page]:
    """Labels of some slices, in their order, of objects that were clicked in some of all.

    What the sweeps find is kept in spools, because a page is known only when both have passed it.
    """
    find_diameter(run)
    anchors = _anchors(run, work.spool("clicked"))
    up, down = work.spool("up"), work.spool("down")
    for volume in sorted({run.image.volume_of(z) for z in run.clicks_of}, key=lambda v: v.start):
        _sweep(run, anchors, volume, down, is_up=False)
        _sweep(run, anchors, volume, up, is_up=True)
    for z in slices:
        run.crew.check()
        yield object_page(run, z, _outlines(run, z, anchors, up, down))


def _anchors(run: Run, spool: Spool) -> Anchors:
    """What is known of each object in each slice where it was clicked."""
    anchors: Anchors = {}
    for done, z in enumerate(sorted(run.clicks_of)):
        run.tell("looking at the clicked slices", done, len(run.clicks_of))
        if z in spool:
            found = unpack_anchors(spool[z])
        else:
            objects = by_object(run.clicks_of[z]).values()
            clicked = run.crew.map(lambda clicks: _anchor(run, clicks), objects)
            found = {
                anchor.appearance.object_id: anchor for anchor in clicked if anchor is not None
            }
            spool.append(z, pack_anchors(found))
        for object_id, anchor in found.items():
            anchors.setdefault(object_id, {})[z] = anchor
    return anchors


def _anchor(run: Run, clicks: tuple[Click, ...]) -> ClickedSlice | None:
    return ClickedSlice.of(answer(run.segmenter, clicks))


def _sweep(run: Run, anchors: Anchors, volume: range, spool: Spool, *, is_up: bool) -> None:
    """Carry the objects of a volume one way, from where an earlier run came to."""
    sweep = Sweep(
        run.segmenter.source,
        run.segmenter.predictor,
        anchors,
        volume,
        up=is_up,
        share=run.crew.map,
        correct=_Corrections(run),
    )
    slices = volume if is_up else volume[::-1]
    done = next((count for count, z in enumerate(slices) if z not in spool), len(slices))
    alive = unpack_held(spool[slices[done - 1]]) if done else {}
    stage = "carrying upwards" if is_up else "carrying downwards"
    for count, (z, carried) in enumerate(sweep.steps(done, alive), start=done + 1):
        run.crew.check()
        spool.append(z, pack_held(carried))
        run.tell(stage, count, len(slices))


def _outlines(run: Run, z: int, anchors: Anchors, up: Spool, down: Spool) -> list[Outline]:
    volume = run.image.volume_of(z)
    temperature = run.segmenter.predictor.network.config.temperature
    above, below = (unpack_held(spool[z]) if z in spool else {} for spool in (up, down))
    outlines = []
    for object_id, of_object in anchors.items():
        here = {at: anchor for at, anchor in of_object.items() if at in volume}
        if z in here:
            outlines.append(_outline(object_id, here[z].mask, temperature, clicked=True))
            continue
        found = between(z, above.get(object_id), below.get(object_id), here)
        if found is not None:
            # the bounds of what is carried are those of uncalibrated logits, and so is its trust
            clicked = any(click.object_id == object_id for click in run.clicks_of.get(z, ()))
            outlines.append(_outline(object_id, found.cropped, 1.0, clicked=clicked))
    return outlines


def _outline(object_id: int, found: SliceMask, temperature: float, *, clicked: bool) -> Outline:
    probability = sigmoid(found.logits / temperature)
    return Outline(object_id, found.box, found.mask, probability, clicked)


class _Corrections:
    """Clicks that say only where an object is not: they correct what was carried there.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self._segmenter = run.segmenter
        self._clicks: dict[tuple[int, int], tuple[Click, ...]] = {}
        for z, clicks in run.clicks_of.items():
            for object_id in {click.object_id for click in clicks} - by_object(clicks).keys():
                own = tuple(click for click in clicks if click.object_id == object_id)
                self._clicks[object_id, z] = own

    def __call__(self, object_id: int, carried: SliceMask) -> SliceMask | None:
        clicks = self._clicks.get((object_id, carried.z))
        if clicks is None:
            return carried
        seed = StoredMask(*carried.tight)
        question = Question(State(clicks=clicks), object_id, carried.z, None, seed)
        result = self._segmenter.answer(question)
        return SliceMask.of(result) if result.box_mask.any() else None
