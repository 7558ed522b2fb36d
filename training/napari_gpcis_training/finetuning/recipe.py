"""Length and learning rate of a fine-tuning, from the amount of data."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torch import nn

from napari_gpcis_training.config import (
    AugmentConfig,
    ClickConfig,
    OptimiserConfig,
    TrainConfig,
)

if TYPE_CHECKING:
    from napari_gpcis.model import ModelCard
    from napari_gpcis_training.data.sets import LabelledSet

MINUTES = 8.0
"""Longest training where no length was given; reading and scoring come on top."""

# the images are alike, so crops vary less; objects are of about the size that a session gives them
_CROPS = {
    "wide_probability": 0.4,
    "wide_count": 1,
    "diameter": [40.0, 110.0],
    "invert_probability": 0.0,
    "channel_probability": 0.0,
    "gamma": 1.5,
    "noise": 0.05,
    "blur": 1.0,
}
# most is gained at the first click
_CLICKS = {"single_probability": 0.8, "class_probability": 0.05}
_OPTIMISER: dict[str, Any] = {
    "batch_size": 4,
    "encoder_factor": 0.5,
    "warmup_steps": 10,
    "decay_fraction": 0.5,
    "freeze_batch_norm": True,
}
_FEWEST_STEPS, _MOST_STEPS, _STEPS_PER_ROOT = 300, 1000, 50
_FEW_OBJECTS, _MANY_OBJECTS = 30, 1000
_LOW_RATE, _HIGH_RATE = 3e-4, 6e-4


def recipe(card: ModelCard, training: LabelledSet, steps: int | None, seed: int) -> TrainConfig:
    """Make a short recipe: the more objects, the longer and bolder.

    Parameters
    ----------
    card : ModelCard
        Card of the model to begin with.
    training : LabelledSet
        The set to train on.
    steps : int or None
        Length as wanted; by the number of objects when None.
    seed : int
        Seed of crops and clicks.
    """
    objects = sum(len(item.objects) for item in training.slices)
    length = {"learning_rate": _rate(objects), "steps": steps or _steps(objects)}
    return TrainConfig(
        network=asdict(card.config),
        data=(training.source,),
        licence=card.licence,
        augment=AugmentConfig.model_validate(_CROPS),
        clicks=ClickConfig.model_validate(_CLICKS),
        optimiser=OptimiserConfig.model_validate(_OPTIMISER | length),
        seed=seed,
        workers=0,
    )


def keep_statistics(network: nn.Module) -> None:
    """Let the batch norms go on with the statistics that they have, also in training mode.

    Those of four crops of one image are far from those of use, where one click more or less
    changes what the decoder sees. Weights and biases are trained as before.
    """
    for name, module in list(network.named_modules()):
        if type(module) is nn.BatchNorm2d:
            kept = _KeptStatistics(module.num_features, module.eps, module.momentum)
            kept.load_state_dict(module.state_dict())
            kept.to(module.running_mean.device if module.running_mean is not None else None)
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, kept.eval())


class _KeptStatistics(nn.BatchNorm2d):
    """A batch norm that training mode does not reach."""

    def train(self, mode: bool = True) -> _KeptStatistics:
        super().train(False)
        return self


def _steps(objects: int) -> int:
    return min(_MOST_STEPS, max(_FEWEST_STEPS, round(_STEPS_PER_ROOT * math.sqrt(objects))))


def _rate(objects: int) -> float:
    part = math.log(max(objects, 1) / _FEW_OBJECTS) / math.log(_MANY_OBJECTS / _FEW_OBJECTS)
    return float(_LOW_RATE * (_HIGH_RATE / _LOW_RATE) ** min(1.0, max(0.0, part)))
