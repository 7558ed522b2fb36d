"""Report of a network's calibration on held-out objects, and a model calibrated by it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from napari_gpcis.model import load_model
from napari_gpcis_training.calibration.held_out_pixels import CLICKS, Pixels, gather_pixels
from napari_gpcis_training.calibration.reliability import (
    Bins,
    confidence_bins,
    measure,
    object_bins,
)
from napari_gpcis_training.calibration.temperature import set_temperature, temperature_near
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.evaluate import evaluation_crops
from napari_gpcis_training.plotting import draw_reliability
from napari_gpcis_training.reports import markdown, markdown_rows, write_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.augment import Crop

__all__ = ["calibrate", "calibration_report", "halve"]

PER_SLICE = 5
"""Crops of one slice at most, as `evaluation_crops` takes them."""
OBJECTS = 100
_WAYS = {
    "f": "sigmoid(f)",
    "f, variance": "sigmoid(f / √(1 + πv/8))",
    "f / T": "sigmoid(f / T)",
    "f / T, variance": "sigmoid(f / (T √(1 + πv/8)))",
}
_LEGEND = """\
ECE: expected calibration error of the predicted class, %, 15 bins of equal width between 0.5 and
1; of the object's probability, 15 bins between 0 and 1. Brier score and negative log-likelihood
(NLL, nats) are means over pixels. Less is better. Near: in the object's box, grown on each side by
a quarter of its longer side. Crop: three times the object. Pixels are sampled after {clicks}
clicks by the benchmark's clicker, of every object alike."""


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
        A network on any device.
    held_out : mapping of str to sequence of Crop
        Crops by data set, as `evaluate.evaluation_crops` gives them; two of one set at least.
    folder : Path
        Created if missing.

    Returns
    -------
    dict
        Content of `calibration.json`: the temperature; scores by region ("near": the object's
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
    temperature = temperature_near(fitted, with_variance=True)
    parts = {name: gather_pixels(network, crops) for name, crops in report_on.items()}
    every = Pixels.join(list(parts.values()))
    near = every.where(every.near)
    report = {
        "temperature": temperature,
        "temperature_without_variance": temperature_near(fitted, with_variance=False),
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
    texts = {
        "calibration.json": json.dumps(report, indent=2, allow_nan=False) + "\n",
        "calibration.md": as_markdown(report),
    }
    write_texts(folder, texts)
    title = "Reliability near held-out objects"
    draw_reliability(folder / "reliability.png", bins["predicted_class"], title)
    draw_reliability(folder / "reliability_object.png", bins["object"], f"{title}, of the object")
    return report


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
        Folder of the report; see `calibration_report`.
    config : str
        Configuration, by name or path.
    objects : int
        Most objects of a set, half of which the temperature is fitted on.

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


def as_markdown(report: Mapping[str, Any]) -> str:
    """Tables of what `calibration_report` found."""
    scores = [
        {
            "pixels": region,
            "probability": _WAYS[way],
            "ECE, %": f"{100 * each['ece']:.2f}",
            "ECE of the object, %": f"{100 * each['object_ece']:.2f}",
            "Brier": f"{each['brier']:.4f}",
            "NLL": f"{each['nll']:.4f}",
        }
        for region in ("near", "crop")
        for way, each in report[region].items()
    ]
    groups = {
        **{
            f"{clicks} click{'s' if clicks > 1 else ''}": ways
            for clicks, ways in report["near_by_clicks"].items()
        },
        **{
            f"{markdown(name)} ({report['reported_on'][name]})": ways
            for name, ways in report["near_by_set"].items()
        },
    }
    errors = [
        {"": name, **{title: f"{100 * ways[way]['ece']:.2f}" for way, title in _WAYS.items()}}
        for name, ways in groups.items()
    ]
    sections = (
        "# Calibration",
        f"T = {report['temperature']:.3f}, fitted with the variance near {report['fitted_on']} "
        f"held-out objects (without it, it would be {report['temperature_without_variance']:.3f}; "
        f"the model's file has {report['temperature_of_model']:.3f}). Scores are of "
        f"{sum(report['reported_on'].values())} other held-out objects.",
        _LEGEND.format(clicks=", ".join(map(str, report["near_by_clicks"]))),
        markdown_rows(pd.DataFrame(scores)),
        "ECE near the objects, %; of the data sets, with how many objects:",
        markdown_rows(pd.DataFrame(errors)),
    )
    return "\n\n".join(sections) + "\n"


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
