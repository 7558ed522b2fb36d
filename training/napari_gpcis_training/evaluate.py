"""Validation on crops around held-out objects, many at a time, by the benchmark's clicker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_gpcis_training.augment import OUTSIDE, TARGET, Crop, plain_crop
from napari_gpcis_training.clicks import evaluation_click
from napari_gpcis_training.data.sampling import sample_objects
from napari_gpcis_training.losses import intersection_over_union
from napari_gpcis_training.simulation import Encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.data.sets import LabelledSet

Array = np.ndarray[Any, np.dtype[Any]]

MAX_CLICKS = 20
_OBJECT_SIZES = 3.0
_CROP = 192
_BATCH = 32
ENOUGH = 0.90
_ALWAYS = 5


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of a set of objects.

    Attributes
    ----------
    objects
        Number of objects.
    noc85, noc90
        Mean clicks to reach an IoU of 0.85 and 0.90, at most 20.
    iou1, iou5
        Mean IoU after one and after five clicks, in percent.
    contradicted_final, contradicted_rounds
        Clicked pixels that the last mask contradicts, and those that any round's mask did, summed.
    clicks_rounds
        Clicked pixels summed over the rounds: what the last figure counts among.
    failures90
        Objects that 20 clicks do not bring to 0.90.
    """

    objects: int
    noc85: float
    noc90: float
    iou1: float
    iou5: float
    contradicted_final: int
    contradicted_rounds: int
    clicks_rounds: int
    failures90: int


def evaluation_crops(
    labelled: LabelledSet,
    count: int | None,
    per_slice: int = 5,
    min_diameter: float = 8.0,
    seed: int = 0,
) -> list[Crop]:
    """Cut out held-out objects: three object sizes each, resized to 192 px.

    Parameters
    ----------
    labelled
        The validation split of a set.
    count
        How many objects at most; ``None`` for all that `per_slice` leaves.
    per_slice
        How many objects of a slice at most.
    min_diameter
        Smallest object, px of the image: diameter of the circle of its area.
    seed
        Of the sample.
    """
    chosen = sample_objects(
        (source.objects for source in labelled.slices), count, per_slice, min_diameter, seed
    )
    return [
        plain_crop(labelled.slices[number], picked, _OBJECT_SIZES, _CROP)
        for number, picked in chosen
    ]


def evaluate(
    network: SegmentationNetwork,
    crops: Sequence[Crop],
    max_clicks: int = MAX_CLICKS,
    enough: float = ENOUGH,
) -> Scores:
    """Click until an IoU of `enough` (and at least five times), feeding the previous mask back."""
    network.eval()
    runs = [
        _evaluate_batch(network, crops[start : start + _BATCH], max_clicks, enough)
        for start in range(0, len(crops), _BATCH)
    ]
    curves = np.concatenate([run.iou for run in runs])
    return Scores(
        objects=len(crops),
        noc85=_number_of_clicks(curves, 0.85),
        noc90=_number_of_clicks(curves, 0.90),
        iou1=100 * float(curves[:, 0].mean()),
        iou5=100 * float(curves[:, min(4, max_clicks - 1)].mean()),
        contradicted_final=sum(run.contradicted_final for run in runs),
        contradicted_rounds=sum(run.contradicted_rounds for run in runs),
        clicks_rounds=sum(run.clicks_rounds for run in runs),
        failures90=int((curves.max(1) < 0.90).sum()),
    )


class _Run:
    """The interaction with a batch of crops.

    `iou` has shape (objects, clicks); an object that is done keeps its last value.
    """

    def __init__(self, crops: Sequence[Crop], max_clicks: int) -> None:
        codes = np.stack([crop.codes for crop in crops])
        self.images = torch.from_numpy(np.stack([crop.image for crop in crops]))
        self.target, self.valid = codes == TARGET, codes != OUTSIDE
        self.masks = np.zeros_like(self.target)
        self.clicked = np.zeros_like(self.target)
        self.clicks: list[list[tuple[int, int, float]]] = [[] for _ in crops]
        self.iou = np.zeros((len(crops), max_clicks))
        self.active = np.ones(len(crops), bool)
        self.contradicted_rounds = 0
        self.clicks_rounds = 0

    def click(self) -> Array:
        """Click once in each active crop; returns the indices of those that are left."""
        for item in np.flatnonzero(self.active):
            click = evaluation_click(
                self.masks[item], self.target[item], self.valid[item], self.clicked[item]
            )
            if click is None:
                self.active[item] = False
            else:
                self.clicks[item].append(click)
                self.clicked[item, click[0], click[1]] = True
        return np.flatnonzero(self.active)

    def take(self, items: Array, masks: Tensor, turn: int, enough: float) -> None:
        """Take the answers of some crops."""
        self.masks[items] = masks[:, 0].numpy()
        target = torch.from_numpy(self.target[items])[:, None]
        valid = torch.from_numpy(self.valid[items])[:, None]
        self.iou[items, turn:] = intersection_over_union(masks, target, valid).numpy()[:, None]
        self.contradicted_rounds += sum(self.contradicted(item) for item in items)
        self.clicks_rounds += sum(len(self.clicks[item]) for item in items)
        if turn + 1 >= _ALWAYS:
            self.active[items] = self.iou[items].max(1) < enough

    def contradicted(self, item: int) -> int:
        """Clicked pixels whose class the mask does not have."""
        return sum(
            bool(self.masks[item, row, col]) != (sign > 0) for row, col, sign in self.clicks[item]
        )

    @property
    def contradicted_final(self) -> int:
        """The same over all crops, with the last masks."""
        return sum(self.contradicted(item) for item in range(len(self.clicks)))


@torch.no_grad()
def _evaluate_batch(
    network: SegmentationNetwork, crops: Sequence[Crop], max_clicks: int, enough: float
) -> _Run:
    run = _Run(crops, max_clicks)
    device = network.mean.device
    images = run.images.to(device, memory_format=torch.channels_last)
    encoded = Encoded.of(network, images)
    previous = torch.zeros_like(images[:, :1])
    for turn in range(max_clicks):
        items = run.click()
        if not len(items):
            break
        index = torch.from_numpy(items).to(device)
        part = encoded[index]
        clicks = [torch.tensor(run.clicks[item], device=device) for item in items]
        deep = network.decode(part.pyramid, clicks, previous[index])
        logits = network.classify(deep, part.colour, clicks).logits
        previous[index] = torch.sigmoid(logits)
        run.take(items, (logits > 0).cpu(), turn, enough)
    return run


def _number_of_clicks(curves: Array, wanted: float) -> float:
    reached = curves >= wanted
    clicks = np.where(reached.any(1), reached.argmax(1) + 1, curves.shape[1])
    return float(clicks.mean())
