"""One process, or several that share each step's crops and act as one; and how to start them."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Literal, Protocol
from uuid import uuid4

import torch
from torch import Tensor, nn

from napari_gpcis.engine.device import find_device
from napari_gpcis_training.batches import Share
from napari_gpcis_training.shared_norm import SharedBatchNorm, share_norms
from napari_gpcis_training.training_pass import TrainingPass

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerate import Accelerator

    from napari_gpcis_training.batches import Batch
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.state import TrainingState

Precision = Literal["no", "bf16", "fp16"]
_USER_ERROR = 2


class Processes(Protocol):
    """The process or processes that carry out a step together."""

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
        """Scaler of fp16's loss, which has a state; None without one."""
        ...


class SingleProcess:
    """One process, without accelerate.

    Parameters
    ----------
    mixed_precision : bool
        True to run encoder and decoder in bfloat16.
    """

    def __init__(self, mixed_precision: bool = False) -> None:
        self.share = Share()
        self._mixed_precision = mixed_precision

    def run(self, state: TrainingState, batch: Batch, config: TrainConfig) -> tuple[Tensor, Tensor]:
        """See `Processes`."""
        device = state.network.mean.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self._mixed_precision):
            loss, sums = TrainingPass(state.network)(batch, config, state.step)
        return loss, sums

    def descend(self, state: TrainingState, loss: Tensor, gradient_clip: float | None) -> None:
        """See `Processes`."""
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        limit = float("inf") if gradient_clip is None else gradient_clip
        if torch.isfinite(nn.utils.clip_grad_norm_(state.network.parameters(), limit)):
            state.optimiser.step()

    def add_up(self, values: Tensor) -> Tensor:
        """See `Processes`."""
        return values

    def scaler(self) -> None:
        """See `Processes`."""
        return None


class AcceleratedProcesses:
    """Processes under accelerate, which gives devices, mixed precision and data parallelism.

    Losses and gradients are those of one process. Batch norms are over all processes: torch's on
    CUDA, where a crop that fills up a share counts in them, and `SharedBatchNorm` on the CPU.

    Parameters
    ----------
    accelerator : Accelerator
    state : TrainingState
        State on the accelerator's device; its batch norms are replaced where there are several
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
        """See `Processes`."""
        counted = batch.weight > 0
        for module in state.network.modules():
            if isinstance(module, SharedBatchNorm):
                module.counted = counted
        loss, sums = self._pass(batch, config, state.step)
        # data parallelism takes the mean over processes, whose shares may differ
        return loss * (batch.weight * self.share.size), sums * counted

    def descend(self, state: TrainingState, loss: Tensor, gradient_clip: float | None) -> None:
        """See `Processes`."""
        self._optimiser.zero_grad(set_to_none=True)
        self._accelerator.backward(loss)
        limit = float("inf") if gradient_clip is None else gradient_clip
        norm = self._accelerator.clip_grad_norm_(state.network.parameters(), limit)
        # a scaler passes over a step itself, and has to hear of it
        if self.scaler() is not None or torch.isfinite(norm):
            self._optimiser.step()

    def add_up(self, values: Tensor) -> Tensor:
        """See `Processes`."""
        if self.share.size == 1:
            return values
        on_device = values.to(self._accelerator.device, torch.float32)
        total: Tensor = self._accelerator.reduce(on_device, "sum")
        return total.to("cpu", torch.float64)

    def scaler(self) -> Any | None:
        """See `Processes`."""
        return self._accelerator.scaler


def start_accelerator(device: str, precision: Precision) -> Accelerator:
    """Join the other processes, if there are any.

    Parameters
    ----------
    device : str
        "auto", or a name that torch knows; of several processes on CUDA each takes its own.
    precision : {"no", "bf16", "fp16"}
        Precision of encoder and decoder.

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


def launched() -> bool:
    """Say whether this process is one of several that a launcher has started."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def launch(work: Callable[[Any], None], argument: Any, processes: int) -> None:
    """Call `work(argument)` in processes that find each other over the loopback.

    Signals reach all of them: on SIGTERM or SIGINT each ends as it would alone.

    Parameters
    ----------
    work : callable
        Function at the top of a module.
    argument : object
        Its argument, which can be pickled.
    processes : int
        Number of processes.

    Raises
    ------
    ValueError
        If one of them failed, after its own message on the standard error.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        start_method="spawn",
    )
    # its own account of a failure is a page of text beside ours
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        elastic_launch(settings, _work)(work, argument)
    except SignalException:
        return  # the processes have received it too, and have said so
    except ChildFailedError as error:
        raise ValueError(
            f"expected {processes} processes to succeed, got exit code "
            f"{error.get_first_failure()[1].exitcode} from one; its own message is above"
        ) from error


def _work(work: Callable[[Any], None], argument: Any) -> None:
    """Work in a started process; a user's mistake is reported once, as one line."""
    try:
        work(argument)
    except ValueError as error:
        if os.environ.get("RANK", "0") == "0":
            from rich.console import Console

            Console(stderr=True).print(f"[red]error:[/red] {error}", highlight=False)
        raise SystemExit(_USER_ERROR) from error
