"""Object mode with propagation: from the clicked slices up and down, then page by page."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.batch.object_pages import (
    Outline,
    answer,
    by_object,
    find_diameter,
    object_page,
)
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.annotation import Question
from napari_gpcis.engine.document.history import State, StoredMask
from napari_gpcis.engine.geometry import Box, Scale
from napari_gpcis.engine.masks import sigmoid
from napari_gpcis.engine.propagation.slice_mask import Residual, SliceMask
from napari_gpcis.engine.propagation.step import Appearance
from napari_gpcis.engine.propagation.sweep import ClickedSlice, Sweep, between

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    from napari_gpcis.batch.checkpoint import JobCheckpoint, PageStore
    from napari_gpcis.batch.outputs import Page
    from napari_gpcis.batch.run import Run

    Anchors: TypeAlias = dict[int, dict[int, ClickedSlice]]

__all__ = ["pack_anchors", "pack_held", "propagated_pages", "unpack_anchors", "unpack_held"]

_LENGTH = struct.Struct("<Q")


def propagated_pages(run: Run, slices: Sequence[int], checkpoint: JobCheckpoint) -> Iterator[Page]:
    """Labels of some slices, in their order, of objects that may be clicked in others.

    Findings of the sweeps are stored, as a page is known only when both have passed it.
    """
    find_diameter(run)
    anchors = _anchors(run, checkpoint.store("clicked"))
    up, down = checkpoint.store("up"), checkpoint.store("down")
    for volume in sorted({run.image.volume_of(z) for z in run.clicks_of}, key=lambda v: v.start):
        _sweep(run, anchors, volume, down, is_up=False)
        _sweep(run, anchors, volume, up, is_up=True)
    for z in slices:
        run.threads.check()
        yield object_page(run, z, _outlines(run, z, anchors, up, down))


def _anchors(run: Run, store: PageStore) -> Anchors:
    """Anchors of each object in the slices where it was clicked."""
    anchors: Anchors = {}
    for done, z in enumerate(sorted(run.clicks_of)):
        run.on_progress("looking at the clicked slices", done, len(run.clicks_of))
        if z in store:
            found = unpack_anchors(store[z])
        else:
            objects = by_object(run.clicks_of[z]).values()
            clicked = run.threads.map(lambda clicks: _anchor(run, clicks), objects)
            found = {
                anchor.appearance.object_id: anchor for anchor in clicked if anchor is not None
            }
            store.append(z, pack_anchors(found))
        for object_id, anchor in found.items():
            anchors.setdefault(object_id, {})[z] = anchor
    return anchors


def _anchor(run: Run, clicks: tuple[Click, ...]) -> ClickedSlice | None:
    return ClickedSlice.of(answer(run.segmenter, clicks))


def _sweep(run: Run, anchors: Anchors, volume: range, store: PageStore, *, is_up: bool) -> None:
    """Propagate the objects of a volume one way, from where an earlier run stopped."""
    segmenter = run.segmenter
    sweep = Sweep(
        segmenter.source,
        segmenter.predictor,
        anchors,
        volume,
        up=is_up,
        share=run.threads.map,
        correct=_Corrections(run),
    )
    slices = volume if is_up else volume[::-1]
    done = next((count for count, z in enumerate(slices) if z not in store), len(slices))
    alive = unpack_held(store[slices[done - 1]]) if done else {}
    stage = "carrying upwards" if is_up else "carrying downwards"
    for count, (z, carried) in enumerate(sweep.steps(done, alive), start=done + 1):
        run.threads.check()
        store.append(z, pack_held(carried))
        run.on_progress(stage, count, len(slices))


def _outlines(run: Run, z: int, anchors: Anchors, up: PageStore, down: PageStore) -> list[Outline]:
    volume = run.image.volume_of(z)
    temperature = run.segmenter.predictor.network.config.temperature
    above, below = (unpack_held(store[z]) if z in store else {} for store in (up, down))
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
    """Clicks that say only where an object is not, which correct a propagated mask.

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


def pack_held(objects: Mapping[int, SliceMask]) -> bytes:
    """Write objects of one slice as bytes; `unpack_held` reads them, to the last bit."""
    arrays: dict[str, np.ndarray] = {}
    for object_id, found in objects.items():
        arrays |= {
            f"{object_id} place": np.array([found.z, *found.box], np.int64),
            f"{object_id} mask": np.packbits(found.mask),
            f"{object_id} logits": found.logits,
            f"{object_id} sureness": np.array(found.confidence, np.float64),
        }
        if found.residual is not None:
            arrays[f"{object_id} residual place"] = np.array(found.residual.box, np.int64)
            arrays[f"{object_id} residual"] = found.residual.values
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return zlib.compress(content.getvalue(), 1)


def unpack_held(content: bytes) -> dict[int, SliceMask]:
    """Read the objects of one slice from bytes."""
    objects = {}
    with np.load(io.BytesIO(zlib.decompress(content)), allow_pickle=False) as arrays:
        for name in arrays.files:
            if name.endswith(" place") and not name.endswith(" residual place"):
                number = name.removesuffix(" place")
                z, *edges = (int(value) for value in arrays[name])
                box = Box(*edges)
                size = box.shape[0] * box.shape[1]
                mask = np.unpackbits(arrays[f"{number} mask"], count=size).view(np.bool_)
                objects[int(number)] = SliceMask(
                    z,
                    box,
                    mask.reshape(box.shape),
                    arrays[f"{number} logits"],
                    float(arrays[f"{number} sureness"]),
                    _residual(arrays, number),
                )
    return objects


def _residual(arrays: Mapping[str, np.ndarray], number: str) -> Residual | None:
    name = f"{number} residual"
    if name not in arrays:
        return None
    return Residual(Box(*map(int, arrays[f"{name} place"])), arrays[name])


def pack_anchors(anchors: Mapping[int, ClickedSlice]) -> bytes:
    """Write objects of a clicked slice, with their appearance, as bytes."""
    seen = {
        object_id: {
            "scale": [anchor.appearance.scale.cell, anchor.appearance.scale.pixels],
            "level": anchor.appearance.level,
            "threshold": anchor.appearance.threshold,
            "corrected": anchor.appearance.is_corrected,
            "examples": [
                [click.z, click.row, click.col, click.positive]
                for click in anchor.appearance.examples
            ],
        }
        for object_id, anchor in anchors.items()
    }
    head = json.dumps(seen).encode()
    masks = pack_held({object_id: anchor.mask for object_id, anchor in anchors.items()})
    return _LENGTH.pack(len(head)) + head + masks


def unpack_anchors(content: bytes) -> dict[int, ClickedSlice]:
    """Read the objects of a clicked slice from bytes."""
    (length,) = _LENGTH.unpack_from(content)
    masks = unpack_held(content[_LENGTH.size + length :])
    anchors = {}
    for name, seen in json.loads(content[_LENGTH.size : _LENGTH.size + length]).items():
        object_id = int(name)
        examples = tuple(
            Click(z, row, col, positive, object_id) for z, row, col, positive in seen["examples"]
        )
        appearance = Appearance(
            object_id,
            Scale(*seen["scale"]),
            seen["level"],
            seen["threshold"],
            examples,
            seen["corrected"],
        )
        anchors[object_id] = ClickedSlice(masks[object_id], appearance)
    return anchors
