"""Batches: each a function of the seed and the step alone, so that a resumed run sees the same."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_gpcis_training.augment import OTHER, TARGET
from napari_gpcis_training.scenes import Scene, Target, draw_scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.data.sets import LabelledSet, LabelledSlice

_CROPS, _CLICKS, _NOISE = 0, 1, 2
_FARTHEST_SLICE = 3
_SLICE_NAME = re.compile(r"(.*)\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops of one step, or a process's share of them.

    Attributes
    ----------
    images : Tensor, shape (N, 3, S, S), 0–1
        Crops.
    codes : uint8 Tensor, shape (B, S, S)
        As in `augment`, of every object that is asked for; in class mode every object is `TARGET`.
    class_mode : bool Tensor, shape (B,)
    numbers : tuple of int, length B
        Place of each object among those of the step.
    weight : float
        Part of the step's objects that these are.
    image_of : tuple of int, length B, or None
        Crop that each object is in; its own where there is one for each.
    carried : dict of int to uint8 array, shape (S, S)
        By place in `codes`, the object's mask in a neighbouring slice, 0 or 1.
    """

    images: Tensor
    codes: Tensor
    class_mode: Tensor
    numbers: tuple[int, ...]
    weight: float = 1.0
    image_of: tuple[int, ...] | None = None
    carried: dict[int, Any] = field(default_factory=dict)


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
        images = own or [0]
        image_of = batch.image_of or tuple(range(len(batch.images)))
        chosen = [item for item, image in enumerate(image_of) if image in images]
        return Batch(
            batch.images[images],
            batch.codes[chosen],
            batch.class_mode[chosen],
            tuple(batch.numbers[item] for item in chosen),
            len(chosen) / len(batch.codes) if own else 0.0,
            tuple(images.index(image_of[item]) for item in chosen),
            {
                place: batch.carried[item]
                for place, item in enumerate(chosen)
                if item in batch.carried
            },
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
        self._by_name = [{item.name: item for item in labelled.slices} for labelled in self._sets]

    def __getitem__(self, step: int) -> Batch:
        """Make the batch of a step."""
        rng = np.random.default_rng((self._config.seed, step, _CROPS))
        augment, count = self._config.augment, self._config.optimiser.batch_size
        size = augment.size
        if rng.random() < augment.wide_probability:
            count, size = augment.wide_count, augment.wide_size
        chosen = rng.choice(len(self._sets), size=count, p=self._weights)
        samples = [self._sample(int(index), rng, size) for index in chosen]
        targets = [target for scene, _ in samples for target in scene.targets]
        batch = Batch(
            torch.from_numpy(np.stack([scene.image for scene, _ in samples])),
            torch.from_numpy(np.stack([target.codes for target in targets])),
            torch.tensor([flag for scene, flag in samples for _ in scene.targets]),
            tuple(range(len(targets))),
            image_of=tuple(
                image for image, (scene, _) in enumerate(samples) for _ in scene.targets
            ),
            carried={
                place: target.carried
                for place, target in enumerate(targets)
                if target.carried is not None
            },
        )
        return self._share.of(batch)

    def _sample(self, index: int, rng: np.random.Generator, size: int) -> tuple[Scene, bool]:
        """Draw a scene of a set, and whether it is one of class mode."""
        labelled = self._sets[index]
        place = int(rng.integers(len(labelled.slices)))
        source = labelled.slices[place]
        neighbour = self._draw_neighbour(index, source, rng)
        donor = None
        if self._config.augment.pasted_probability:
            donor = labelled.slices[rng.integers(len(labelled.slices))]
        scene = draw_scene(source, rng, self._config.augment, size, donor, neighbour)
        as_class = rng.random() < self._config.clicks.class_probability
        if as_class and labelled.source.class_mode:
            codes = scene.targets[0].codes
            codes = np.where(codes == OTHER, np.uint8(TARGET), codes)
            return Scene(scene.image, (Target(codes),)), True
        return scene, False

    def _draw_neighbour(
        self, index: int, source: LabelledSlice, rng: np.random.Generator
    ) -> LabelledSlice | None:
        """Draw one of the slices around a slice of a volume, now and then."""
        wanted = self._config.clicks.carried_probability
        if not wanted or rng.random() >= wanted:
            return None
        match = _SLICE_NAME.fullmatch(source.name)
        if match is None:
            return None
        step = int(rng.integers(1, _FARTHEST_SLICE + 1)) * int(rng.choice((-1, 1)))
        return self._by_name[index].get(f"{match[1]}[{int(match[2]) + step}]")


@dataclass(frozen=True, slots=True)
class StepRandomness:
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
