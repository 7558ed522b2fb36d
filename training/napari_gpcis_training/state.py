"""What a training run consists of, and its checkpoints."""

from __future__ import annotations

import copy
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_gpcis.model import NetworkConfig, build_network, load_model
from napari_gpcis_training.schedule import Schedule

if TYPE_CHECKING:
    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.config import OptimiserConfig, TrainConfig


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
    """

    network: SegmentationNetwork
    average: SegmentationNetwork
    optimiser: torch.optim.AdamW
    schedule: Schedule
    step: int = 0
    seconds: float = 0.0

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
    encoder_weights : path, optional
        Pretrained encoder; random otherwise.
    device : torch.device
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
    if start_from is not None:
        _start_from(network, start_from)
    # channels last is the faster layout for depth-wise convolutions
    network = network.to(device).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    pretrained = encoder_weights is not None or start_from is not None
    factor = config.optimiser.encoder_factor if pretrained else 1.0
    optimiser = torch.optim.AdamW(parameter_groups(network, config.optimiser, factor), lr=0.0)
    schedule = Schedule(config.optimiser.warmup_steps, None, 1)
    return TrainingState(network, average, optimiser, schedule)


def load_encoder(network: nn.Module, path: str | Path) -> None:
    """Load a timm `features_only` state dict (safetensors, any precision) into the encoder.

    Raises
    ------
    ValueError
        When the file is unreadable, or holds the weights of another encoder.
    """
    backbone = network.get_submodule(_backbone_name(network))
    try:
        weights = load_file(path)
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
            f"{len(unfit)} are missing or of another shape, as {unfit[0]}; "
            "choose the file of this encoder"
        )
    backbone.load_state_dict({key: weights[key].float() for key in wanted}, strict=False)


def _start_from(network: SegmentationNetwork, model: str | Path) -> None:
    parent = load_model(model)
    if parent.config != network.config:
        raise ValueError(
            f"expected a model of {network.config} to start from, got {model} of {parent.config}; "
            "give the same network in --config"
        )
    network.load_state_dict(parent.state_dict())


def save_state(path: Path, state: TrainingState, config: TrainConfig) -> None:
    """Write a checkpoint; the file appears whole or not at all."""
    content = {
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "schedule": asdict(state.schedule),
        "step": state.step,
        "seconds": state.seconds,
        "network_config": asdict(state.network.config),
        "config": config.model_dump_json(),
    }
    unfinished = path.with_suffix(".unfinished")
    torch.save(content, unfinished)
    os.replace(unfinished, path)


def load_state(path: str | Path, state: TrainingState) -> None:
    """Go on from a checkpoint.

    Raises
    ------
    ValueError
        When it is unreadable or of another network.
    """
    device = next(state.network.parameters()).device
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise ValueError(
            f"expected a training checkpoint in {path}, got: {error}; check the path"
        ) from error
    if content.get("network_config") != asdict(state.network.config):
        raise ValueError(
            f"expected a checkpoint of {asdict(state.network.config)}, got one of "
            f"{content.get('network_config')}; give the same --config and --head as then"
        )
    state.network.load_state_dict(content["network"])
    state.average.load_state_dict(content["average"])
    peaks = [group["peak"] for group in state.optimiser.param_groups]
    state.optimiser.load_state_dict(content["optimiser"])
    for group, peak in zip(state.optimiser.param_groups, peaks, strict=True):
        group["peak"] = peak
    state.schedule = Schedule(**content["schedule"])
    state.step, state.seconds = content["step"], content["seconds"]


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
    """Split parameters: encoder or not, with weight decay or not."""
    backbone = _backbone_name(network) + "."
    members: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        decays = parameter.ndim > 1 and not name.startswith("head.")
        members.setdefault((name.startswith(backbone), decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "peak": config.learning_rate * (encoder_factor if encoder else 1.0),
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (encoder, decays), parameters in members.items()
    ]
