"""Validation on crops around held-out objects, many at a time, at the end and on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_gpcis_training.augment import OUTSIDE, TARGET, Crop, plain_crop
from napari_gpcis_training.curves import VALIDATION
from napari_gpcis_training.data.sampling import sample_objects
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.protocol import (
    CLICKS,
    SimulatedUser,
    click_through,
    clicks_to,
    iou_after,
)
from napari_gpcis_training.simulation import Encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.data.sets import LabelledSet
    from napari_gpcis_training.logbook import Logbook
    from napari_gpcis_training.state import TrainingState

    Array = np.ndarray[Any, np.dtype[Any]]

_OBJECT_SIZES = 3.0
_CROP = 192
_BATCH = 32
ENOUGH = 0.90
_MONITOR_CLICKS = 5
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class ValidationScores:
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
        Most objects in all; ``None`` for all that `per_slice` leaves.
    per_slice
        Most objects of a slice.
    min_diameter
        Smallest object, px of the image: diameter of the circle of its area.
    seed
        Seed of the sample.
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
    max_clicks: int = CLICKS,
    enough: float = ENOUGH,
) -> ValidationScores:
    """Click until an IoU of `enough` (and at least five times), feeding the previous mask back."""
    network.eval()
    users = [
        user
        for start in range(0, len(crops), _BATCH)
        for user in _click_batch(network, crops[start : start + _BATCH], max_clicks, enough)
    ]
    curves = [user.ious for user in users]
    return ValidationScores(
        objects=len(crops),
        noc85=_mean(clicks_to(curve, 0.85, max_clicks) for curve in curves),
        noc90=_mean(clicks_to(curve, 0.90, max_clicks) for curve in curves),
        iou1=100 * _mean(iou_after(curve, 1) for curve in curves),
        iou5=100 * _mean(iou_after(curve, 5) for curve in curves),
        contradicted_final=sum(user.contradicted[-1] for user in users if user.contradicted),
        contradicted_rounds=sum(sum(user.contradicted) for user in users),
        clicks_rounds=sum(len(curve) * (len(curve) + 1) // 2 for curve in curves),
        failures90=sum(max(curve, default=0.0) < 0.90 for curve in curves),
    )


@torch.no_grad()
def _click_batch(
    network: SegmentationNetwork, crops: Sequence[Crop], max_clicks: int, enough: float
) -> list[SimulatedUser]:
    """Let a user click at each crop, all of them answered at once."""
    users = [SimulatedUser(crop.codes == TARGET, crop.codes != OUTSIDE) for crop in crops]
    stacked = torch.from_numpy(np.stack([crop.image for crop in crops]))
    images = stacked.to(network.mean.device, memory_format=torch.channels_last)
    encoded = Encoded.of(network, images)
    previous = torch.zeros_like(images[:, :1])

    def answer(numbers: list[int]) -> Iterable[Array]:
        index = torch.tensor(numbers, device=images.device)
        part = encoded[index]
        clicks = [
            torch.from_numpy(users[number].signed_clicks()).to(images.device) for number in numbers
        ]
        deep = network.decode(part.pyramid, clicks, previous[index])
        logits = network.classify(deep, part.colour, clicks).logits
        previous[index] = torch.sigmoid(logits)
        masks: Array = (logits[:, 0] > 0).cpu().numpy()
        return masks

    click_through(users, answer, max_clicks, enough)
    return users


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


@dataclass(frozen=True, slots=True)
class Monitor:
    """Scores the averaged network on the same crops each time.

    Attributes
    ----------
    crops
        Crops by data set.
    """

    crops: dict[str, list[Crop]]

    @classmethod
    def of(cls, data: Path, config: TrainConfig, count: int) -> Monitor:
        """Take `count` held-out objects of every set that is trained on."""
        crops = {
            source.name: evaluation_crops(
                load_set(data, source, "validation", config.min_area), count
            )
            for source in config.data
            if source.weight > 0
        }
        return cls({name: items for name, items in crops.items() if items})

    def __call__(self, state: TrainingState, log: Logbook) -> None:
        """Write the mean IoU after one and after five clicks, in percent, and a picture."""
        if not self.crops:
            return
        scores = {
            name: evaluate(state.average, crops, max_clicks=_MONITOR_CLICKS)
            for name, crops in self.crops.items()
        }
        row: dict[str, float] = {"step": state.step, "minutes": round(state.seconds / 60, 2)}
        for figure in ("iou1", "iou5"):
            values = {name: getattr(score, figure) for name, score in scores.items()}
            row[figure] = round(float(np.mean(list(values.values()))), 3)
            row |= {f"{figure}_{name}": round(value, 3) for name, value in values.items()}
        log.write(row, VALIDATION, "validation")
        shown = [crop for number in range(_SHOWN) for crop in self._nth(number)][:_SHOWN]
        name = "validation/image, target, answer to a click"
        log.picture(name, picture(state.average, shown), state.step)

    def _nth(self, number: int) -> list[Crop]:
        return [crops[number] for crops in self.crops.values() if number < len(crops)]


@torch.no_grad()
def picture(network: SegmentationNetwork, crops: list[Crop]) -> Array:
    """Draw crops side by side: the image, the target, and the probability after one click.

    Returns
    -------
    uint8, shape (3 S, n S, 3)
    """
    network.eval()
    columns = []
    for crop in crops:
        user = SimulatedUser(crop.codes == TARGET, crop.codes != OUTSIDE)
        if not user.click():
            user.click_at(0, 0)
        image = torch.from_numpy(crop.image)[None].to(network.mean.device)
        clicks = torch.from_numpy(user.signed_clicks()).to(image.device)
        probability = torch.sigmoid(network(image, [clicks]))[0, 0]
        rows = [user.target, probability.float().cpu().numpy()]
        grey = [np.repeat(np.asarray(row)[..., None], 3, axis=2) for row in rows]
        columns.append(np.concatenate([crop.image.transpose(1, 2, 0), *grey]))
    return (255 * np.concatenate(columns, axis=1)).astype(np.uint8)
