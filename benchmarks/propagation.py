"""How much of an object's volume its clicks in one slice find: prints a table.

    python benchmarks/propagation.py --data DIR [--objects 24] [--split validation]

`DIR` holds `fibsem_neuropil` and `plant_cells` as `NAME/images/*.tif`, `NAME/labels/*.tif`, volumes
(Z, Y, X). Each object (the largest connected piece of a label in the slices read) is clicked in its
middle slice: once in its deepest point, or up to four times, in the middle of the largest error,
until the IoU there is 0.85. It is carried both ways with the default stop rule. "Mask alone" is the
clicked slice's mask in the same slices. The object diameter is the volume's median.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
import torch
from napari_gpcis_training.clicks import evaluation_click
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from napari_gpcis import load_model
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.options import Options
from napari_gpcis.engine.predictor import Predictor
from napari_gpcis.engine.propagation.propagate import propagate
from napari_gpcis.engine.segmenter import ImageSegmenter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_gpcis.engine.result import Result

SETS = ("fibsem_neuropil", "plant_cells")
HELD_OUT = 6
"""The last slice of so many is held out."""
FEWEST_SLICES = 8
SMALLEST_AREA = 80
GOOD = 0.85
CACHE_BYTES = 2 << 30


@dataclass
class Score:
    """Of one object."""

    slice_iou: float
    volume_iou: float
    copied_iou: float
    length: float
    milliseconds: float


@dataclass
class Volume:
    """Image, labels, and their median diameter."""

    image: np.ndarray
    labels: np.ndarray
    diameter: float


def volumes(data: Path, name: str, split: str) -> Iterator[Volume]:
    """Volumes of a set, cut to a split."""
    for path in sorted((data / name / "images").glob("*.tif")):
        image, labels = tifffile.imread(path), tifffile.imread(data / name / "labels" / path.name)
        if split == "validation":
            first = len(image) - len(image) // HELD_OUT
            image, labels = image[first:], labels[first:]
        areas = np.concatenate([np.bincount(plane.ravel())[1:] for plane in labels])
        yield Volume(image, labels, float(np.median(2 * np.sqrt(areas[areas >= 50] / np.pi))))


def objects(volume: Volume, count: int, seed: int) -> list[tuple[np.ndarray, int]]:
    """Masks of a sample of objects, (Z, Y, X), and their middle slices."""
    found = []
    for label in np.unique(volume.labels)[1:]:
        pieces, _ = ndimage.label(volume.labels == label)
        mask = pieces == 1 + int(np.bincount(pieces.ravel())[1:].argmax())
        slices = np.flatnonzero(mask.any((1, 2)))
        middle = int(slices[len(slices) // 2])
        if len(slices) < FEWEST_SLICES or mask[middle].sum() < SMALLEST_AREA:
            continue
        in_slice = np.bincount(ndimage.label(mask[middle])[0].ravel())[1:]
        if in_slice.max() >= 0.8 * in_slice.sum():
            found.append((mask, middle))
    chosen = np.random.default_rng(seed).permutation(len(found))[:count]
    return [found[index] for index in sorted(chosen)]


def click(
    segmenter: ImageSegmenter, target: np.ndarray, z: int, diameter: float, most: int
) -> Result:
    """Click an object in a slice until it is found well enough."""
    mask, clicked, everywhere = np.zeros_like(target), np.zeros_like(target), np.ones_like(target)
    clicks: tuple[Click, ...] = ()
    result: Result | None = None
    while len(clicks) < most and iou(mask, target) < GOOD:
        place = evaluation_click(mask, target, everywhere, clicked)
        if place is None:
            break
        row, col, sign = place
        clicked[row, col] = True
        newest = Click(z, row, col, sign > 0)
        clicks = (*clicks, newest)
        request = segmenter.object_request(1, z, clicks, diameter, result, newest)
        result = segmenter.predictor.predict(request)
        mask = result.mask
    if result is None:
        raise ValueError("expected an object in the slice, got none; choose another slice")
    return result


def carry(
    segmenter: ImageSegmenter, answer: Result, target: np.ndarray
) -> tuple[Score, np.ndarray]:
    """Propagate an answer both ways."""
    found, copied = np.zeros_like(target), np.zeros_like(target)
    found[answer.z] = copied[answer.z] = answer.mask
    started, slices = time.perf_counter(), 0
    for carried in propagate(
        {answer.z: answer},
        source=answer.request.source,
        predictor=segmenter.predictor,
    ):
        found[carried.z][carried.box.slices] = carried.mask
        copied[carried.z] = answer.mask
        slices += 1
    spent = time.perf_counter() - started
    score = Score(
        iou(answer.mask, target[answer.z]),
        iou(found, target),
        iou(copied, target),
        (1 + slices) / int(target.any((1, 2)).sum()),
        1e3 * spent / max(1, slices),
    )
    return score, found


def iou(mask: np.ndarray, target: np.ndarray) -> float:
    """Intersection over union."""
    return float((mask & target).sum() / max(1, (mask | target).sum()))


def cells(scores: list[Score]) -> list[str]:
    """Cells of a row of the table."""
    ours = [score.volume_iou for score in scores]
    copied = [score.copied_iou for score in scores]
    better = sum(mine > alone for mine, alone in zip(ours, copied, strict=True))
    return [
        str(len(scores)),
        f"{100 * statistics.mean(score.slice_iou for score in scores):.1f}",
        f"{100 * statistics.mean(ours):.1f} / {100 * statistics.median(ours):.1f}",
        f"{100 * statistics.mean(copied):.1f} / {100 * statistics.median(copied):.1f}",
        str(better),
        f"{statistics.median(score.length for score in scores):.2f}",
        f"{statistics.median(score.milliseconds for score in scores):.0f}",
    ]


def main() -> None:
    """Parse the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--objects", type=int, default=24, help="per volume at most")
    parser.add_argument("--split", choices=("validation", "all"), default="validation")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    predictor = Predictor(load_model(options.model), options.device, device_bytes=CACHE_BYTES)
    title = f"Volumes, split {options.split}, {options.device}, {torch.get_num_threads()} threads"
    table = Table(title=title, title_justify="left")
    for heading in ("set", "clicks", "objects", "slice IoU", "volume IoU (mean / median)"):
        table.add_column(heading)
    for heading in ("mask alone", "better in", "slices found / true", "ms a slice"):
        table.add_column(heading)
    for name in options.sets.split(","):
        scores: dict[str, list[Score]] = {"1": [], "1 to 4": []}
        for volume in volumes(options.data, name, options.split):
            source = ImageSource(volume.image)
            segmenter = ImageSegmenter(source, predictor, Options())
            for mask, z in objects(volume, options.objects, options.seed):
                for clicks, most in (("1", 1), ("1 to 4", 4)):
                    answer = click(segmenter, mask[z], z, volume.diameter, most)
                    scores[clicks].append(carry(segmenter, answer, mask)[0])
        for clicks, of_variant in scores.items():
            row = (name, clicks, *cells(of_variant))
            table.add_row(*row)
            print("  ".join(row), flush=True)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
