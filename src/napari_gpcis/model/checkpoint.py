"""Model files: safetensors that carry their configuration, training data and scores."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from napari_gpcis.model.config import NetworkConfig
from napari_gpcis.model.folders import SUFFIX, model_files, user_models_folder
from napari_gpcis.model.network import SegmentationNetwork, build_network
from napari_gpcis.model.official import import_official
from napari_gpcis.model.state import ModelFileError, copy_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch
    from torch import Tensor

__all__ = [
    "ModelCard",
    "ModelFileError",
    "import_official",
    "list_models",
    "load_checkpoint",
    "load_model",
    "model_card",
    "save_checkpoint",
    "user_models_folder",
]

FORMAT = "napari-gpcis"
FORMAT_VERSION = 1
_REMEDY = (
    "give a model saved by napari-gpcis, or turn one into it with 'napari-gpcis models import'"
)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The card of a model: the facts that its file states.

    Attributes
    ----------
    name : str
        The shipped name, or the file's name without suffix.
    path : Path
    config : NetworkConfig
    training : dict
        Data sets with their licences, and the recipe.
    scores : dict
        Scores by data set and metric.
    licence : str
        Licence of the weights.
    """

    name: str
    path: Path
    config: NetworkConfig
    training: dict[str, Any]
    scores: dict[str, Any]
    licence: str


def save_checkpoint(
    path: str | Path,
    network: SegmentationNetwork,
    *,
    training: Mapping[str, Any],
    scores: Mapping[str, Any],
    licence: str = "",
    half: bool = False,
) -> None:
    """Write a model file, which appears whole or not at all.

    Parameters
    ----------
    path : str or Path
        File to write; overwritten if it exists.
    network : SegmentationNetwork
        Network on any device.
    training : mapping
        Training data and settings, for the model card; values that JSON can hold.
    scores : mapping
        Scores by data set and metric.
    licence : str
        Licence of the weights.
    half : bool
        Store weights of two and more dimensions as float16: half the size, and the model still
        computes in float32.

    Raises
    ------
    ModelFileError
        If the file cannot be written there.
    """
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "config": json.dumps(asdict(network.config)),
        "training": json.dumps(dict(training)),
        "scores": json.dumps(dict(scores)),
        "licence": licence,
    }
    tensors = {
        name: (_halve(tensor) if half else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        # safetensors' own writer makes files that nobody but the owner can read
        partial.write_bytes(to_bytes(tensors, metadata))
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        raise ModelFileError(
            f"expected to write a model to {path}, got {_one_line(error)}; "
            "choose a folder that exists and can be written to, on a disk with room"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def load_checkpoint(path: str | Path) -> SegmentationNetwork:
    """Read a model file.

    Parameters
    ----------
    path : str or Path
        A ``.safetensors`` file written by `save_checkpoint`.

    Returns
    -------
    SegmentationNetwork
        On the CPU, in evaluation mode, in float32.

    Raises
    ------
    ModelFileError
        If the file is missing, truncated, foreign, of a newer format, or does not fit the
        configuration that it holds.
    """
    path = Path(path)
    card = _read_card(path, path.stem)
    network = _build(card)
    copy_state(network.state_dict(), _read_tensors(path), f"{path} is damaged: fetch it again")
    return network.eval()


def load_model(name_or_path: str | Path, device: str | torch.device = "cpu") -> SegmentationNetwork:
    """Load a shipped model or one of the user's by name, or any model by path.

    Parameters
    ----------
    name_or_path : str or Path
        A name of `list_models`, or a ``.safetensors`` file.
    device : str or torch.device
        Device that the model is to run on.

    Returns
    -------
    SegmentationNetwork
        The network, in evaluation mode.

    Raises
    ------
    ModelFileError
        If there is no such model, or its file cannot be read.
    """
    _, path = _find(name_or_path)
    return load_checkpoint(path).to(device)


def list_models() -> list[str]:
    """Names of the shipped models, sorted, and then of those in `user_models_folder`."""
    return list(model_files())


def model_card(name_or_path: str | Path) -> ModelCard:
    """Read the card of a model, without its weights.

    Parameters
    ----------
    name_or_path : str or Path
        Name or path, as `load_model` takes it.

    Returns
    -------
    ModelCard

    Raises
    ------
    ModelFileError
        If there is no such model, or its file cannot be read.
    """
    name, path = _find(name_or_path)
    return _read_card(path, name)


def _find(name_or_path: str | Path) -> tuple[str, Path]:
    known = model_files()
    if str(name_or_path) in known:
        return str(name_or_path), known[str(name_or_path)]
    path = Path(name_or_path).expanduser()
    if path.suffix or len(path.parts) > 1 or path.exists():
        return path.stem, path
    raise ModelFileError(
        f"expected the name of a model ({', '.join(known) or 'none is installed'}) or the "
        f"path of a {SUFFIX} file, got {str(name_or_path)!r}; check the spelling"
    )


def _read_card(path: Path, name: str) -> ModelCard:
    with _open(path) as file:
        metadata = file.metadata() or {}
    if metadata.get("format") != FORMAT:
        raise ModelFileError(
            f"expected a napari-gpcis model, got {path}, of another kind; {_REMEDY}"
        )
    version = metadata.get("format_version")
    if version != str(FORMAT_VERSION):
        raise ModelFileError(
            f"expected a model of format version {FORMAT_VERSION}, got version {version} in "
            f"{path}; update napari-gpcis"
        )
    try:
        return ModelCard(
            name=name,
            path=path,
            config=NetworkConfig(**json.loads(metadata["config"])),
            training=dict(json.loads(metadata["training"])),
            scores=dict(json.loads(metadata["scores"])),
            licence=metadata.get("licence", ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"expected a model card in {path}, got one that cannot be read; fetch the file again"
        ) from error


def _build(card: ModelCard) -> SegmentationNetwork:
    try:
        return build_network(card.config)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(
            f"expected a configuration that this version can build, got that of {card.path} "
            f"({_one_line(error)}); update napari-gpcis and timm"
        ) from error


def _read_tensors(path: Path) -> dict[str, Tensor]:
    with _open(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise ModelFileError(f"expected a model file at {path}, got no such file; check the path")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise ModelFileError(
            f"expected a {SUFFIX} file, got {path}, which is truncated or of another kind "
            f"({_one_line(error)}); fetch it again, or {_REMEDY}"
        ) from error


def _halve(tensor: Tensor) -> Tensor:
    """Cast weights to float16, but for norms, biases and those that would overflow."""
    if tensor.ndim < 2 or not tensor.is_floating_point():
        return tensor
    halved = tensor.half()
    return halved if bool(halved.isfinite().all()) else tensor


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
