"""State of a training run: network, average, optimiser and learning rate schedule."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_gpcis.model import NetworkConfig, build_network, load_model
from napari_gpcis.model.encoder import published_state
from napari_gpcis.model.heads import GPHead

if TYPE_CHECKING:
    from napari_gpcis.gp import GPClassifier
    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.config import OptimiserConfig, TrainConfig
    from napari_gpcis_training.training_pass import StepReport


_TARGET_BIAS = 1.85
_DEEP_FREQUENCY, _COLOUR_FREQUENCY = 1.0, 0.3


@dataclass(slots=True)
class Schedule:
    """Factor on the peak learning rate.

    Attributes
    ----------
    warmup_steps
        Steps of linear rise.
    decay_start
        Step at which the rate begins to fall; ``None`` while that is not known.
    decay_steps
        Steps until it reaches nothing, and the run its end.
    milestones
        Steps after which the rate falls at once.
    milestone_factor
        Factor that each milestone applies.
    """

    warmup_steps: int
    decay_start: int | None
    decay_steps: int
    milestones: tuple[int, ...] = ()
    milestone_factor: float = 1.0

    def factor(self, step: int) -> float:
        """Return the factor at a step: 1 − √t in the decay.

        References
        ----------
        Hägele et al., Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations,
        NeurIPS 2024.
        """
        rise = min(1.0, (step + 1) / (self.warmup_steps + 1))
        rise *= self.milestone_factor ** sum(step >= milestone for milestone in self.milestones)
        if self.decay_start is None or step < self.decay_start:
            return rise
        part = (step - self.decay_start) / max(1, self.decay_steps)
        return rise * max(0.0, 1.0 - math.sqrt(part))

    def start_decay(self, step: int, steps: int) -> None:
        """Let the rate fall from `step` on, over `steps` steps."""
        self.decay_start, self.decay_steps = step, max(0, steps)

    @property
    def last_step(self) -> int | None:
        """Number of steps after which the run is over, if known."""
        return None if self.decay_start is None else self.decay_start + self.decay_steps


@dataclass(slots=True)
class TrainingState:
    """Everything that changes while training; all of it goes into a checkpoint.

    Attributes
    ----------
    network
        The network that is trained.
    average
        Its exponentially averaged copy: what is evaluated and exported.
    optimiser
    schedule
    step
        Steps done.
    seconds
        Time spent on them, over all sessions of the run.
    recent
        Reports of the steps since the last line of the log.
    """

    network: SegmentationNetwork
    average: SegmentationNetwork
    optimiser: torch.optim.Optimizer
    schedule: Schedule
    step: int = 0
    seconds: float = 0.0
    recent: list[StepReport] = field(default_factory=list)

    def update_average(self, decay: float) -> None:
        """Move the averaged weights and statistics towards the network's."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            own = self.network.state_dict()
            for name, tensor in self.average.state_dict().items():
                if tensor.is_floating_point():
                    tensor.lerp_(own[name], 1 - decay)
                else:
                    tensor.copy_(own[name])

    def set_learning_rate(self) -> None:
        """Set every group's rate to what the schedule says for this step."""
        factor = self.schedule.factor(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor


def initial_state(
    config: TrainConfig,
    encoder_weights: str | Path | None,
    device: torch.device,
    start_from: str | Path | None = None,
) -> TrainingState:
    """Build a network and its optimiser.

    Parameters
    ----------
    config : TrainConfig
        The run's settings.
    encoder_weights : path, optional
        Pretrained encoder; random otherwise.
    device : torch.device
        Where it is to be.
    start_from : str or path, optional
        Model, by name or path, whose weights all of the network starts with.

    Raises
    ------
    ValueError
        When a file is unreadable or of another network.
    """
    torch.manual_seed(config.seed)
    network = build_network(NetworkConfig(**config.network))
    if encoder_weights is not None:
        load_encoder(network, encoder_weights)
    if config.prior_initialisation == "spectral" and isinstance(network.head, GPHead):
        spread_prior_path(network.head.classifier)
    if start_from is not None:
        _start_from(network, start_from)
    for part in config.optimiser.frozen_parts:
        _part(network, part).requires_grad_(False)
    # channels last is the faster layout for depth-wise convolutions
    network = network.to(device).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    pretrained = encoder_weights is not None or start_from is not None
    factor = config.optimiser.encoder_factor if pretrained else 1.0
    own = config.optimiser
    kind = torch.optim.Adam if own.name == "adam" else torch.optim.AdamW
    optimiser = kind(parameter_groups(network, own, factor), lr=0.0)
    schedule = Schedule(own.warmup_steps, None, 1, own.milestone_steps, own.milestone_factor)
    return TrainingState(network, average, optimiser, schedule)


def spread_prior_path(classifier: GPClassifier) -> None:
    """Begin with a prior path of the kernel's own spectral features, and with |m| near 2.

    In the paper's initialisation sin(θ z) is nearly linear and of some 0.1 for features of unit
    length, so that prior and targets take thousands of steps to become as large as confident
    latents are.
    """
    path = classifier.prior_path
    with torch.no_grad():
        nn.init.constant_(cast("nn.Linear", classifier.target_mlp[-1]).bias, _TARGET_BIAS)
        if path is not None:
            deep = len(classifier.log_precision)
            nn.init.normal_(path.theta.weight[:, :deep], std=_DEEP_FREQUENCY)
            nn.init.normal_(path.theta.weight[:, deep:], std=_COLOUR_FREQUENCY)
            nn.init.uniform_(path.theta.bias, 0, 2 * math.pi)


def _part(network: nn.Module, name: str) -> nn.Module:
    try:
        return network.get_submodule(name)
    except AttributeError as error:
        raise ValueError(
            f"expected modules of the network as optimiser.frozen_parts, got {name!r}; "
            "correct or remove it"
        ) from error


def load_encoder(network: nn.Module, path: str | Path) -> None:
    """Load an encoder's published state dict (safetensors, any precision).

    Of timm, with `features_only` or without, or of transformers' SegFormer.

    Raises
    ------
    ValueError
        When the file is unreadable, or holds the weights of another encoder.
    """
    backbone = network.get_submodule(_backbone_name(network))
    try:
        weights = published_state(backbone, load_file(path))
    except Exception as error:
        raise ValueError(
            f"expected encoder weights as safetensors in {path}, got: {error}; check the path"
        ) from error
    own = backbone.state_dict()
    # counters are of no use, and keys of a classifier are left over
    wanted = {key: value.shape for key, value in own.items() if value.is_floating_point()}
    unfit = [key for key in wanted if key not in weights or weights[key].shape != wanted[key]]
    if unfit:
        raise ValueError(
            f"expected the encoder's {len(wanted)} tensors in {path}, got {len(weights)} of which "
            f"{len(unfit)} are missing or of another shape, such as {unfit[0]}; "
            "choose the file of this encoder"
        )
    backbone.load_state_dict({key: weights[key].float() for key in wanted}, strict=False)


def _start_from(network: SegmentationNetwork, model: str | Path) -> None:
    parent = load_model(model)
    if _architecture(parent.config) != _architecture(network.config):
        raise ValueError(
            f"expected a model of {network.config} to start from, got {model} of {parent.config}; "
            "give the same network in --config"
        )
    network.load_state_dict(parent.state_dict())


def _architecture(config: NetworkConfig) -> NetworkConfig:
    """Leave out what was found out about a model after its training."""
    return replace(config, temperature=1.0, image_diameter=None)


def _backbone_name(network: nn.Module) -> str:
    """Name of the submodule that is timm's."""
    names = [name for name, _ in network.named_modules()]
    for ending in ("encoder.backbone", "encoder"):
        found = [name for name in names if name.endswith(ending)]
        if found:
            return str(min(found, key=len))
    raise ValueError(
        "expected a network with an encoder, got one without; leave out the encoder weights"
    )


def parameter_groups(
    network: nn.Module, config: OptimiserConfig, encoder_factor: float
) -> list[dict[str, Any]]:
    """Split parameters: those of the encoder, of slow parts and others, with decay or not.

    Raises
    ------
    ValueError
        If no parameter belongs to one of the slow parts.
    """
    backbone = _backbone_name(network) + "."
    members: dict[tuple[float, bool], list[Tensor]] = {}
    unmet = set(config.slow_parts)
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        decays = parameter.ndim > 1 and not name.startswith("head.")
        slow = {part for part in config.slow_parts if f"{name}.".startswith(f"{part}.")}
        unmet -= slow
        factor = config.encoder_factor if slow else 1.0
        if name.startswith("head."):
            factor = config.head_factor
        if name.startswith(backbone):
            factor = encoder_factor
        members.setdefault((factor, decays), []).append(parameter)
    if unmet:
        raise ValueError(
            f"expected modules of the network as optimiser.slow_parts, got {sorted(unmet)}; "
            "correct or remove them"
        )
    return [
        {
            "params": parameters,
            "peak": config.learning_rate * factor,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (factor, decays), parameters in members.items()
    ]
