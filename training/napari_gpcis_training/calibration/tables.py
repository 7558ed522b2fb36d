"""The report of a calibration as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_gpcis_training.plotting.names import markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["as_markdown"]

_WAYS = {
    "f": "sigmoid(f)",
    "f, variance": "sigmoid(f / √(1 + πv/8))",
    "f / T": "sigmoid(f / T)",
    "f / T, variance": "sigmoid(f / (T √(1 + πv/8)))",
}
_MEASURES = ("ece", "object_ece", "brier", "nll")
_LEGEND = """\
ECE: expected calibration error of the predicted class, %, 15 bins of equal width between 0.5 and
1; of the object's probability, 15 bins between 0 and 1. Brier score and negative log-likelihood
(NLL, nats) are means over pixels. Less is better. Near: in the object's box, grown on each side by
a quarter of its longer side. Crop: three times the object. Pixels are sampled after {clicks}
clicks by the benchmark's clicker, of every object alike.
"""


def as_markdown(report: Mapping[str, Any]) -> str:
    """Tables of what `calibration.calibration_report` found."""
    return "\n".join(_lines(report))


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    reported = sum(report["reported_on"].values())
    yield "# Calibration"
    yield ""
    yield (
        f"T = {report['temperature']:.3f}, fitted with the variance near {report['fitted_on']} "
        f"held-out objects (without it, it would be {report['temperature_without_variance']:.3f}; "
        f"the model's file has {report['temperature_of_model']:.3f}). Scores are of {reported} "
        "other held-out objects."
    )
    yield ""
    yield _LEGEND.format(clicks=", ".join(map(str, report["near_by_clicks"])))
    yield "| pixels | probability | ECE, % | ECE of the object, % | Brier | NLL |"
    yield "|---|---|---:|---:|---:|---:|"
    for region in ("near", "crop"):
        for way, scores in report[region].items():
            ece, object_ece, brier, nll = (scores[name] for name in _MEASURES)
            cells = f"{100 * ece:.2f} | {100 * object_ece:.2f} | {brier:.4f} | {nll:.4f}"
            yield f"| {region} | {_WAYS[way]} | {cells} |"
    yield ""
    yield "ECE near the objects, %; of the data sets, with how many objects:"
    yield ""
    yield f"| | {' | '.join(_WAYS.values())} |"
    yield "|---|" + "---:|" * len(_WAYS)
    for clicks, ways in report["near_by_clicks"].items():
        yield _row(f"{clicks} click{'s' if clicks > 1 else ''}", ways)
    for name, ways in report["near_by_set"].items():
        yield _row(f"{markdown(name)} ({report['reported_on'][name]})", ways)
    yield ""


def _row(name: str, ways: Mapping[str, Mapping[str, float]]) -> str:
    return f"| {name} | {' | '.join(format(100 * ways[way]['ece'], '.2f') for way in _WAYS)} |"
