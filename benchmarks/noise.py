"""ε², the GP's noise in use, against clicked pixels that the mask contradicts: prints a table.

    python benchmarks/noise.py --data DIR [--model default] [--objects 100]

The paper's falling row (its NoIC on DAVIS for 1e-1 … 1e-7: 36, 30, 21, 15, 15, 8, 2), on held-out
objects of each data set. Every object gets 20 clicks, so that there is something to contradict.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.evaluate import evaluate, evaluation_crops

from napari_gpcis import load_model

NOISE = [10.0**-power for power in range(1, 8)]


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--objects", type=int, default=100, help="held-out objects per set")
    parser.add_argument("--sets", help="names with commas; all by default")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = load_config("default")
    network = load_model(options.model)
    wanted = options.sets.split(",") if options.sets else [source.name for source in config.data]
    print("| set | clicks | " + " | ".join(f"{noise:.0e}" for noise in NOISE) + " |")
    print("|---" * (len(NOISE) + 2) + "|")
    for source in config.data:
        if source.name not in wanted:
            continue
        held_out = load_set(options.data, source, "validation", config.min_area)
        crops = evaluation_crops(held_out, options.objects)
        cells = []
        for noise in NOISE:
            network.head.noise_variance = noise  # type: ignore[assignment]
            scores = evaluate(network, crops, enough=1.0)
            cells.append(f"{scores.contradicted_final} ({scores.contradicted_rounds:,})")
        row = [source.name, f"{20 * len(crops):,}", *cells]
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
