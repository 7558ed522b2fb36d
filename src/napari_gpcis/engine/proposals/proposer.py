"""Proposes all objects of a slice that are like the examples, tile by tile.

In each tile, the places that look like the insides of the examples are clicked, and each mask is
clicked once more in its middle: two clicks on one object agree. Masks that much speaks for are
proposed at once, best first; pixels that have an owner are not proposed again. The others wait
until the tile is done, and are proposed where they are still free.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box, found_in, paste
from napari_gpcis.engine.masks import depth, keep_clicked_components
from napari_gpcis.engine.proposals.answers import WIDE_WINDOW, WINDOW, answer_clicks
from napari_gpcis.engine.proposals.likeness import Likeness
from napari_gpcis.engine.proposals.proposal import Proposal, evidence, score
from napari_gpcis.engine.proposals.seeds import find_seeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.predictor import Predictor
    from napari_gpcis.engine.proposals.answers import Answer
    from napari_gpcis.engine.proposals.examples import Examples
    from napari_gpcis.engine.types import Array

BATCH = 16
ROUNDS = 2
"""Times that a tile is searched; after the first, only what is left free."""
GOOD = 0.5
"""Score above which a mask is proposed at once."""
LEAST_SCORE = 0.1
LEAST_LEFT = 0.6
"""Part of a mask that others have to leave of it."""
RING = 0.2
"""Width of what is around a mask, by the examples' diameter."""


class Proposer:
    """Finds objects like the examples.

    Parameters
    ----------
    source : ImageSource
        The image, not necessarily that of the examples.
    predictor : Predictor
        Network, device and cache.
    examples : Examples
        What the objects look like.
    """

    def __init__(self, source: ImageSource, predictor: Predictor, examples: Examples) -> None:
        self.source = source
        self.predictor = predictor
        self.examples = examples
        self.scale = examples.scale
        self._likeness = Likeness(predictor.network, examples)

    def likeness_in(self, z: int, tile: Box) -> Array:
        """Likeness at the grid points of a tile, see `Likeness.on_grid`."""
        return self._likeness.on_grid(self.predictor.class_features, self.source, z, tile)

    def propose(
        self,
        z: int,
        taken: Array,
        *,
        place: tuple[int, int] = (0, 0),
        is_stale: Callable[[], bool] = lambda: False,
        on_progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> Iterator[Proposal]:
        """Proposals of a slice, as they are ready.

        Parameters
        ----------
        z : int
            Slice index.
        taken : bool, shape (Y, X)
            Pixels that have an owner.
        place : (row, col)
            Pixel around which to begin.
        is_stale : callable
            Tells whether the rest is not wanted any more; asked between batches.
        on_progress : callable
            Called with the number of tiles done, and of all.
        """
        tile_grid = self.predictor.embedder.tile_grid(self.source, self.scale)
        corner = tuple(position // self.scale.pixels for position in place)
        tiles = sorted(
            tile_grid.tiles(Box(0, 0, *tile_grid.canvas)),
            key=lambda tile: max(
                tile.r0 - corner[0], corner[0] - tile.r1, tile.c0 - corner[1], corner[1] - tile.c1
            ),
        )
        owned = taken.copy()
        for done, tile in enumerate(tiles):
            on_progress(done, len(tiles))
            yield from self._of_tile(z, tile, owned, is_stale)
            if is_stale():
                return
        on_progress(len(tiles), len(tiles))

    def _of_tile(
        self, z: int, tile: Box, owned: Array, is_stale: Callable[[], bool]
    ) -> Iterator[Proposal]:
        """Proposals whose seeds lie in a tile; `owned` takes their pixels."""
        if is_stale():
            return
        view = TileView(self, z, tile)
        waiting: list[Proposal] = []
        tried: set[Click] = set()
        for _ in range(ROUNDS):
            seeds = [seed for seed in view.seeds(owned) if seed not in tried]
            tried.update(seeds)
            for first in range(0, len(seeds), BATCH):
                if is_stale():
                    return
                some = seeds[first : first + BATCH]
                free = [seed for seed in some if not owned[seed.row, seed.col]]
                found = view.proposals(free)
                waiting += [item for item in found if LEAST_SCORE < item.score < GOOD]
                yield from placed([item for item in found if item.score >= GOOD], owned)
        yield from placed(waiting, owned)


class TileView:
    """A tile of a slice, seen with the examples in mind.

    Parameters
    ----------
    proposer : Proposer
        Brings image, network and examples.
    z : int
        Slice index.
    tile : Box
        Tile in cells.
    """

    def __init__(self, proposer: Proposer, z: int, tile: Box) -> None:
        self._source, self._predictor = proposer.source, proposer.predictor
        self._examples, self._scale = proposer.examples, proposer.scale
        self._z = z
        self._box = tile.times(self._scale.pixels).clip(self._source.shape[1:])
        self._pixels = self._predictor.network.grid_stride / self._scale.factor
        """Image pixels between points of the grid."""
        self._likeness = self._predictor.with_less_memory(lambda: proposer.likeness_in(z, tile))

    def seeds(self, owned: Array) -> list[Click]:
        """Clicks on the middles of what looks like the examples and has no owner."""
        taken = cv2.resize(
            owned[self._box.slices].astype(np.float32),
            self._likeness.shape[::-1],
            interpolation=cv2.INTER_AREA,
        )
        places = find_seeds(self._likeness * (1 - taken), self._examples.diameter / self._pixels)
        corner, end = np.array(self._box[:2]), np.array(self._box[2:])
        pixels = corner + (np.array(places).reshape(-1, 2) + 0.5) * self._pixels
        return [
            Click(self._z, *place) for place in np.minimum(pixels.astype(int), end - 1).tolist()
        ]

    def proposals(self, seeds: Sequence[Click]) -> list[Proposal]:
        """Proposals that clicks lead to, in any order and however they overlap."""
        first = [answer for answer in self._answers(seeds) if answer is not None]
        second = self._answers([answer.middle for answer in first])
        return [
            self._judged(answer, before)
            for before, answer in zip(first, second, strict=True)
            if answer is not None
        ]

    def _answers(self, clicks: Sequence[Click]) -> list[Answer | None]:
        """Answers to clicks, in a wider window for what would be cut off."""
        found = self._answered(clicks, WINDOW)
        wide = [number for number, answer in enumerate(found) if answer and answer.is_cut]
        again = self._answered([clicks[number] for number in wide], WIDE_WINDOW)
        for number, answer in zip(wide, again, strict=True):
            found[number] = answer
        return found

    def _answered(self, clicks: Sequence[Click], side: int) -> list[Answer | None]:
        embedder = self._predictor.embedder
        return self._predictor.with_less_memory(
            lambda: answer_clicks(embedder, self._source, self._scale, clicks, side)
        )

    def _judged(self, answer: Answer, before: Answer) -> Proposal:
        """Proposal with its score."""
        width = math.ceil(RING * self._examples.diameter)
        box = answer.box.grow(width).clip(self._source.shape[1:])
        mask = paste(answer.mask, answer.box, box)
        distance = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        rows, cols = (
            (((np.arange(low, high) - first + 0.5) / self._pixels).astype(int)).clip(0, count - 1)
            for low, high, first, count in zip(
                box[:2], box[2:], self._box[:2], self._likeness.shape, strict=True
            )
        )
        likeness = self._likeness[np.ix_(rows, cols)]
        around = likeness[(distance > 0) & (distance <= width)]
        seen = evidence(answer, before, likeness[mask], around, self._examples)
        return Proposal(self._z, answer.box, answer.mask, score(seen), answer.click)


def placed(proposals: Sequence[Proposal], owned: Array) -> Iterator[Proposal]:
    """Give each pixel to the best proposal that wants it, and leave out those that lose too much.

    Parameters
    ----------
    proposals : sequence of Proposal
        Of one slice, in any order.
    owned : bool, shape (Y, X)
        Pixels that have an owner; those of the proposals are added.
    """
    for proposal in sorted(proposals, key=lambda item: -item.score):
        rest = _rest(proposal, owned[proposal.box.slices])
        if rest is not None:
            owned[rest.box.slices] |= rest.mask
            yield rest


def _rest(proposal: Proposal, owned: Array) -> Proposal | None:
    """What others leave of one: its largest piece, for a lower score; None if too little."""
    free = proposal.mask & ~owned
    if free.sum() == proposal.mask.sum():
        return proposal
    if not free.any():
        return None
    row, col = divmod(int(depth(free).argmax()), free.shape[1])
    free = keep_clicked_components(np.ascontiguousarray(free), [(row, col)])
    share = float(free.sum() / proposal.mask.sum())
    found = found_in(free, proposal.box)
    if share < LEAST_LEFT or found is None:
        return None
    click = replace(proposal.click, row=row + proposal.box.r0, col=col + proposal.box.c0)
    mask = paste(free, proposal.box, found)
    return replace(proposal, box=found, mask=mask, score=share * proposal.score, click=click)
