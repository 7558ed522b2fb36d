"""Does the memory of `napari-gpcis segment` grow with pages, or with their size? Prints a table.

    python benchmarks/memory.py [--pages 100 1000 10000] [--side 512] [--modes class,object,…]
    python benchmarks/memory.py --pages 1 --side 20000 --modes class,object

Each run is a process of its own, whose peak resident memory the system tells when it ends: the
"Maximum resident set size" of `/usr/bin/time -v`. The stack is scikit-image's `cell`, tiled, with
fresh noise on each page, 8 bit. In object mode every page is clicked; propagated objects are
clicked on every hundredth page.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from rich.console import Console
from rich.table import Table
from skimage import data

COMMAND = "from napari_gpcis.cli import main; main()"
OPTIONS = {
    "class": ["--mode", "class"],
    "object": ["--object-diameter", "125"],
    "propagate": ["--propagate", "--object-diameter", "125"],
}
EVERY = {"class": 0, "object": 1, "propagate": 100}


def main() -> None:
    """Measure each mode with few and with many pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--pages", type=int, nargs="+", default=(100, 1000, 10000))
    parser.add_argument("--side", type=int, default=512, help="rows and columns of a page")
    parser.add_argument("--modes", default="class,object,propagate")
    parser.add_argument("--tiled", action="store_true", help="write compressed tiles, not strips")
    parser.add_argument("--suffix", default=".tif", help=".zarr writes OME-Zarr")
    parser.add_argument("--folder", type=Path, help="for the stacks; a temporary one by default")
    options = parser.parse_args()

    table = Table("mode", "pages", "side", "seconds", "pages/s", "peak MB", "by the first")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        image, clicks = Path(folder, "stack.tif"), Path(folder, "clicks.csv")
        first: dict[str, float] = {}
        for pages in options.pages:
            write_stack(image, pages, options.side, tiled=options.tiled)
            for mode in options.modes.split(","):
                write_clicks(clicks, pages, EVERY[mode], options.side)
                output = f"{folder}/labels{options.suffix}"
                arguments = ["segment", str(image), "--clicks", str(clicks), "--output", output]
                seconds, peak = run([*arguments, "--model", options.model, *OPTIONS[mode]])
                share = peak / first.setdefault(mode, peak)
                cells = f"{pages}", f"{options.side}", f"{seconds:.0f}", f"{pages / seconds:.1f}"
                table.add_row(mode, *cells, f"{peak:.0f}", f"{share:.3f}")
                print(mode, *cells, f"{peak:.0f} MB", f"{share:.3f}", flush=True)
    Console().print(table)


def write_stack(path: Path, pages: int, side: int, *, tiled: bool) -> None:
    """Write pages of side × side pixels, uint8."""
    rng = np.random.default_rng(0)
    cell = data.cell() // 2
    picture = np.tile(cell, (-(-side // cell.shape[0]), -(-side // cell.shape[1])))[:side, :side]
    noise = rng.integers(0, 32, (min(side, 1024) + 64, side + 64), np.uint8)
    how: dict[str, Any] = {"tile": (256, 256), "compression": "zlib"} if tiled else {}
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for _ in range(pages):
            page = picture.copy()
            for top in range(0, side, 1024):
                down, right = rng.integers(0, 64, 2)
                rows = min(1024, side - top)
                page[top : top + rows] += noise[down : down + rows, right : right + side]
            tiff.write(page, contiguous=False, metadata=None, **how)


def write_clicks(path: Path, pages: int, every: int, side: int) -> None:
    """Two objects (or classes) on each of the clicked pages, and a correction."""
    axes = "axis-0,axis-1,axis-2" if pages > 1 else "axis-0,axis-1"
    lines = [f"{axes},object,positive"]
    for z in range(0, pages, every or pages):
        place = f"{z}," if pages > 1 else ""
        lines += [f"{place}372,427,1,1", f"{place}303,400,1,0", f"{place}100,100,2,1"]
        if side > 2000:  # the far end of a large page
            lines += [f"{place}{side - 90},{side - 70},4,1", f"{place}{side // 2},{side // 3},3,1"]
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
