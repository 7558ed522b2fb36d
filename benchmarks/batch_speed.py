"""How many pages a second go through `segment_stack`, beside the network alone. Prints a table.

    python benchmarks/batch_speed.py [--pages 200] [--side 512] [--clicks 20] [--rounds 3]

"Encoder and decoder alone" has pages in memory, ready for the network, and does nothing else with
them: once with all cores on one page after the other, once with a core for each of several pages.
`segment_stack` in class mode reads a TIFF, normalises, encodes, decodes, classifies by the GP,
compresses and writes. All are timed without loading the model, in turns, and medians are shown.
`--workers` compares processes: whole commands on as many stacks as there are workers.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
import torch
from rich.console import Console
from rich.table import Table
from skimage import data

from napari_gpcis import segment_stack
from napari_gpcis.batch.job import SegmentOptions
from napari_gpcis.batch.run import load_predictor
from napari_gpcis.batch.threads import WorkerThreads, available_cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.model import SegmentationNetwork

COMMAND = "from napari_gpcis.cli import main; main()"


def main() -> None:
    """Write a stack, time all ways in turns, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="*", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_stack(folder / "stack.tif", options.pages, options.side)
        write_clicks(folder / "stack.csv", options)
        if options.workers:
            compare_workers(folder, options)
        else:
            compare_with_network(folder, options)


def compare_with_network(folder: Path, options: argparse.Namespace) -> None:
    """Pages a second of the network alone and of the whole."""
    predictor = load_predictor(SegmentOptions(mode="class"))
    image = torch.rand(1, 3, options.side, options.side, generator=torch.manual_seed(0))
    image = image.contiguous(memory_format=torch.channels_last)
    ways: dict[str, Callable[[], float]] = {
        "encoder and decoder, a page on all cores": lambda: alone(predictor.network, image, 24, 1),
        f"encoder and decoder, {available_cores()} pages on a core each": lambda: alone(
            predictor.network, image, 24 * available_cores(), available_cores()
        ),
        "segment_stack --mode class": lambda: whole(folder),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            found[name].append(way())
    speeds = {name: statistics.median(values) for name, values in found.items()}
    fastest = max(speed for name, speed in speeds.items() if name.startswith("encoder"))
    table = Table("way", "pages/s", "of the network alone", title=f"{options.side}², CPU")
    for name, speed in speeds.items():
        table.add_row(name, f"{speed:.1f}", f"{100 * speed / fastest:.0f} %")
    Console().print(table)


@torch.inference_mode()
def alone(network: SegmentationNetwork, image: torch.Tensor, pages: int, at_once: int) -> float:
    """Pages a second of the network."""

    def page(_: int) -> None:
        with torch.inference_mode():
            network.decode(network.encode(image), [torch.zeros(0, 3)], None)

    if at_once == 1:
        page(0)
        start = time.perf_counter()
        for number in range(pages):
            page(number)
        return pages / (time.perf_counter() - start)
    with WorkerThreads(at_once) as threads:
        list(threads.map(page, range(at_once)))
        start = time.perf_counter()
        list(threads.map(page, range(pages)))
        return pages / (time.perf_counter() - start)


def whole(folder: Path) -> float:
    """Pages a second from the tenth to the last."""
    seen: list[float] = []

    def note(stage: str, done: int, total: int) -> None:
        if stage == "segmenting":
            seen.append(time.perf_counter())

    segment_stack(
        folder / "stack.tif",
        folder / "stack.csv",
        folder / "labels.tif",
        mode="class",
        on_progress=note,
    )
    return (len(seen) - 10) / (seen[-1] - seen[9])


def compare_workers(folder: Path, options: argparse.Namespace) -> None:
    """Seconds of whole commands on several stacks, by the number of processes."""
    count = max(options.workers)
    for number in range(count):
        for suffix in (".tif", ".csv"):
            content = (folder / f"stack{suffix}").read_bytes()
            (folder / f"copy{number}{suffix}").write_bytes(content)
    (folder / "stack.tif").unlink()
    table = Table("processes", "threads in each", "seconds", "pages/s", title=f"{count} stacks")
    ways = [(workers, threads) for workers in options.workers for threads in (1, None)]
    for workers, threads in ways:
        words = ["segment", str(folder / "*.tif"), "--mode", "class", "--workers", str(workers)]
        words += ["--output", str(folder / "out")]
        words += ["--threads", str(threads)] if threads else []
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", COMMAND, *words], check=True)
        seconds = time.perf_counter() - start
        shown = str(threads or max(1, available_cores() // workers))
        speed = count * options.pages / seconds
        table.add_row(str(workers), shown, f"{seconds:.1f}", f"{speed:.1f}")
    Console().print(table)


def write_stack(path: Path, pages: int, side: int) -> None:
    """Write scikit-image's `cell`, shifted and with noise, 8 bit."""
    rng = np.random.default_rng(0)
    cell = data.cell() // 2
    picture = np.tile(cell, (-(-side // cell.shape[0]), -(-side // cell.shape[1])))[:side, :side]
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for z in range(pages):
            noise = rng.integers(0, 16, picture.shape, np.uint8)
            tiff.write(np.roll(picture, 3 * z, 1) + noise, contiguous=False, metadata=None)


def write_clicks(path: Path, options: argparse.Namespace) -> None:
    """Random clicks on the first pages."""
    rng = np.random.default_rng(0)
    lines = ["axis-0,axis-1,axis-2,object"]
    for number in range(options.clicks):
        row, col = rng.integers(0, options.side, 2)
        lines.append(f"{number % min(5, options.pages)},{row},{col},{number % options.classes + 1}")
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
