"""Calibration of a network's probabilities on held-out objects, and its temperature."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from safetensors.torch import save as to_bytes

from napari_gpcis.io.files import atomic_write, os_errors_as_output_errors
from napari_gpcis.model import load_model, model_card
from napari_gpcis_training.calibration.held_out_pixels import CLICKS, Pixels, gather_pixels
from napari_gpcis_training.calibration.reliability import (
    Bins,
    confidence_bins,
    find_temperature,
    measure,
    object_bins,
)
from napari_gpcis_training.calibration.tables import as_markdown
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.evaluate import evaluation_crops
from napari_gpcis_training.plotting.diagrams import draw_reliability

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.augment import Crop

__all__ = ["calibrate", "calibration_report", "fit_temperature", "halve", "set_temperature"]

PER_SLICE = 5
"""Crops of one slice at most, as `evaluation_crops` takes them."""
OBJECTS = 100


def fit_temperature(
    network: SegmentationNetwork, crops: Sequence[Crop], *, with_variance: bool = True
) -> float:
    """Fit T so that sigmoid(f / (T √(1 + π v / 8))) is calibrated near held-out objects.

    Parameters
    ----------
    network : SegmentationNetwork
        Its present temperature plays no part.
    crops : sequence of Crop
        Of objects that it was not trained on.
    with_variance : bool
        Or, without, sigmoid(f / T).

    Returns
    -------
    float
        For `NetworkConfig.temperature`.

    Raises
    ------
    ValueError
        If there is no crop.
    """
    return _temperature(gather_pixels(network, crops), with_variance=with_variance)


def halve(held_out: Mapping[str, Sequence[Crop]]) -> tuple[list[Crop], dict[str, list[Crop]]]:
    """Split each set's crops into those to fit on, and those to report on.

    They stand in the order of files and slices. At the cut as many are left out as a slice has at
    most, so that no slice is in both; sets of fewer than 20 crops have no such gap.

    Returns
    -------
    fit : list of Crop
    report : dict of str to list of Crop
    """
    fit: list[Crop] = []
    report: dict[str, list[Crop]] = {}
    for name, crops in held_out.items():
        gap = PER_SLICE if len(crops) >= 20 else 0
        middle = (len(crops) - gap + 1) // 2
        fit += crops[:middle]
        report[name] = list(crops[middle + gap :])
    return fit, {name: crops for name, crops in report.items() if crops}


def calibration_report(
    network: SegmentationNetwork, held_out: Mapping[str, Sequence[Crop]], folder: Path
) -> dict[str, Any]:
    """Fit a temperature on half of the held-out objects, and report calibration on the others.

    Writes `calibration.json`, `calibration.md`, and the reliability diagrams `reliability.png`, of
    the predicted class, and `reliability_object.png`, of the object's probability.

    Parameters
    ----------
    network : SegmentationNetwork
        On any device.
    held_out : mapping of str to sequence of Crop
        By data set, as `evaluate.evaluation_crops` gives them; two of one set at least.
    folder : Path
        Is made if need be.

    Returns
    -------
    dict
        What stands in `calibration.json`: the temperature; scores by region ("near": the object's
        box grown by a quarter; "crop": three times the object), by clicks and by set, each of four
        ways to a probability; and the diagrams' bins.

    Raises
    ------
    ValueError
        If there are too few objects.
    OutputFileError
        If the system refuses to write.
    """
    fit_on, report_on = halve(held_out)
    if not report_on:
        raise ValueError("expected two held-out objects or more, got fewer; choose other data")
    fitted = gather_pixels(network, fit_on)
    temperature = _temperature(fitted, with_variance=True)
    parts = {name: gather_pixels(network, crops) for name, crops in report_on.items()}
    every = Pixels.join(list(parts.values()))
    near = every.where(every.near)
    report = {
        "temperature": temperature,
        "temperature_without_variance": _temperature(fitted, with_variance=False),
        "temperature_of_model": network.config.temperature,
        "fitted_on": len(fit_on),
        "reported_on": {name: len(crops) for name, crops in report_on.items()},
        "pixels": {"near": len(near), "crop": len(every)},
        "near": _scores(near, temperature),
        "crop": _scores(every, temperature),
        "near_by_clicks": {
            clicks: _scores(near.where(near.clicks == clicks), temperature) for clicks in CLICKS
        },
        "near_by_set": {
            name: _scores(part.where(part.near), temperature) for name, part in parts.items()
        },
    }
    bins = {
        "predicted_class": {n: confidence_bins(f, near.truth) for n, f in _ways(near, temperature)},
        "object": {n: object_bins(f, near.truth) for n, f in _ways(near, temperature)},
    }
    report["bins"] = {
        kind: {name: _plain(each) for name, each in named.items()} for kind, named in bins.items()
    }
    _write(folder, report)
    title = "Reliability near held-out objects"
    draw_reliability(folder / "reliability.png", bins["predicted_class"], title)
    draw_reliability(folder / "reliability_object.png", bins["object"], f"{title}, of the object")
    return report


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
        How T was found, for the model card: becomes `training["calibration"]`.

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


def calibrate(
    model: str | Path,
    data: Path,
    output: Path,
    folder: Path,
    config: str = "default",
    objects: int = OBJECTS,
) -> float:
    """Fit a model's temperature on held-out objects, and write the model with it.

    Parameters
    ----------
    model : str or Path
        Name or path.
    data : Path
        Folder of the data sets that the configuration names.
    output : Path
        The model with its temperature.
    folder : Path
        Where the report goes; see `calibration_report`.
    config : str
        Configuration, by name or path.
    objects : int
        Of a set at most, half of which the temperature is fitted on.

    Returns
    -------
    float
        The temperature.

    Raises
    ------
    ValueError
        If something cannot be read or written.
    """
    settings = load_config(config)
    held_out = {
        source.name: evaluation_crops(
            load_set(data, source, "validation", settings.min_area), objects, PER_SLICE
        )
        for source in settings.data
    }
    report = calibration_report(load_model(model), held_out, folder)
    facts = {
        "fitted_on": report["fitted_on"],
        "reported_on": sum(report["reported_on"].values()),
        "near": report["near"],
    }
    temperature: float = report["temperature"]
    set_temperature(model, temperature, output, facts)
    return temperature


def _temperature(pixels: Pixels, *, with_variance: bool) -> float:
    """T of the smallest negative log-likelihood near the objects; every pixel counts alike."""
    near = pixels.where(pixels.near)
    return find_temperature(near.logits(with_variance=with_variance), near.truth)


def _ways(pixels: Pixels, temperature: float) -> list[tuple[str, Any]]:
    """Logits of four ways to a probability."""
    return [
        ("f", pixels.logits(with_variance=False)),
        ("f, variance", pixels.logits(with_variance=True)),
        ("f / T", pixels.logits(with_variance=False, temperature=temperature)),
        ("f / T, variance", pixels.logits(with_variance=True, temperature=temperature)),
    ]


def _scores(pixels: Pixels, temperature: float) -> dict[str, dict[str, float]]:
    return {
        name: asdict(measure(logits, pixels.truth)) for name, logits in _ways(pixels, temperature)
    }


def _plain(bins: Bins) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in asdict(bins).items()}


def _write(folder: Path, report: dict[str, Any]) -> None:
    with os_errors_as_output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "calibration.json": json.dumps(report, indent=2, allow_nan=False) + "\n",
        "calibration.md": as_markdown(report),
    }
    for name, text in texts.items():
        with atomic_write(folder / name) as part, os_errors_as_output_errors(folder / name):
            part.write_text(text, encoding="utf-8")
