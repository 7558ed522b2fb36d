"""How well the rest of an image is proposed after a few committed objects: prints two tables.

    python benchmarks/proposals.py --data DIR [--sets dsb2018,bbbc039] [--images 6]

`DIR` holds data sets as `NAME/images`, `NAME/labels`; held-out images with eight objects or more,
evenly spread over a set. A simulated user commits one, three or five objects of ordinary size, each
clicked in the middle of the largest error until its IoU is 0.8, in a session that is told no
diameter. Average precision is that of all proposals of a set's images, by score, for the objects
that were not committed; precision and recall are those of the proposals above the threshold of 0.5.

The second table counts what a user does until all objects of an image have an IoU of 0.8, but for
those that no 20 clicks bring there. Clicks alone: each click, and Enter for each object. With
proposals: the same for the first three, one key to accept all above the threshold, a rejection for
each that is no object, taking up, clicks and Enter for each with an IoU below 0.8, and clicks and
Enter for each missed object. Of more than `--sample` objects of a kind in an image, so many are
clicked, and the others counted as their mean. Seconds are those of one processor.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from napari_gpcis_training.clicks import evaluation_click
from napari_gpcis_training.config import DataSource
from napari_gpcis_training.data.sets import load_set
from rich.console import Console
from rich.table import Table

from napari_gpcis import Session, load_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_gpcis.engine.proposals.proposal import Proposal

    Match = tuple[int, float]

SETS = ("dsb2018", "bbbc039", "cfos_tissue", "superalloy_sem")
IN_PIECES = {"cfos_tissue", "superalloy_sem"}
"""Sets in which each connected piece of a label is an object."""
EXAMPLES = (1, 3, 5)
GOOD, MATCH = 0.8, 0.5
MOST_CLICKS = 20
FEWEST_OBJECTS, SMALLEST_AREA = 8, 30


@dataclass
class Tally:
    """Proposals of the images of a set."""

    objects: int = 0
    scores: list[float] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    def precision_recall(self, least: float) -> tuple[float, float]:
        """Of the proposals above the threshold."""
        kept = np.array(self.scores) > 0.5
        right = (np.array(self.ious)[kept] >= least).sum()
        return right / max(1, kept.sum()), right / self.objects

    def average_precision(self, least: float) -> float:
        """Area under the curve of precision over recall."""
        order = np.argsort([-score for score in self.scores], kind="stable")
        right = np.array(self.ious)[order] >= least
        precision = right.cumsum() / np.arange(1, len(right) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        return float((envelope * right).sum() / self.objects)


def iou_with(mask: np.ndarray, target: np.ndarray) -> float:
    """Intersection over union."""
    return float((mask & target).sum() / max(1, (mask | target).sum()))


def click_until_good(session: Session, target: np.ndarray, found: np.ndarray | None = None) -> int:
    """Click an object until its IoU is good, and commit it; the number of actions.

    `found` is its mask if it was taken up.
    """
    clicked = np.zeros_like(target)
    mask = np.zeros_like(target) if found is None else found
    actions = 0 if found is None else 1
    for _ in range(MOST_CLICKS):
        if iou_with(mask, target) >= GOOD:
            break
        place = evaluation_click(mask, target, np.ones_like(target), clicked)
        if place is None:
            break
        row, col, sign = place
        clicked[row, col] = True
        mask = session.add_click(row, col, positive=sign > 0).mask
        actions += 1
    try:
        session.commit()
    except ValueError:  # nothing is left of it, or all has a label
        session.clear()
    return actions + 1


def matches(proposals: Sequence[Proposal], labels: np.ndarray) -> list[tuple[int, float]]:
    """Label and IoU of the object that each proposal shows best; an object has one proposal."""
    areas = np.bincount(labels.ravel())
    free = set(np.flatnonzero(areas).tolist()) - {0}
    found = []
    for proposal in proposals:
        counts = np.bincount(labels[proposal.box.slices][proposal.mask])
        overlaps = {
            label: counts[label] / (proposal.area + areas[label] - counts[label])
            for label in np.flatnonzero(counts).tolist()
            if label in free
        }
        label = max(overlaps, key=lambda key: overlaps[key], default=0)
        iou = float(overlaps.get(label, 0.0))
        if iou >= MATCH:
            free.discard(label)
        found.append((label, iou))
    return found


def total(actions: list[int], count: int) -> float:
    """Actions of all objects of a kind, of which some were clicked."""
    return float(np.mean(actions)) * count if actions else 0.0


class Trial:
    """An image, and a user of it."""

    def __init__(self, session: Session, name: str, image: np.ndarray, labels: np.ndarray) -> None:
        self.session, self.name, self.image, self.labels = session, name, image, labels
        self.ids = np.unique(labels[labels > 0])

    def begin(self) -> None:
        """Start anew; what was encoded is kept."""
        channel_axis = 2 if self.image.ndim == 3 else None
        self.session.set_image(self.image, channel_axis=channel_axis, identity=self.name)

    def examples(self, count: int) -> list[int]:
        """Objects of ordinary size, drawn at random; more of them begin with the same."""
        areas = np.bincount(self.labels.ravel())[self.ids]
        ordinary = (areas >= np.median(areas) / 2) & (areas <= np.median(areas) * 2)
        drawn = np.random.default_rng(0).permutation(self.ids[ordinary])
        return [int(label) for label in drawn[:count]]

    def click(self, labels: Iterable[int]) -> list[int]:
        """Actions for each of some objects."""
        return [click_until_good(self.session, self.labels == label) for label in labels]

    def propose(self, tally: Tally, known: list[int]) -> tuple[list[Proposal], list[Match]]:
        """Propose the rest, best first, and count."""
        started = time.process_time()
        found: list[Proposal] = []
        for proposal in self.session.propose():
            if not found:
                tally.first.append(time.process_time() - started)
            found.append(proposal)
        tally.seconds.append(time.process_time() - started)
        found.sort(key=lambda proposal: -proposal.score)
        rest = np.where(np.isin(self.labels, known), 0, self.labels)
        matched = matches(found, rest)
        tally.objects += len(self.ids) - len(known)
        tally.scores += [proposal.score for proposal in found]
        tally.ious += [iou for _, iou in matched]
        return found, matched

    def clicks_alone(self, sample: int) -> float:
        """Actions without proposals."""
        self.begin()
        chosen = np.random.default_rng(1).permutation(self.ids)[:sample].tolist()
        return total(self.click(chosen), len(self.ids))

    def actions_after(
        self, first: list[int], proposals: list[Proposal], matched: list[Match], sample: int
    ) -> float:
        """Actions after the examples' commits, which took `first`."""
        session = self.session
        above = [n for n, proposal in enumerate(proposals) if proposal.score > 0.5]
        wrong = [n for n in above if matched[n][1] < MATCH]
        poor = [n for n in above if MATCH <= matched[n][1] < GOOD]
        right = [n for n in above if matched[n][1] >= MATCH]
        session.accept([proposals[n] for n in right])
        labels = session.labels
        corrections = []
        for n in poor[:sample]:
            label = int(labels[proposals[n].click.row, proposals[n].click.col])
            if label:
                session.take_up(label)
                corrections.append(
                    click_until_good(session, self.labels == matched[n][0], labels == label)
                )
        known = {matched[n][0] for n in right} | set(self.examples(3))
        missed = [label for label in self.ids.tolist() if label not in known]
        again = self.click(missed[:sample])
        return (
            sum(first) + 1 + len(wrong) + total(corrections, len(poor)) + total(again, len(missed))
        )


def trials_of(session: Session, data: Path, name: str, count: int) -> list[Trial]:
    """Images of a set, evenly spread."""
    source = DataSource(name=name, components=name in IN_PIECES)
    held_out = load_set(data, source, "validation", SMALLEST_AREA).slices
    usable = [item for item in held_out if len(item.objects) >= FEWEST_OBJECTS]
    step = max(1, len(usable) // count)
    return [
        Trial(session, item.name, item.image, np.asarray(item.labels))
        for item in usable[::step][:count]
    ]


def main() -> None:
    """Parse the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--sample", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    session = Session(load_model(options.model), device="cpu")
    console = Console(width=120)
    made = Table(
        *("set", "images", "examples", "objects", "AP 0.5", "AP 0.75"),
        *("precision", "recall", "at 0.75", "s / image", "first, s"),
        title="Proposals",
    )
    actions = Table("set", "images", "objects", "clicks alone", "with proposals", "share")
    for name in options.sets.split(","):
        tallies = {count: Tally() for count in EXAMPLES}
        trials = trials_of(session, options.data, name, options.images)
        alone = together = 0.0
        for trial in trials:
            for count, tally in tallies.items():
                trial.begin()
                known = trial.examples(count)
                first = trial.click(known)
                proposals, matched = trial.propose(tally, known)
                if count == 3:
                    together += trial.actions_after(first, proposals, matched, options.sample)
            alone += trial.clicks_alone(options.sample)
            print(trial.name, len(trial.ids), round(together), round(alone), flush=True)
        for count, tally in tallies.items():
            precision, recall = tally.precision_recall(0.5)
            finer = "{:.2f}, {:.2f}".format(*tally.precision_recall(0.75))
            made.add_row(
                *(name, str(len(trials)), str(count), str(tally.objects)),
                *(f"{tally.average_precision(least):.2f}" for least in (0.5, 0.75)),
                *(f"{precision:.2f}", f"{recall:.2f}", finer),
                *(f"{np.mean(tally.seconds):.1f}", f"{np.mean(tally.first or [0]):.1f}"),
            )
        objects = sum(len(trial.ids) for trial in trials)
        counted = (f"{alone:.0f}", f"{together:.0f}", f"{together / alone:.2f}")
        actions.add_row(name, str(len(trials)), str(objects), *counted)
        console.print(made, actions)


if __name__ == "__main__":
    main()
