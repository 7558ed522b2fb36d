"""Networks: encoder, decoder and head, and the files that hold them."""

from __future__ import annotations

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
    "save_checkpoint",
]
