"""Networks: encoder, decoder and head, and the files that hold them.

The names below are imported on first use: where models lie can be asked without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_gpcis.model.checkpoint import (
        ModelCard,
        ModelFileError,
        import_official,
        list_models,
        load_checkpoint,
        load_model,
        model_card,
        save_checkpoint,
    )
    from napari_gpcis.model.config import NetworkConfig
    from napari_gpcis.model.folders import model_files, user_models_folder
    from napari_gpcis.model.network import SegmentationNetwork, build_network

__all__ = [
    "ModelCard",
    "ModelFileError",
    "NetworkConfig",
    "SegmentationNetwork",
    "build_network",
    "import_official",
    "list_models",
    "load_checkpoint",
    "load_model",
    "model_card",
    "model_files",
    "save_checkpoint",
    "user_models_folder",
]

_HOMES = {
    "ModelCard": "checkpoint",
    "ModelFileError": "checkpoint",
    "NetworkConfig": "config",
    "SegmentationNetwork": "network",
    "build_network": "network",
    "import_official": "checkpoint",
    "list_models": "checkpoint",
    "load_checkpoint": "checkpoint",
    "load_model": "checkpoint",
    "model_card": "checkpoint",
    "model_files": "folders",
    "save_checkpoint": "checkpoint",
    "user_models_folder": "folders",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
