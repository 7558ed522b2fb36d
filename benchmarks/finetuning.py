"""Fine-tuning on eight images of a data set that a model has not seen, scored on others of it.

    python benchmarks/finetuning.py DATA SET MODEL [--only-colour] [options of finetune]

DATA/SET holds `images/` and `labels/`. The eight are drawn from the training split of this
project (every seventh file by name is held out), the scores are of the held-out split.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from napari_gpcis_training.commands.shared import use_threads
from napari_gpcis_training.config import DataSource
from napari_gpcis_training.data.sets import LabelledSet, LabelledSlice, load_set

IMAGES = 8
OBJECTS = 100


def main() -> None:
    """Parse the options, measure, fine-tune, measure again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("name")
    parser.add_argument("model")
    parser.add_argument("--only-colour", action="store_true", help="stained tissue alone")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    wanted = parser.parse_args()
    use_threads(None)
    from napari_gpcis_training.evaluate import evaluate, evaluation_crops
    from napari_gpcis_training.finetuning.run import finetune_model
    from napari_gpcis_training.options import FinetuneOptions

    from napari_gpcis.model.checkpoint import load_model

    source = DataSource(name=wanted.name)
    train, held_out = (
        _chosen(load_set(wanted.data, source, part, 30), wanted.only_colour)
        for part in ("train", "validation")
    )
    order = np.random.default_rng(wanted.seed).permutation(len(train.slices))
    crops = evaluation_crops(held_out, OBJECTS, -(-OBJECTS // len(held_out.slices)))
    print(f"{wanted.name}: before {evaluate(load_model(wanted.model), crops)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        images, labels = Path(folder) / "images", Path(folder) / "labels"
        for index in order[:IMAGES]:
            _copy(wanted.data / wanted.name, train.slices[index], images, labels)
        output = wanted.output or Path(folder) / "mine.safetensors"
        started = time.perf_counter()
        options = FinetuneOptions(
            images, labels, output, wanted.model, wanted.minutes, wanted.steps, wanted.seed
        )
        finetune_model(options, _say)
        minutes = (time.perf_counter() - started) / 60
        print(f"{wanted.name}: after {evaluate(load_model(output), crops)}; {minutes:.1f} min")


def _chosen(labelled: LabelledSet, only_colour: bool) -> LabelledSet:
    if not only_colour:
        return labelled
    return replace(labelled, slices=tuple(s for s in labelled.slices if _is_stained(s)))


def _is_stained(item: LabelledSlice) -> bool:
    image = item.image.astype(float)
    return image.ndim == 3 and image.mean() > 110 and np.ptp(image.mean((0, 1))) > 5


def _copy(data: Path, item: LabelledSlice, images: Path, labels: Path) -> None:
    stem = Path(item.name).name
    for kind, target in (("images", images), ("labels", labels)):
        target.mkdir(exist_ok=True)
        for path in (data / kind).glob(f"{stem}.*"):
            shutil.copy(path, target)


def _say(event: dict[str, object]) -> None:
    if event["event"] != "progress":
        print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main()
