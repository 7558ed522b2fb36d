"""The temperature of a network: found on held-out objects, kept in the model's file."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from safetensors.torch import save as to_bytes

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis.model import model_card
from napari_gpcis_training.calibration.held_out_pixels import gather_pixels
from napari_gpcis_training.calibration.reliability import find_temperature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.augment import Crop
    from napari_gpcis_training.calibration.held_out_pixels import Pixels

__all__ = ["fit_temperature", "set_temperature", "temperature_near"]


def fit_temperature(
    network: SegmentationNetwork, crops: Sequence[Crop], *, with_variance: bool = True
) -> float:
    """Fit T so that sigmoid(f / (T √(1 + π v / 8))) is calibrated near held-out objects.

    Parameters
    ----------
    network : SegmentationNetwork
        The network, whose present temperature plays no part.
    crops : sequence of Crop
        Crops of objects that it was not trained on.
    with_variance : bool
        Or, without, sigmoid(f / T).

    Returns
    -------
    float
        The value for `NetworkConfig.temperature`.

    Raises
    ------
    ValueError
        If there is no crop.
    """
    return temperature_near(gather_pixels(network, crops), with_variance=with_variance)


def temperature_near(pixels: Pixels, *, with_variance: bool) -> float:
    """T of the smallest negative log-likelihood near the objects; every pixel counts alike."""
    near = pixels.where(pixels.near)
    return find_temperature(near.logits(with_variance=with_variance), near.truth)


def set_temperature(
    model: str | Path, temperature: float, output: str | Path, facts: Mapping[str, Any]
) -> None:
    """Write a model with another temperature; its weights stay as they are, bit by bit.

    Parameters
    ----------
    model : str or Path
        Name or path of a model.
    temperature : float
        T > 0.
    output : str or Path
        A .safetensors file; may be the model itself.
    facts : mapping
        Origin of T, for the model card: becomes `training["calibration"]`.

    Raises
    ------
    ValueError
        If T is not above 0.
    ModelFileError
        If there is no such model, or its file cannot be read.
    OutputFileError
        If the system refuses to write.
    """
    card = model_card(model)
    config = replace(card.config, temperature=temperature)
    with safe_open(card.path, framework="pt") as file:
        metadata = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    metadata["config"] = json.dumps(asdict(config))
    metadata["training"] = json.dumps({**card.training, "calibration": dict(facts)})
    with atomic_write(output) as part, os_errors_as_output_errors(output):
        part.write_bytes(to_bytes(tensors, metadata))
