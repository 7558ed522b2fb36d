"""How long a click takes, where the time goes, and how long the peers take: prints tables.

    python benchmarks/speed.py [--model default] [--repeats 15] [--peers] [--threads 2]

Every figure is a median over `--repeats` runs in this one process, side by side. The images are
tilings of scikit-image's `cell` at half size, so that the cell has the diameter that the model was
trained on and a window is one of 384 px; clicks lie on one cell and around it.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from skimage import data, segmentation

from napari_gpcis import Session, load_model
from napari_gpcis.model import NetworkConfig, SegmentationNetwork, build_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_gpcis.engine import Result

WINDOW = 384
CELL = (186, 213)  # row and column of the first cell's centre
CELL_RADIUS = 25
PAPER_MILLISECONDS = 38.82
STAGES = ("encode", "decode", "gp", "resample")
console = Console(width=110)


def image_of(side: int) -> np.ndarray:
    """Tile the cell image at half size to side × side pixels, uint8."""
    cell = cv2.resize(data.cell(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    times = -(-side // min(cell.shape))
    return np.ascontiguousarray(np.tile(cell, (times, times))[:side, :side])


def positions(count: int, seed: int = 0) -> list[tuple[int, int, bool]]:
    """Positive clicks on the cell, negative ones up to 75 px from its centre; the first on it."""
    rng = np.random.default_rng(seed)
    flat = rng.permutation(np.delete(np.arange(150 * 150), 75 * 150 + 75))[: count - 1]
    rows = np.append(CELL[0], CELL[0] - 75 + flat // 150)
    columns = np.append(CELL[1], CELL[1] - 75 + flat % 150)
    near = (rows - CELL[0]) ** 2 + (columns - CELL[1]) ** 2 < CELL_RADIUS**2
    return [(int(r), int(c), bool(p)) for r, c, p in zip(rows, columns, near, strict=True)]


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of a call, after one that warms up."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


def session_with(
    model: SegmentationNetwork, image: np.ndarray, count: int, device: str
) -> tuple[Session, tuple[int, int, bool]]:
    """Session with count − 1 clicks, and the click that is to be timed."""
    session = Session(model, device=device)
    session.set_image(image)
    *before, last = positions(count)
    for row, column, positive in before:
        session.add_click(row, column, positive)
    session.add_click(*last)
    return session, last


def time_click(
    model: SegmentationNetwork, image: np.ndarray, count: int, repeats: int, device: str
) -> tuple[float, dict[str, float], Result]:
    """Median milliseconds of the count-th click, its stages, a result."""
    session, last = session_with(model, image, count, device)
    return time_prompt(session, lambda: session.add_click(*last), repeats)


def time_prompt(
    session: Session, prompt: Callable[[], Result], repeats: int
) -> tuple[float, dict[str, float], Result]:
    """Time a click or stroke that the session has already; it is taken back before each run."""
    times, stages = [], []
    result = session.result
    for _ in range(repeats):
        session.undo()
        started = time.perf_counter()
        result = prompt()
        _ = result.box_mask
        times.append(1e3 * (time.perf_counter() - started))
        stages.append(result.timings)
    medians = {
        stage: 1e3 * statistics.median(t.get(stage, 0.0) for t in stages) for stage in STAGES
    }
    return statistics.median(times), medians, result


def zigzag(pixels: int) -> list[tuple[float, float]]:
    """Corners of a stroke of about so many pixels, to and fro over the cell."""
    radius = CELL_RADIUS - 3
    step = math.pi * radius**2 / pixels
    corners = []
    for turn, down in enumerate(np.arange(step / 2 - radius, radius, step)):
        half = math.sqrt(radius**2 - down**2)
        ends = [(CELL[0] + down, CELL[1] - half), (CELL[0] + down, CELL[1] + half)]
        corners += ends if turn % 2 == 0 else ends[::-1]
    return corners


def report_strokes(model: SegmentationNetwork, repeats: int, device: str) -> None:
    """Print what a scribble costs, by its pixels."""
    made = table(
        "A scribble after one click on a 512² slice (median, ms)",
        ["pixels", "stroke → mask", *STAGES],
    )
    for count in (50, 100, 500):
        session = Session(model, device=device)
        session.set_image(image_of(512))
        session.add_click(*CELL)
        path = zigzag(count)
        session.add_scribble(path)
        drawn = len(session.clicks) - 1
        total, stages, _ = time_prompt(session, partial(session.add_scribble, path), repeats)
        made.add_row(str(drawn), f"{total:.1f}", *(f"{stages[stage]:.1f}" for stage in STAGES))
    console.print(made)


def first_click(model: SegmentationNetwork, side: int, repeats: int, device: str) -> float:
    """Median milliseconds of set_image and the first click, encoder included."""
    image = image_of(side)
    session = Session(model, device=device)

    def work() -> None:
        session.set_image(image)
        _ = session.add_click(*CELL).box_mask

    return milliseconds(work, repeats)


def table(title: str, columns: Iterable[str]) -> Table:
    """Table whose first column is text and whose others are figures."""
    made = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index else "left")
    return made


def report_clicks(model: SegmentationNetwork, repeats: int, device: str) -> dict[int, float]:
    """Print the cost against the number of clicks; milliseconds by count."""
    image = image_of(512)
    made = table(
        "A click on a 512² slice, by number of clicks (median, ms)",
        ["clicks", "window", "click → mask", *STAGES, f"paper / ours ({PAPER_MILLISECONDS})"],
    )
    found = {}
    for count in (1, 5, 10, 20, 100, 500):
        total, stages, result = time_click(model, image, count, repeats, device)
        found[count] = total
        window = "×".join(str(length) for length in result.latent.shape[-2:])
        cells = [f"{stages[stage]:.1f}" for stage in STAGES]
        ratio = f"{PAPER_MILLISECONDS / total:.1f}"
        made.add_row(str(count), window, f"{total:.1f}", *cells, ratio)
    console.print(made)
    return found


def report_slices(model: SegmentationNetwork, repeats: int, device: str) -> None:
    """Print that a click costs the same on a slice of any size, and what the first one costs."""
    made = table(
        "Slice size (median, ms)",
        ["slice", "first click, with encoder", "2nd click", "5th click", "ratio to 512² (5th)"],
    )
    base = None
    for side in (512, 1024, 4096):
        image = image_of(side)
        fifth, _, _ = time_click(model, image, 5, repeats, device)
        second, _, _ = time_click(model, image, 2, repeats, device)
        base = base or fifth
        first = first_click(model, side, max(3, repeats // 3), device)
        cells = [f"{value:.1f}" for value in (first, second, fifth)]
        made.add_row(f"{side}²", *cells, f"{fifth / base:.2f}")
    console.print(made)


def reference_click(count: int) -> Callable[[], object]:
    """The paper variant (ResNet50, random weights) on a 384² image: everything runs each click."""
    torch.manual_seed(0)
    config = NetworkConfig(fusion="paper", encoder="resnet50s", fourier_features=256)
    network = build_network(config)
    image = torch.rand(1, 3, WINDOW, WINDOW)
    clicks = [
        torch.tensor([[float(r), float(c), 1.0 if p else -1.0] for r, c, p in positions(count)])
    ]
    previous = torch.zeros(1, 1, WINDOW, WINDOW)

    def work() -> object:
        with torch.inference_mode():
            return network(image, clicks, previous).sigmoid() > 0.5

    return work


def classical_markers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Window of the image, and markers of radius 3: 1 positive, 2 negative."""
    image = image_of(WINDOW)
    markers = np.zeros((WINDOW, WINDOW), np.uint8)
    for row, column, positive in positions(count):
        cv2.circle(markers, (column, row), 3, 1 if positive else 2, -1)
    return image, markers


def random_walker_click(count: int) -> Callable[[], object]:
    """Time scikit-image's random walker with the same clicks."""
    image, markers = classical_markers(count)
    colour = np.repeat(image[..., None], 3, -1) / 255.0

    def work() -> object:
        with warnings.catch_warnings():  # of its solver's tolerance
            warnings.simplefilter("ignore")
            return segmentation.random_walker(colour, markers, channel_axis=-1, mode="cg_j")

    return work


def grabcut_click(count: int) -> Callable[[], object]:
    """Time OpenCV's GrabCut, five iterations, with the same clicks."""
    image, markers = classical_markers(count)
    colour = np.ascontiguousarray(np.repeat(image[..., None], 3, -1))

    def work() -> np.ndarray:
        mask = np.full(markers.shape, cv2.GC_PR_BGD, np.uint8)
        near = np.s_[CELL[0] - 50 : CELL[0] + 50, CELL[1] - 50 : CELL[1] + 50]
        mask[near] = cv2.GC_PR_FGD
        mask[markers == 1], mask[markers == 2] = cv2.GC_FGD, cv2.GC_BGD
        background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
        whole = (0, 0, WINDOW, WINDOW)  # not looked at where a mask is given
        cv2.grabCut(colour, mask, whole, background, foreground, 5, cv2.GC_INIT_WITH_MASK)
        return mask

    return work


def report_peers(ours: dict[int, float], repeats: int) -> None:
    """Print the peers' times on a 384² window beside ours."""
    made = table(
        "Peers on the same 384² window, this run (median, ms a click)",
        ["method", "1 click", "20 clicks", "ratio to ours (1)", "ratio to ours (20)"],
    )
    peers = {
        "reference network, ResNet50, random weights": reference_click,
        "scikit-image random walker": random_walker_click,
        "OpenCV GrabCut": grabcut_click,
    }
    made.add_row("ours", f"{ours[1]:.1f}", f"{ours[20]:.1f}", "1", "1")
    for name, peer in peers.items():
        times = {count: milliseconds(peer(count), max(3, repeats // 3)) for count in (1, 20)}
        cells = [f"{times[count]:.0f}" for count in (1, 20)]
        ratios = [f"{times[count] / ours[count]:.0f}" for count in (1, 20)]
        made.add_row(name, *cells, *ratios)
    console.print(made)


def main() -> None:
    """Parse the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--peers", action="store_true", help="time the peers too (a minute)")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = load_model(options.model)
    console.print(
        f"model {options.model}, {options.device}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, medians of {options.repeats} runs"
    )
    ours = report_clicks(model, options.repeats, options.device)
    report_strokes(model, options.repeats, options.device)
    report_slices(model, options.repeats, options.device)
    if options.peers:
        report_peers(ours, options.repeats)


if __name__ == "__main__":
    main()
