"""What a step computes: simulated clicks on a batch, the last answer's loss, and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from napari_gpcis.gp import amortisation_loss
from napari_gpcis.model.heads import GPPrediction
from napari_gpcis_training.batches import StepRandomness
from napari_gpcis_training.losses import (
    intersection_over_union,
    normalised_focal_loss,
    overlap_loss,
)
from napari_gpcis_training.simulation import Encoded, Interaction, Noise, targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis.model.heads import Prediction
    from napari_gpcis_training.batches import Batch
    from napari_gpcis_training.config import ClickConfig, LossConfig, TrainConfig


class StepReport(NamedTuple):
    """Figures of one step; the IoU are means over the batch's object-mode crops.

    Attributes
    ----------
    loss, focal, amortisation
        The sum and its parts, unweighted.
    first_iou, last_iou
        After the initial clicks and after the simulated corrections; NaN without such crops.
    clicks
        Mean number of clicks at the end.
    crops
        Number of crops.
    """

    loss: float
    focal: float
    amortisation: float
    first_iou: float
    last_iou: float
    clicks: float
    crops: float


class TrainingPass(nn.Module):
    """A network's pass over a batch as one call, which is what data parallelism wraps.

    Parameters
    ----------
    network : SegmentationNetwork
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, config: TrainConfig, step: int) -> tuple[Tensor, Tensor]:
        """Click on a batch, and into the answers' errors.

        Returns
        -------
        loss : Tensor, scalar
            Mean over these crops.
        sums : Tensor, shape (8,), float64, on the CPU
            Sums that `report_of` makes a report of, once they are added over the processes.
        """
        network, chance = self.network, StepRandomness(config.seed, step)
        frozen = config.optimiser.freeze_batch_norm
        device = network.mean.device
        target, valid = targets(batch, device)
        set_training_mode(network, frozen, config.optimiser.frozen_parts)
        encoded = Encoded.of(network, batch.images.to(device, memory_format=torch.channels_last))
        if batch.image_of is not None and batch.image_of != tuple(range(len(batch.images))):
            encoded = encoded[torch.tensor(batch.image_of, device=device)]
        generators = chance.clicks(batch.numbers)
        shared = chance.rounds()
        rounds = _draw_rounds(shared, config.clicks)
        strokes = bool(shared.random() < config.clicks.stroke_probability)
        interaction = Interaction.start(batch, generators, config.clicks, strokes)
        first = _simulate(network, encoded, interaction, batch, rounds, generators, config)
        set_training_mode(network, frozen, config.optimiser.frozen_parts)
        noise = Noise(chance, batch.numbers)
        answer = interaction.answer(network, encoded, config.optimiser.noise_variance, noise)
        with torch.autocast(device.type, enabled=False):
            loss, focal, amortisation = _loss(answer, target, valid, config.loss)
        last = answer.logits.detach()
        objects = ~batch.class_mode.to(device)
        overlaps = [
            intersection_over_union(logits > 0, target > 0.5, valid)[objects].sum()
            for logits in (last if first is None else first, last)
        ]
        count = len(batch.codes)
        clicks = sum(len(item) for item in interaction.clicks)
        means = torch.stack([loss.detach(), focal, amortisation]).double().cpu() * count
        rest = torch.tensor([*overlaps, objects.sum(), clicks, count], dtype=torch.float64)
        return loss, torch.cat([means, rest])


def report_of(sums: Tensor) -> StepReport:
    """Means from the sums of a `TrainingPass`, added over the processes."""
    loss, focal, amortisation, first, last, objects, clicks, crops = sums.tolist()
    first, last = (iou / objects if objects else float("nan") for iou in (first, last))
    return StepReport(
        loss / crops, focal / crops, amortisation / crops, first, last, clicks / crops, crops
    )


def set_training_mode(
    network: nn.Module, freeze_batch_norm: bool, frozen_parts: Sequence[str] = ()
) -> None:
    """Set training mode, frozen parts and, where wanted, the encoder's batch norms excepted."""
    network.train()
    for part in frozen_parts:
        network.get_submodule(part).eval()
    if freeze_batch_norm:
        for name, module in network.named_modules():
            if "encoder." in name and isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def _draw_rounds(rng: Generator, config: ClickConfig) -> int:
    if config.round_decay is None:
        return int(rng.integers(config.rounds + 1))
    weights = config.round_decay ** np.arange(config.rounds + 1)
    return int(rng.choice(config.rounds + 1, p=weights / weights.sum()))


def _simulate(
    network: SegmentationNetwork,
    encoded: Encoded,
    interaction: Interaction,
    batch: Batch,
    rounds: int,
    generators: Sequence[Generator],
    config: TrainConfig,
) -> Tensor | None:
    """Let the network answer and click into its errors; returns its first answer."""
    first: Tensor | None = None
    fixed = encoded.detach()
    network.eval()
    with torch.no_grad():
        for _ in range(rounds):
            answer = interaction.answer(network, fixed, config.optimiser.noise_variance)
            first = answer.logits if first is None else first
            interaction.correct(answer.logits, batch, generators, config.clicks)
    return first


def _loss(
    prediction: Prediction, target: Tensor, valid: Tensor, config: LossConfig
) -> tuple[Tensor, Tensor, Tensor]:
    focal = normalised_focal_loss(
        prediction.logits, target, valid, config.focal_alpha, config.focal_gamma
    )
    amortisation = torch.zeros((), device=focal.device)
    if isinstance(prediction, GPPrediction):
        amortisation = amortisation_loss(prediction.posterior).to(focal.device)
    loss = focal + config.amortisation * amortisation
    if config.overlap:
        loss = loss + config.overlap * overlap_loss(prediction.logits, target, valid)
    return loss, focal.detach(), amortisation.detach()
