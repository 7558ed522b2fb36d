"""Checkpoints: all that changes while training, in the last two files that were whole."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis_training.state import Schedule
from napari_gpcis_training.training_pass import StepReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.config import TrainConfig
    from napari_gpcis_training.state import TrainingState

CHECKPOINT = "checkpoint.pt"
PREVIOUS = "checkpoint.previous.pt"
BEFORE_DECAY = "before_decay.pt"


class DamagedCheckpointError(ValueError):
    """A file that cannot be read as a checkpoint."""


def save_state(
    path: Path, state: TrainingState, config: TrainConfig, scaler: dict[str, Any] | None = None
) -> None:
    """Write a checkpoint; the file appears whole or not at all.

    Random numbers are functions of seed and step, so that no generator's state is needed.

    Parameters
    ----------
    path : Path
        File to write.
    state : TrainingState
        State to write.
    config : TrainConfig
        Settings, written beside the state for whoever reads the file.
    scaler : dict, optional
        State of what scales fp16's loss.

    Raises
    ------
    ValueError
        When the disk is full or refuses; what was at `path` is still there.
    """
    with atomic_write(path) as part, os_errors_as_output_errors(path):
        _write(part, _content(state, config, scaler))


def rotate_state(
    folder: Path, state: TrainingState, config: TrainConfig, scaler: dict[str, Any] | None = None
) -> None:
    """Write a folder's checkpoint, and keep the one before; arguments as of `save_state`."""
    path = folder / CHECKPOINT
    with atomic_write(path) as part, os_errors_as_output_errors(path):
        _write(part, _content(state, config, scaler))
        if path.exists():
            os.replace(path, folder / PREVIOUS)


def has_checkpoint(folder: Path) -> bool:
    """Say whether there is a run to go on with."""
    return (folder / CHECKPOINT).exists() or (folder / PREVIOUS).exists()


def resume_state(
    folder: Path, state: TrainingState, say: Callable[[str], None] = print
) -> dict[str, Any] | None:
    """Go on from a folder's last checkpoint, or from the one before where it is damaged.

    Returns
    -------
    The scaler's state, if there is one.

    Raises
    ------
    ValueError
        When there is none, both are damaged, or it is of another network.
    """
    paths = [path for path in (folder / CHECKPOINT, folder / PREVIOUS) if path.exists()]
    if not paths:
        raise ValueError(
            f"expected a checkpoint in {folder}, got none; choose the run's folder or leave out "
            "--resume"
        )
    for path in paths[:-1]:
        try:
            return load_state(path, state)
        except DamagedCheckpointError as error:
            say(f"{error}; takes {paths[-1].name} instead")
    return load_state(paths[-1], state)


def load_state(path: str | Path, state: TrainingState) -> dict[str, Any] | None:
    """Go on from a checkpoint.

    Returns
    -------
    The scaler's state, if there is one.

    Raises
    ------
    DamagedCheckpointError
        When it is unreadable.
    ValueError
        When it is of another network.
    """
    content = _read(path, state.network)
    state.network.load_state_dict(content["network"])
    state.average.load_state_dict(content["average"])
    peaks = [group["peak"] for group in state.optimiser.param_groups]
    state.optimiser.load_state_dict(content["optimiser"])
    for group, peak in zip(state.optimiser.param_groups, peaks, strict=True):
        group["peak"] = peak
    state.schedule = Schedule(**content["schedule"])
    state.step, state.seconds = content["step"], content["seconds"]
    state.recent = [StepReport(*figures) for figures in content.get("recent", [])]
    scaler: dict[str, Any] | None = content.get("scaler")
    return scaler


def load_average(path: str | Path, network: SegmentationNetwork) -> None:
    """Give a network the averaged weights of a checkpoint, which is what a run exports.

    Raises
    ------
    DamagedCheckpointError
        When it is unreadable.
    ValueError
        When it is of another network.
    """
    network.load_state_dict(_read(path, network)["average"])


def _read(path: str | Path, network: SegmentationNetwork) -> dict[str, Any]:
    """Content of a checkpoint of such a network, on its device."""
    device = next(network.parameters()).device
    try:
        _check_sums(path)
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise DamagedCheckpointError(
            f"expected a training checkpoint in {path}, got: {error}; check the path"
        ) from error
    if content.get("network_config") != asdict(network.config):
        raise ValueError(
            f"expected a checkpoint of {asdict(network.config)}, got one of "
            f"{content.get('network_config')}; give the same --config and --head as then"
        )
    return content


def _check_sums(path: str | Path) -> None:
    # torch itself reads past a changed byte
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"a wrong check sum of {damaged}")


def _content(
    state: TrainingState, config: TrainConfig, scaler: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "schedule": asdict(state.schedule),
        "step": state.step,
        "seconds": state.seconds,
        "recent": [list(report) for report in state.recent],
        "scaler": scaler,
        "network_config": asdict(state.network.config),
        "config": config.model_dump_json(),
    }


def _write(part: Path, content: dict[str, Any]) -> None:
    # torch's own writer reports a full disk as a riddle
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with part.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
