"""A network answers simulated clicks: encode once, decode and classify every round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_gpcis.gp.classifier import TrainingNoise
from napari_gpcis.gp.clicks import pad_clicks
from napari_gpcis.model.heads import GPHead, GPPrediction
from napari_gpcis_training.augment import OUTSIDE, TARGET
from napari_gpcis_training.clicks import (
    blurred,
    class_clicks,
    corrupted_mask,
    error_click,
    initial_clicks,
)
from napari_gpcis_training.prompts import box_clicks, stroke_clicks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis.model.heads import Prediction
    from napari_gpcis_training.batches import Batch, StepRandomness
    from napari_gpcis_training.config import ClickConfig


_BOX_ALONE_PROBABILITY = 0.5


@dataclass(slots=True)
class Encoded:
    """A batch as the encoder leaves it."""

    pyramid: tuple[Tensor, ...]
    colour: Tensor

    @classmethod
    def of(cls, network: SegmentationNetwork, images: Tensor) -> Encoded:
        """Encode images of shape (B, 3, H, W), 0–1."""
        return cls(network.encode(images), network.colour(images))

    def detach(self) -> Encoded:
        """Cut the features off from the encoder's gradients."""
        return Encoded(tuple(level.detach() for level in self.pyramid), self.colour)

    def __getitem__(self, items: Tensor) -> Encoded:
        """Take some images of the batch by index, each as often as it is named."""
        return Encoded(tuple(level[items] for level in self.pyramid), self.colour[items])


@dataclass(frozen=True, slots=True)
class Noise:
    """The GP's training noise as a function of seed, step and crop alone.

    So it does not depend on how many processes share the crops.
    """

    chance: StepRandomness
    numbers: tuple[int, ...]

    def classify(
        self,
        head: GPHead,
        deep: Tensor,
        colour: Tensor,
        clicks: Sequence[Tensor],
        noise_variance: float | None,
    ) -> GPPrediction:
        """Condition the head's GP on the clicks, with this noise."""
        height, width = colour.shape[-2:]
        count = pad_clicks(clicks, height, width).labels.shape[1]
        path = head.classifier.prior_path
        features = 0 if path is None else len(path.omega)
        whole, *each = self.chance.noise((-1, *self.numbers))
        noise = TrainingNoise(
            torch.from_numpy(whole.standard_normal((features, 1), np.float32)).to(colour.device),
            torch.from_numpy(
                np.stack([rng.standard_normal((count, 1), np.float32) for rng in each])
            ).to(colour.device),
        )
        posterior = head.classifier.condition(deep, colour, clicks, noise_variance, noise)
        return GPPrediction(posterior)


@dataclass(slots=True)
class Interaction:
    """Clicks and previous mask of each image of a batch.

    Attributes
    ----------
    clicks
        Per image, float32 of shape (n, 3): row, column, sign.
    class_mode : bool array, shape (B,)
        Images whose network sees neither clicks nor previous mask.
    previous : Tensor, shape (B, 1, H, W)
        Probabilities; zero before the first answer.
    """

    clicks: list[np.ndarray]
    class_mode: np.ndarray
    previous: Tensor

    @classmethod
    def start(
        cls,
        batch: Batch,
        generators: Sequence[Generator],
        config: ClickConfig,
        strokes: bool = False,
    ) -> Interaction:
        """Draw initial clicks, and here and there a previous mask that is nearly right.

        Parameters
        ----------
        batch : Batch
            Crops and the objects that are asked for.
        generators : sequence of Generator
            One for each object.
        config : ClickConfig
            How many clicks of which kind.
        strokes : bool
            Whether objects begin with strokes instead of clicks.
        """
        clicks: list[np.ndarray] = []
        class_mode = batch.class_mode.numpy()
        codes = batch.codes.numpy()
        previous = np.zeros((len(codes), 1, *codes.shape[1:]), np.float32)
        for item, (as_class, rng) in enumerate(zip(class_mode, generators, strict=True)):
            if as_class:
                clicks.append(class_clicks(codes[item], rng, config))
                continue
            carried = batch.carried.get(item)
            if carried is not None:
                previous[item, 0] = blurred(carried, rng)
                if rng.random() < config.unclicked_probability:
                    clicks.append(np.zeros((0, 3), np.float32))
                    continue
            clicks.append(_first_prompts(codes[item], rng, config, strokes))
            if carried is None and rng.random() < config.previous_probability:
                previous[item, 0] = corrupted_mask(codes[item] == TARGET, rng)
        return cls(clicks, class_mode, torch.from_numpy(previous))

    def answer(
        self,
        network: SegmentationNetwork,
        encoded: Encoded,
        noise_variance: float | None,
        noise: Noise | None = None,
    ) -> Prediction:
        """Let the network answer all clicks so far; in training, with this noise of the GP's."""
        device = encoded.colour.device
        clicks = [torch.from_numpy(item).to(device) for item in self.clicks]
        none = torch.zeros((0, 3), device=device)
        seen = [
            none if hidden else item for hidden, item in zip(self.class_mode, clicks, strict=True)
        ]
        deep = network.decode(encoded.pyramid, seen, self.previous.to(device))
        # the solve is no place for half precision
        with torch.autocast(device.type, enabled=False):
            if noise is None or not isinstance(network.head, GPHead):
                colour = encoded.colour.float()
                return network.classify(deep.float(), colour, clicks, noise_variance=noise_variance)
            return noise.classify(network.head, deep, encoded.colour, clicks, noise_variance)

    def correct(
        self,
        logits: Tensor,
        batch: Batch,
        generators: Sequence[Generator],
        config: ClickConfig,
    ) -> None:
        """Click once into each image's larger error, and keep the answer as previous mask."""
        probability = torch.sigmoid(logits.detach().float()).cpu()
        self.previous = probability * torch.from_numpy(~self.class_mode)[:, None, None, None]
        for item, (codes, rng) in enumerate(zip(batch.codes.numpy(), generators, strict=True)):
            click = error_click(probability[item, 0].numpy(), codes, rng, config.threshold)
            if click is not None:
                self.clicks[item] = np.vstack([self.clicks[item], np.asarray(click, np.float32)])


def _first_prompts(
    codes: np.ndarray, rng: Generator, config: ClickConfig, strokes: bool
) -> np.ndarray:
    """Clicks, a stroke or a box with or without a click; float32, (n, 3)."""
    if strokes:
        return stroke_clicks(codes, rng)
    if config.box_probability and rng.random() < config.box_probability:
        around = box_clicks(codes, rng)
        if len(around) and rng.random() < _BOX_ALONE_PROBABILITY:
            return around
        return np.concatenate([initial_clicks(codes, rng, config), around])
    return initial_clicks(codes, rng, config)


def targets(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
    """Target and valid pixels of a batch.

    Returns
    -------
    target : Tensor, shape (B, 1, S, S), 0 or 1
    valid : bool Tensor, shape (B, 1, S, S)
    """
    codes = batch.codes[:, None].to(device)
    return (codes == TARGET).float(), codes != OUTSIDE
