"""Batches: each a function of the seed and the step alone, so that a resumed run sees the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_gpcis_training.augment import OTHER, TARGET, training_crop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.data.sets import LabelledSet

_CROPS, _CLICKS = 0, 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops of one step.

    Attributes
    ----------
    images : Tensor, shape (B, 3, S, S), 0–1
    codes : uint8 Tensor, shape (B, S, S)
        As in `augment`; in class mode every object is `TARGET`.
    class_mode : bool Tensor, shape (B,)
    """

    images: Tensor
    codes: Tensor
    class_mode: Tensor


class StepDataset(Dataset[Batch]):
    """Item k is the batch of step k."""

    def __init__(self, sets: Sequence[LabelledSet], config: TrainConfig) -> None:
        self._sets = [labelled for labelled in sets if labelled.source.weight > 0]
        weights = np.array([labelled.source.weight for labelled in self._sets])
        self._weights = weights / weights.sum()
        self._config = config

    def __getitem__(self, step: int) -> Batch:
        """Make the batch of a step."""
        rng = np.random.default_rng((self._config.seed, step, _CROPS))
        augment, count = self._config.augment, self._config.optimiser.batch_size
        size = augment.size
        if rng.random() < augment.wide_probability:
            count, size = augment.wide_count, augment.wide_size
        chosen = rng.choice(len(self._sets), size=count, p=self._weights)
        images, codes, class_mode = zip(
            *(self._sample(self._sets[index], rng, size) for index in chosen), strict=True
        )
        return Batch(
            torch.from_numpy(np.stack(images)),
            torch.from_numpy(np.stack(codes)),
            torch.tensor(class_mode),
        )

    def _sample(
        self, labelled: LabelledSet, rng: np.random.Generator, size: int
    ) -> tuple[Any, Any, bool]:
        source = labelled.slices[rng.integers(len(labelled.slices))]
        crop = training_crop(source, rng, self._config.augment, size)
        as_class = rng.random() < self._config.clicks.class_probability
        if as_class and labelled.source.class_mode:
            return crop.image, np.where(crop.codes == OTHER, np.uint8(TARGET), crop.codes), True
        return crop.image, crop.codes, False


def click_generator(seed: int, step: int) -> np.random.Generator:
    """Source of randomness of a step's simulated clicks."""
    return np.random.default_rng((seed, step, _CLICKS))


def batches_from(dataset: StepDataset, first_step: int, workers: int) -> Iterator[Batch]:
    """Prepare batches from `first_step` on, ahead of time in other processes where wanted."""
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=_Steps(first_step),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_use_one_thread,
    )
    return iter(loader)


class _Steps:
    """Step numbers without end."""

    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        step = self._first
        while True:
            yield step
            step += 1


def _use_one_thread(worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
