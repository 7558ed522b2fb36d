"""How many clicks a held-out object takes, per data set and model: prints tables.

    python benchmarks/accuracy.py --data DIR [--model default --model conv.safetensors]

`DIR` holds data sets of the form `NAME/images`, `NAME/labels`. Only the validation split is read
(files sorted by name, every seventh starting with the first; of a volume, the last sixth of its
slices). The clicker is that of the papers: the next click goes to the middle of the larger error.

Two protocols. `crops`: three object sizes around an object, resized to 192², network alone, many
at a time; on these, the design's first trial was measured. `session`: whole images through
`Session`, as its user has them, with the object diameter set to the image's median.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari_gpcis_training.clicks import evaluation_click
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import LabelledSet, LabelledSlice, load_set
from napari_gpcis_training.evaluate import evaluate, evaluation_crops
from rich.console import Console
from rich.table import Table

from napari_gpcis import Session, load_model

if TYPE_CHECKING:
    from napari_gpcis.model import SegmentationNetwork

MAX_CLICKS = 20
COLUMNS = ("NoC@85", "NoC@90", "IoU&1", "IoU&5", "NoIC", "per round", "NoF@90", "ms a click")
console = Console(width=120)


@dataclass
class Record:
    """What was seen of one object."""

    ious: list[float] = field(default_factory=list)
    contradicted: int = 0
    contradicted_rounds: int = 0
    seconds: list[float] = field(default_factory=list)

    def clicks_to(self, wanted: float) -> int:
        """Clicks to an IoU, at most 20."""
        reached = [turn for turn, iou in enumerate(self.ious, 1) if iou >= wanted]
        return reached[0] if reached else MAX_CLICKS

    def after(self, clicks: int) -> float:
        """IoU after so many clicks, or after the last one."""
        return self.ious[min(clicks, len(self.ious)) - 1]


def segment_object(session: Session, target: np.ndarray) -> Record:
    """Click until IoU 0.90, five times at least and 20 at most."""
    record = Record()
    mask, clicked = np.zeros_like(target), np.zeros_like(target)
    everywhere = np.ones_like(target)
    for turn in range(MAX_CLICKS):
        click = evaluation_click(mask, target, everywhere, clicked)
        if click is None:
            break
        row, column, sign = click
        clicked[row, column] = True
        started = time.perf_counter()
        result = session.add_click(row, column, sign > 0)
        _ = result.box_mask
        record.seconds.append(time.perf_counter() - started)
        mask = result.mask
        record.ious.append(float((mask & target).sum() / max(1, (mask | target).sum())))
        record.contradicted = sum(mask[c.row, c.col] != c.positive for c in session.clicks)
        record.contradicted_rounds += record.contradicted
        if turn + 1 >= 5 and max(record.ious) >= 0.90:
            break
    return record


def evaluate_sessions(
    model: SegmentationNetwork, held_out: LabelledSet, count: int, per_slice: int, seed: int = 0
) -> list[Record]:
    """Segment a seeded sample of held-out objects."""
    rng = np.random.default_rng(seed)
    chosen: list[tuple[LabelledSlice, np.ndarray]] = []
    for source in held_out.slices:
        diameters = 2 * np.sqrt(source.objects[:, 5] / np.pi)
        large = source.objects[diameters >= 8]
        if len(large):
            chosen.append((source, large[rng.permutation(len(large))[:per_slice]]))
    limit = max(1, count // max(1, sum(len(objects) for _, objects in chosen) // len(chosen)))
    if len(chosen) > limit:
        kept = sorted(rng.choice(len(chosen), limit, replace=False))
        chosen = [chosen[index] for index in kept]
    records = []
    for source, objects in chosen:
        diameter = float(np.median(2 * np.sqrt(source.objects[:, 5] / np.pi)))
        session = Session(model, device="cpu", object_diameter=diameter)
        session.set_image(source.image)
        for picked in objects:
            records.append(segment_object(session, source.labels == picked[0]))
            session.clear()
    return records


def session_row(records: list[Record]) -> list[str]:
    """Cells of the table."""
    return [
        f"{statistics.mean(r.clicks_to(0.85) for r in records):.2f}",
        f"{statistics.mean(r.clicks_to(0.90) for r in records):.2f}",
        f"{100 * statistics.mean(r.after(1) for r in records):.1f}",
        f"{100 * statistics.mean(r.after(5) for r in records):.1f}",
        str(sum(r.contradicted for r in records)),
        str(sum(r.contradicted_rounds for r in records)),
        str(sum(max(r.ious) < 0.90 for r in records)),
        f"{1e3 * statistics.median(s for r in records for s in r.seconds):.0f}",
    ]


def crop_row(
    model: SegmentationNetwork, held_out: LabelledSet, count: int
) -> tuple[int, list[str]]:
    """Number of crops, and cells of the table."""
    crops = evaluation_crops(held_out, count)
    started = time.perf_counter()
    scores = evaluate(model, crops)
    spent = time.perf_counter() - started
    return len(crops), [
        f"{scores.noc85:.2f}",
        f"{scores.noc90:.2f}",
        f"{scores.iou1:.1f}",
        f"{scores.iou5:.1f}",
        str(scores.contradicted_final),
        f"{scores.contradicted_rounds} of {scores.clicks_rounds:,}",
        str(scores.failures90),
        f"{1e3 * spent / (len(crops) * max(1.0, scores.noc90)):.0f}",
    ]


def main() -> None:
    """Parse the options, run, print a row at a time and the table at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", help="name or path; repeat to compare")
    parser.add_argument("--protocol", choices=("crops", "session", "both"), default="both")
    parser.add_argument("--sets", help="names with commas; all by default")
    parser.add_argument("--objects", type=int, default=333, help="objects per set at most")
    parser.add_argument("--per-slice", type=int, default=5)
    options = parser.parse_args()
    config = load_config("default")
    wanted = options.sets.split(",") if options.sets else [s.name for s in config.data]
    models = {name: load_model(name) for name in options.model or ["default"]}
    protocols = ("crops", "session") if options.protocol == "both" else (options.protocol,)
    for protocol in protocols:
        table = Table(title=f"Validation split, protocol {protocol}", title_justify="left")
        for index, column in enumerate(("set", "model", "objects", *COLUMNS)):
            table.add_column(column, justify="right" if index > 1 else "left")
        for source in config.data:
            if source.name not in wanted:
                continue
            held_out = load_set(options.data, source, "validation", config.min_area)
            for name, model in models.items():
                if protocol == "crops":
                    count, row = crop_row(model, held_out, options.objects)
                else:
                    records = evaluate_sessions(model, held_out, options.objects, options.per_slice)
                    count, row = len(records), session_row(records)
                cells = (source.name, Path(name).stem, str(count), *row)
                table.add_row(*cells)
                print("  ".join(cells), flush=True)
        console.print(table)


if __name__ == "__main__":
    main()
