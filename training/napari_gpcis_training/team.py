"""One process, or several that share each step's crops and act as one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor, nn

from napari_gpcis.engine.device import find_device
from napari_gpcis_training.batches import Share
from napari_gpcis_training.shared_norm import SharedBatchNorm, share_norms
from napari_gpcis_training.training_pass import TrainingPass

if TYPE_CHECKING:
    from accelerate import Accelerator

    from napari_gpcis_training.batches import Batch
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.state import TrainingState

Precision = Literal["no", "bf16", "fp16"]


class Team(Protocol):
    """What a step needs of whoever carries it out."""

    share: Share

    def run(self, state: TrainingState, batch: Batch, config: TrainConfig) -> tuple[Tensor, Tensor]:
        """Loss and sums of a `TrainingPass` over this process's crops."""
        ...

    def descend(self, state: TrainingState, loss: Tensor, gradient_clip: float | None) -> None:
        """Take a step on the gradient over all crops, unless it is not finite."""
        ...

    def add_up(self, values: Tensor) -> Tensor:
        """Sum over the processes."""
        ...

    def scaler(self) -> Any | None:
        """What scales fp16's loss, as it has a state."""
        ...


class Alone:
    """One process without further ado.

    Parameters
    ----------
    mixed_precision : bool
        Whether encoder and decoder run in bfloat16.
    """

    def __init__(self, mixed_precision: bool = False) -> None:
        self.share = Share()
        self._mixed_precision = mixed_precision

    def run(self, state: TrainingState, batch: Batch, config: TrainConfig) -> tuple[Tensor, Tensor]:
        """See `Team`."""
        device = state.network.mean.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self._mixed_precision):
            loss, sums = TrainingPass(state.network)(batch, config, state.step)
        return loss, sums

    def descend(self, state: TrainingState, loss: Tensor, gradient_clip: float | None) -> None:
        """See `Team`."""
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        limit = float("inf") if gradient_clip is None else gradient_clip
        if torch.isfinite(nn.utils.clip_grad_norm_(state.network.parameters(), limit)):
            state.optimiser.step()

    def add_up(self, values: Tensor) -> Tensor:
        """See `Team`."""
        return values

    def scaler(self) -> None:
        """See `Team`."""
        return None


class Accelerated:
    """Processes under accelerate, which gives devices, mixed precision and data parallelism.

    Losses and gradients are those of one process. Batch norms are over all processes: torch's on
    CUDA, where a crop that fills up a share counts in them, and `SharedBatchNorm` on the CPU.

    Parameters
    ----------
    accelerator : Accelerator
    state : TrainingState
        On the accelerator's device; its batch norms are exchanged where there are several
        processes.
    """

    def __init__(self, accelerator: Accelerator, state: TrainingState) -> None:
        self.share = Share(accelerator.process_index, accelerator.num_processes)
        self._accelerator = accelerator
        if self.share.size > 1:
            _share_norms(state.network, accelerator.device)
        self._pass = accelerator.prepare_model(TrainingPass(state.network))
        self._optimiser = accelerator.prepare_optimizer(state.optimiser)

    def run(self, state: TrainingState, batch: Batch, config: TrainConfig) -> tuple[Tensor, Tensor]:
        """See `Team`."""
        counted = batch.weight > 0
        for module in state.network.modules():
            if isinstance(module, SharedBatchNorm):
                module.counted = counted
        loss, sums = self._pass(batch, config, state.step)
        # data parallelism takes the mean over processes, whose shares may differ
        return loss * (batch.weight * self.share.size), sums * counted

    def descend(self, state: TrainingState, loss: Tensor, gradient_clip: float | None) -> None:
        """See `Team`."""
        self._optimiser.zero_grad(set_to_none=True)
        self._accelerator.backward(loss)
        limit = float("inf") if gradient_clip is None else gradient_clip
        norm = self._accelerator.clip_grad_norm_(state.network.parameters(), limit)
        # a scaler passes over a step itself, and has to hear of it
        if self.scaler() is not None or torch.isfinite(norm):
            self._optimiser.step()

    def add_up(self, values: Tensor) -> Tensor:
        """See `Team`."""
        if self.share.size == 1:
            return values
        on_device = values.to(self._accelerator.device, torch.float32)
        total: Tensor = self._accelerator.reduce(on_device, "sum")
        return total.to("cpu", torch.float64)

    def scaler(self) -> Any | None:
        """See `Team`."""
        return self._accelerator.scaler


def start_accelerator(device: str, precision: Precision) -> Accelerator:
    """Join the other processes, if there are any.

    Parameters
    ----------
    device : str
        "auto", or a name that torch knows; of several processes on CUDA each takes its own.
    precision : {"no", "bf16", "fp16"}
        In which encoder and decoder run.

    Raises
    ------
    ValueError
        If the device is not there, cannot do the precision, or accelerate is not installed.
    """
    chosen = find_device(device)
    if precision == "fp16" and chosen.type == "cpu":
        raise ValueError("expected bf16 or no as precision on the CPU, got fp16; change it")
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs
        from accelerate.state import AcceleratorState
    except ImportError as error:
        raise ValueError(
            "expected the package accelerate, got none; pip install 'napari-gpcis[train]'"
        ) from error
    # a second run in one process may want another device
    AcceleratorState._reset_state(reset_partial_state=True)
    if chosen.index is not None:
        os.environ["ACCELERATE_TORCH_DEVICE"] = str(chosen)
    try:
        # an encoder may have parameters without use: always the same ones
        parallel = DistributedDataParallelKwargs(static_graph=True)
        return Accelerator(
            cpu=chosen.type == "cpu", mixed_precision=precision, kwargs_handlers=[parallel]
        )
    finally:
        os.environ.pop("ACCELERATE_TORCH_DEVICE", None)


def _share_norms(network: nn.Module, device: torch.device) -> None:
    if device.type == "cpu":
        # a group of its own: its sums must not be mistaken for gradients
        group: Any = torch.distributed.new_group()
        share_norms(network, group)
        return
    from timm import layers

    # timm's knows of norms with an activation of their own
    convert: Any = vars(layers)["convert_sync_batchnorm"]
    convert(network)
