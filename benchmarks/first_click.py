"""How long an object's first click takes, encoder included: prints a table.

    OMP_NUM_THREADS=2 python benchmarks/first_click.py [--model default] [--repeats 9] [--threads 2]

A session that is told the diameter looks at one scale; one that is not finds it, by answering at
several. The image is a tiling of scikit-image's `cell` at half size. Every figure is the median of
`--repeats` runs, each on an image that was never seen; the best run is in brackets, as others may
use the machine, too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from skimage import data

from napari_gpcis import Session, load_model

if TYPE_CHECKING:
    from napari_gpcis.model import SegmentationNetwork

SIDES = (256, 512, 2048)
CELL = (186, 213)  # row and column of the first cell's centre
DIAMETER = 64.0
console = Console(width=110)


def image_of(side: int) -> np.ndarray:
    """Tile the cell image at half size to side × side pixels, uint8."""
    cell = cv2.resize(data.cell(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    times = -(-side // min(cell.shape))
    return np.ascontiguousarray(np.tile(cell, (times, times))[:side, :side])


def time_clicks(
    model: SegmentationNetwork, side: int, diameter: float | None, repeats: int, device: str
) -> tuple[list[float], list[float]]:
    """Milliseconds of an image's first click, and of its next object's, run by run."""
    image = image_of(side)
    session = Session(model, device=device, object_diameter=diameter)
    first, further = [], []
    for run in range(repeats + 1):
        session.set_image(image)
        started = time.perf_counter()
        _ = session.add_click(*CELL).box_mask
        between = time.perf_counter()
        session.commit()
        committed = time.perf_counter()
        _ = session.add_click(CELL[0] - 130, CELL[1] - 150).box_mask
        if run:  # the first one warms up
            first.append(1e3 * (between - started))
            further.append(1e3 * (time.perf_counter() - committed))
    return first, further


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load_model(options.model)
    made = Table(title="First click (median, ms; best in brackets)", title_justify="left")
    made.add_column("slice")
    kinds = {"diameter told": DIAMETER, "not told": None}
    for kind in kinds:
        made.add_column(kind, justify="right")
        made.add_column("next object", justify="right")
    for side in SIDES:
        cells = [f"{side}²"]
        for diameter in kinds.values():
            for times in time_clicks(model, side, diameter, options.repeats, options.device):
                cells.append(f"{statistics.median(times):.0f} ({min(times):.0f})")
        made.add_row(*cells)
    console.print(made)


if __name__ == "__main__":
    main()
