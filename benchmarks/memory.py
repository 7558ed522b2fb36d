"""Does the memory of `napari-gpcis segment` grow with the number of pages? Prints a table.

    python benchmarks/memory.py [--model default] [--pages 20 200] [--side 1024] [--every 1]

Each run is a process of its own, whose peak resident memory the system tells when it ends. The
stack is scikit-image's `cell` with fresh noise on each page, 16 bit; every page is clicked.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from rich.console import Console
from rich.table import Table
from skimage import data

ALLOWED_MB = 300
COMMAND = "from napari_gpcis.cli import main; main()"


def main() -> None:
    """Measure object and class mode with few and with many pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--pages", type=int, nargs=2, default=(20, 200))
    parser.add_argument("--side", type=int, default=1024, help="rows and columns of a page")
    parser.add_argument("--every", type=int, default=1, help="pages from one clicked to the next")
    options = parser.parse_args()

    table = Table("mode", "pages", "seconds", "peak MB", f"above {options.pages[0]} pages")
    with tempfile.TemporaryDirectory() as folder:
        for mode in ("object", "class"):
            few = 0.0
            for pages in options.pages:
                image, clicks = Path(folder, "stack.tif"), Path(folder, "clicks.csv")
                write_stack(image, pages, options.side)
                write_clicks(clicks, pages if mode == "object" else 1, options.every)
                arguments = ["segment", str(image), "--clicks", str(clicks), "--mode", mode]
                arguments += ["--model", options.model, "--output", f"{folder}/labels.tif"]
                seconds, peak = run(arguments)
                few = few or peak
                table.add_row(
                    mode, f"{pages}", f"{seconds:.0f}", f"{peak:.0f}", f"{peak - few:+.0f}"
                )
                if peak - few > ALLOWED_MB:
                    table.caption = f"more than the {ALLOWED_MB} MB allowed"
    Console().print(table)


def write_stack(path: Path, pages: int, side: int) -> None:
    """Write pages of side × side pixels, uint16."""
    rng = np.random.default_rng(0)
    cell = data.cell().astype(np.uint16) * 16
    tiled = np.tile(cell, (-(-side // cell.shape[0]), -(-side // cell.shape[1])))[:side, :side]
    with tifffile.TiffWriter(path) as tiff:
        for _ in range(pages):
            noise = rng.integers(0, 256, tiled.shape, np.uint16)
            tiff.write(tiled + noise, contiguous=False, metadata=None)


def write_clicks(path: Path, pages: int, every: int) -> None:
    """Two objects (or classes) on each of the clicked pages, and a correction."""
    lines = ["axis-0,axis-1,axis-2,object,positive"]
    for z in range(0, pages, every):
        lines += [f"{z},372,427,1,1", f"{z},303,400,1,0", f"{z},100,100,2,1"]
    path.write_text("\n".join(lines) + "\n")


def run(arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak resident memory in MB of one command."""
    started = time.perf_counter()
    words = [sys.executable, "-c", COMMAND, *arguments]
    process = os.posix_spawn(words[0], words, os.environ)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"expected exit code 0, got {os.waitstatus_to_exitcode(status)}")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - started, usage.ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main()
