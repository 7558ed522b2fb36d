"""Proposals of neighbouring slices that are the same object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_gpcis.engine.proposals.proposal import Proposal

SAME = 0.5
"""IoU from which two masks are one object."""


@dataclass(frozen=True, slots=True, eq=False)
class LinkedProposal:
    """An object in slices that follow one another.

    Attributes
    ----------
    parts : tuple of Proposal
        One for each of its slices, in their order.
    """

    parts: tuple[Proposal, ...]

    @property
    def score(self) -> float:
        """Mean score of the parts, large ones counting more."""
        areas = [part.area for part in self.parts]
        return float(np.average([part.score for part in self.parts], weights=areas))


def link(proposals: Iterable[Proposal]) -> list[LinkedProposal]:
    """Join proposals through slices.

    Two of neighbouring slices are one object if their IoU is 0.5 or more, or if the centre of each
    lies in the other; of several that could be, the pair of the largest IoU is joined.

    Parameters
    ----------
    proposals : iterable of Proposal
        Of any slices, in any order; those of a slice do not overlap.

    Returns
    -------
    list of LinkedProposal
        By first slice, the best first.
    """
    by_slice: dict[int, list[Proposal]] = {}
    for proposal in proposals:
        by_slice.setdefault(proposal.z, []).append(proposal)
    chains: list[list[Proposal]] = []
    ends: list[list[Proposal]] = []
    for z in sorted(by_slice):
        open_ends = [chain for chain in ends if chain[-1].z == z - 1]
        joined = partners([chain[-1] for chain in open_ends], by_slice[z])
        ends = []
        for number, proposal in enumerate(by_slice[z]):
            if number in joined:
                chain = open_ends[joined[number]]
                chain.append(proposal)
            else:
                chain = [proposal]
                chains.append(chain)
            ends.append(chain)
    linked = [LinkedProposal(tuple(chain)) for chain in chains]
    return sorted(linked, key=lambda item: (item.parts[0].z, -item.score))


def partners(below: Sequence[Proposal], above: Sequence[Proposal]) -> dict[int, int]:
    """Index in `above` → index in `below` of those that are one object; see `link`."""
    candidates = []
    for upper, proposal in enumerate(above):
        for lower, other in enumerate(below):
            if proposal.box.intersect(other.box).empty:
                continue
            iou = proposal.iou(other)
            if iou >= SAME or (_holds_centre(proposal, other) and _holds_centre(other, proposal)):
                candidates.append((iou, upper, lower))
    pairs: dict[int, int] = {}
    for _, upper, lower in sorted(candidates, key=lambda item: (-item[0], *item[1:])):
        if upper not in pairs and lower not in pairs.values():
            pairs[upper] = lower
    return pairs


def _holds_centre(proposal: Proposal, other: Proposal) -> bool:
    row, col = (round(float(middle)) for middle in np.argwhere(other.mask).mean(0) + other.box[:2])
    box = proposal.box
    return box.holds(row, col) and bool(proposal.mask[row - box.r0, col - box.c0])
