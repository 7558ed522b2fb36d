"""Object mode without clicks on every object: pages with all that is like the examples.

First each slice is searched by itself, and what was found is stored. Then pages are made in their
order, as an object has the number that it had in the slice before.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.batch.examples import read_examples
from napari_gpcis.batch.object_pages import Outline, answer, by_object, find_diameter, object_page
from napari_gpcis.batch.run import SMALLEST_FOUND
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.proposals.examples import LabelledObject, learn
from napari_gpcis.engine.proposals.linking import partners
from napari_gpcis.engine.proposals.proposal import Proposal
from napari_gpcis.engine.proposals.proposer import Proposer
from napari_gpcis.io.errors import ClicksFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_gpcis.batch.checkpoint import JobCheckpoint, PageStore
    from napari_gpcis.batch.outputs import Page
    from napari_gpcis.batch.run import Run
    from napari_gpcis.engine.proposals.examples import Examples

__all__ = ["found_pages", "pack_found", "unpack_found"]

_LENGTH = struct.Struct("<Q")


def found_pages(run: Run, slices: Sequence[int], checkpoint: JobCheckpoint) -> Iterator[Page]:
    """Labels of some slices, in their order, of clicked objects and of all that are like them."""
    clicked = _clicked(run)
    store = checkpoint.store("found")
    _search(run, clicked, store)
    wanted = {*slices}
    for z, outlines in _numbered(run, clicked, store):
        if z in wanted:
            run.threads.check()
            yield object_page(run, z, outlines)


def _clicked(run: Run) -> dict[int, list[Outline]]:
    """Outlines of the clicked objects by slice."""
    find_diameter(run)
    work = [(z, own) for z in sorted(run.clicks_of) for own in by_object(run.clicks_of[z]).values()]
    outlines = run.threads.map(
        lambda item: (item[0], Outline.of(answer(run.segmenter, item[1]))), work
    )
    clicked: dict[int, list[Outline]] = {}
    for z, outline in outlines:
        if outline.mask.any():
            clicked.setdefault(z, []).append(outline)
    return clicked


def _examples(run: Run, clicked: Mapping[int, Sequence[Outline]]) -> Examples:
    segmenter = run.segmenter
    if run.job.has_examples:
        return read_examples(run.job.clicks, run.job.options, segmenter.predictor)
    objects = [
        LabelledObject(z, outline.box, outline.mask)
        for z, outlines in clicked.items()
        for outline in outlines
    ]
    if not objects:
        raise ClicksFileError(
            f"{run.job.clicks} gives no object to use as an example; click inside objects"
        )
    return learn(objects, (), segmenter, segmenter.given_diameter)


def _search(run: Run, clicked: Mapping[int, Sequence[Outline]], store: PageStore) -> None:
    """Search the slices that are not in the store."""
    left = [z for z in range(run.image.slices) if z not in store]
    if not left:
        return
    segmenter = run.segmenter
    examples = run.threads.run(lambda: _examples(run, clicked))
    run.diameter = run.diameter or examples.diameter
    proposer = Proposer(segmenter.source, segmenter.predictor, examples)

    def found(z: int) -> bytes:
        taken = np.zeros(run.shape, np.bool_)
        for outline in clicked.get(z, ()):
            taken[outline.box.slices] |= outline.mask
        least = run.job.options.min_score
        proposals = []
        for proposal in proposer.propose(z, taken):
            run.threads.check()
            if proposal.score >= least and proposal.area >= SMALLEST_FOUND:
                proposals.append(proposal)
        return pack_found(proposals)

    done = run.image.slices - len(left)
    for z, content in zip(left, run.threads.map(found, left), strict=True):
        store.append(z, content)
        done += 1
        run.on_progress("finding objects", done, run.image.slices)


def _numbered(
    run: Run, clicked: Mapping[int, Sequence[Outline]], store: PageStore
) -> Iterator[tuple[int, list[Outline]]]:
    """Outlines of all slices, those of an object under one number."""
    following = max([0, *(click.object_id for click in run.clicks)]) + 1
    below: list[tuple[int, Proposal]] = []
    for z in range(run.image.slices):
        if z == run.image.volume_of(z).start:
            below = []
        outlines = list(clicked.get(z, ()))
        here = [(outline.object_id, _as_proposal(z, outline)) for outline in outlines]
        known = {number for number, _ in here}
        before = [(number, part) for number, part in below if number not in known]
        found = unpack_found(store[z])
        joined = partners([part for _, part in before], found)
        for index, proposal in enumerate(found):
            number = before[joined[index]][0] if index in joined else following
            following += index not in joined
            here.append((number, proposal))
            score = np.full(proposal.mask.shape, proposal.score, np.float32)
            outlines.append(
                Outline(number, proposal.box, proposal.mask, score, False, proposal.score)
            )
        below = here
        yield z, outlines


def _as_proposal(z: int, outline: Outline) -> Proposal:
    click = Click(z, outline.box.r0, outline.box.c0)
    return Proposal(z, outline.box, outline.mask, 1.0, click)


def pack_found(proposals: Sequence[Proposal]) -> bytes:
    """Write proposals of one slice as bytes; `unpack_found` reads them, to the last bit."""
    head = json.dumps(
        [
            [
                *proposal.box,
                proposal.score,
                proposal.click.z,
                proposal.click.row,
                proposal.click.col,
            ]
            for proposal in proposals
        ]
    ).encode()
    masks = b"".join(np.packbits(proposal.mask).tobytes() for proposal in proposals)
    return _LENGTH.pack(len(head)) + head + masks


def unpack_found(content: bytes) -> list[Proposal]:
    """Read the proposals of one slice from bytes."""
    (length,) = _LENGTH.unpack_from(content)
    start = _LENGTH.size + length
    proposals = []
    for *edges, score, z, row, col in json.loads(content[_LENGTH.size : start]):
        box = Box(*edges)
        size = box.shape[0] * box.shape[1]
        stop = start + -(-size // 8)
        bits = np.frombuffer(content[start:stop], np.uint8)
        mask = np.unpackbits(bits, count=size).view(np.bool_).reshape(box.shape)
        proposals.append(Proposal(z, box, mask, score, Click(z, row, col)))
        start = stop
    return proposals
