"""What each part of the network is worth: trains variants alike and prints a table.

    python benchmarks/ablation.py --data DIR --encoder-weights FILE --output DIR [--steps 1000]

Every variant starts from the same encoder, sees the same crops and initial clicks for the same
number of steps, and is scored on the same held-out objects. Variants that are in the output folder
already are not trained again, so that the table can be made in several sittings.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.evaluate import evaluate, evaluation_crops
from napari_gpcis_training.options import TrainOptions
from napari_gpcis_training.run import MODEL, train_model

from napari_gpcis import load_model

if TYPE_CHECKING:
    from napari_gpcis_training.augment import Crop
    from napari_gpcis_training.evaluate import ValidationScores

VARIANTS: dict[str, dict[str, Any]] = {
    "GP head, stride 4": {},
    "conv head": {"network__head": "conv"},
    "stride 1": {"network__stride": 1},
    "no prior path": {"network__prior_path": False},
    "no colour kernel": {"network__colour_kernel": False},
    "no previous mask": {"network__previous_mask": False},
}
"""By name, what differs from the default configuration."""

SMALLER_STEPS = {"optimiser__batch_size": 6, "augment__wide_count": 2, "augment__size": 192}
"""Half the crops a step: six variants have to fit into a session."""


@dataclass
class Row:
    """A variant's scores per data set."""

    variant: str
    parameters: int
    scores: dict[str, ValidationScores]
    milliseconds: float


def train_variant(options: argparse.Namespace, name: str) -> Path:
    """Train a variant unless it is there; returns its model file."""
    folder: Path = options.output / name.replace(" ", "_").replace(",", "")
    if not (folder / MODEL).exists():
        overrides = SMALLER_STEPS | {"optimiser__steps": options.steps, "workers": 0}
        train_model(
            TrainOptions(
                data=options.data,
                output=folder,
                overrides=overrides | VARIANTS[name],
                encoder_weights=options.encoder_weights,
                resume=any(folder.glob("checkpoint*.pt")),
                objects=1,
            )
        )
    return folder / MODEL


def measure(name: str, path: Path, crops: dict[str, list[Crop]]) -> Row:
    """Score a trained variant."""
    network = load_model(path)
    started = time.perf_counter()
    scores = {data: evaluate(network, items) for data, items in crops.items()}
    spent = time.perf_counter() - started
    answers = sum(_answers(score) for score in scores.values())
    count = sum(parameter.numel() for parameter in network.parameters())
    return Row(name, count, scores, 1e3 * spent / answers)


def _answers(score: ValidationScores) -> float:
    # five clicks at least, and until 0.90
    return score.objects * max(5.0, score.noc90)


def table(rows: list[Row]) -> str:
    """Markdown: NoC@85 / NoC@90 per data set, then what is summed over the sets."""
    sets = list(rows[0].scores)
    head = ["variant", *sets, "mean NoC@85 / @90", "NoIC (all rounds)", "parameters", "ms a click"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        scores = list(row.scores.values())
        cells = [f"{score.noc85:.2f} / {score.noc90:.2f}" for score in scores]
        mean85 = sum(score.noc85 for score in scores) / len(scores)
        mean90 = sum(score.noc90 for score in scores) / len(scores)
        final = sum(score.contradicted_final for score in scores)
        rounds = sum(score.contradicted_rounds for score in scores)
        cells += [f"{mean85:.2f} / {mean90:.2f}", f"{final} ({rounds:,})"]
        cells += [f"{row.parameters:,}", f"{row.milliseconds:.0f}"]
        lines.append("| " + " | ".join([row.variant, *cells]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the options; train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder-weights", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=60, help="held-out objects per set")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", action="append", choices=list(VARIANTS))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names = options.only or list(VARIANTS)
    models = {name: train_variant(options, name) for name in names}
    config = load_config("default")
    crops = {
        source.name: evaluation_crops(
            load_set(options.data, source, "validation", config.min_area), options.objects
        )
        for source in config.data
    }
    rows: list[Row] = []
    for name, path in models.items():
        rows.append(measure(name, path, crops))
        print(table(rows[-1:]), flush=True)
    (options.output / "ablation.md").write_text(table(rows), encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
