"""Batches: each a function of the seed and the step alone, so that a resumed run sees the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_gpcis_training.augment import OTHER, TARGET, image_crop, training_crop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.data.sets import LabelledSet

_CROPS, _CLICKS, _NOISE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops of one step, or a process's share of them.

    Attributes
    ----------
    images : Tensor, shape (B, 3, S, S), 0–1
    codes : uint8 Tensor, shape (B, S, S)
        As in `augment`; in class mode every object is `TARGET`.
    class_mode : bool Tensor, shape (B,)
    numbers : tuple of int, length B
        Place of each crop among those of the step.
    weight : float
        Part of the step's crops that these are.
    """

    images: Tensor
    codes: Tensor
    class_mode: Tensor
    numbers: tuple[int, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Share:
    """Which of a step's crops a process works on: every `size`-th one.

    Attributes
    ----------
    rank, size
        Number of the process, and how many there are.
    """

    rank: int = 0
    size: int = 1

    def of(self, batch: Batch) -> Batch:
        """Take this share of a batch; a crop of weight 0 where there are not enough of them."""
        if self.size == 1:
            return batch
        own = list(range(self.rank, len(batch.images), self.size))
        chosen = own or [0]
        return Batch(
            batch.images[chosen],
            batch.codes[chosen],
            batch.class_mode[chosen],
            tuple(batch.numbers[item] for item in chosen),
            len(own) / len(batch.images),
        )


class StepDataset(Dataset[Batch]):
    """Item k is the batch of step k.

    Parameters
    ----------
    sets : sequence of LabelledSet
        Those without weight are left out.
    config : TrainConfig
    share : Share
        What to keep of each batch. A batch is one stream of random numbers, so it is made as a
        whole whatever is kept of it.
    """

    def __init__(
        self, sets: Sequence[LabelledSet], config: TrainConfig, share: Share | None = None
    ) -> None:
        self._share = share or Share()
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
        batch = Batch(
            torch.from_numpy(np.stack(images)),
            torch.from_numpy(np.stack(codes)),
            torch.tensor(class_mode),
            tuple(range(count)),
        )
        return self._share.of(batch)

    def _sample(
        self, labelled: LabelledSet, rng: np.random.Generator, size: int
    ) -> tuple[Any, Any, bool]:
        source = labelled.slices[rng.integers(len(labelled.slices))]
        draw = training_crop if self._config.augment.framing == "object" else image_crop
        crop = draw(source, rng, self._config.augment, size)
        as_class = rng.random() < self._config.clicks.class_probability
        if as_class and labelled.source.class_mode:
            return crop.image, np.where(crop.codes == OTHER, np.uint8(TARGET), crop.codes), True
        return crop.image, crop.codes, False


@dataclass(frozen=True, slots=True)
class Chance:
    """Sources of randomness of a step's simulation, none of which knows of processes.

    Attributes
    ----------
    seed, step
        Of the run.
    """

    seed: int
    step: int

    def rounds(self) -> np.random.Generator:
        """What is drawn once a step."""
        return np.random.default_rng((self.seed, self.step, _CLICKS))

    def clicks(self, numbers: Sequence[int]) -> list[np.random.Generator]:
        """One source for the clicks of each crop."""
        # a trailing 0 would not make another seed
        return [
            np.random.default_rng((self.seed, self.step, _CLICKS, number + 1)) for number in numbers
        ]

    def noise(self, numbers: Sequence[int]) -> list[np.random.Generator]:
        """One source for the GP's training noise in each crop; number −1 is for all of them."""
        return [
            np.random.default_rng((self.seed, self.step, _NOISE, number + 2)) for number in numbers
        ]


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
