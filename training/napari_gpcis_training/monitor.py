"""Validation on the way: a few held-out objects, a few clicks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_gpcis_training.augment import OUTSIDE, TARGET
from napari_gpcis_training.clicks import evaluation_click
from napari_gpcis_training.curves import VALIDATION
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.evaluate import evaluate, evaluation_crops

if TYPE_CHECKING:
    from pathlib import Path

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.augment import Crop
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.logbook import Logbook
    from napari_gpcis_training.state import TrainingState

    Array = np.ndarray[Any, np.dtype[Any]]

_CLICKS = 5
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Monitor:
    """Scores the averaged network on the same crops each time.

    Attributes
    ----------
    crops
        By data set.
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
            name: evaluate(state.average, crops, max_clicks=_CLICKS)
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
        target, valid = crop.codes == TARGET, crop.codes != OUTSIDE
        none = np.zeros_like(target)
        click = evaluation_click(none, target, valid, none)
        clicks = torch.tensor([click or (0, 0, -1.0)], dtype=torch.float32)
        image = torch.from_numpy(crop.image)[None].to(network.mean.device)
        probability = torch.sigmoid(network(image, [clicks.to(image.device)]))[0, 0]
        rows = [target, probability.float().cpu().numpy()]
        grey = [np.repeat(np.asarray(row)[..., None], 3, axis=2) for row in rows]
        columns.append(np.concatenate([crop.image.transpose(1, 2, 0), *grey]))
    return (255 * np.concatenate(columns, axis=1)).astype(np.uint8)
