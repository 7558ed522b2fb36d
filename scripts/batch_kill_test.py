"""Kill `napari-gpcis segment` at random moments, go on with --resume, and compare with a quiet run.

    python scripts/batch_kill_test.py --times 20
    python scripts/batch_kill_test.py --cluster

A batch of small stacks is segmented undisturbed in each mode. Then the same is killed (SIGKILL) and
gone on with as often as asked for, and at last left to finish: its files have to be the same to the
last byte, with nothing left beside them. With --cluster, a dask scheduler and two workers on the
loopback do the batch, and one of them is killed meanwhile. Ends with an error if anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from rich.console import Console
from rich.table import Table
from skimage import data

COMMAND = "from napari_gpcis.cli import main; main()"
MODES = {
    "object": ["--object-diameter", "50"],
    "propagate": ["--propagate", "--object-diameter", "50"],
    "class": ["--mode", "class", "--object-diameter", "50"],
}


def main() -> None:
    """Test each mode; the exit status says whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20, help="kills in all")
    parser.add_argument("--stacks", type=int, default=3)
    parser.add_argument("--pages", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cluster", action="store_true")
    options = parser.parse_args()
    random.seed(options.seed)
    table = Table("mode", "quiet run, s", "kills", "during", "files", "verdict")
    all_well = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_batch(folder / "stacks", options.stacks, options.pages)
        for number, mode in enumerate(MODES):
            times = options.times // len(MODES) + (number < options.times % len(MODES))
            quiet, noisy = folder / f"{mode}-quiet", folder / f"{mode}-killed"
            started = time.perf_counter()
            run(folder, quiet, mode)
            seconds = time.perf_counter() - started
            if options.cluster:
                during = on_a_cluster(folder, noisy, mode, seconds)
                times = 1
            else:
                during = kill_often(folder, noisy, mode, seconds, quiet, times)
                run(folder, noisy, mode)
            verdict, count = compare(quiet, noisy)
            all_well = all_well and verdict == "identical"
            shown = ", ".join(during)
            table.add_row(mode, f"{seconds:.0f}", f"{times}", shown, f"{count}", verdict)
    Console(width=120).print(table)
    sys.exit(not all_well)


def write_batch(folder: Path, stacks: int, pages: int) -> None:
    """Stacks of a drifting picture of coins, and clicks on a few of them."""
    folder.mkdir()
    coins = data.coins()
    clicks = [(193, 212, 1, 1), (165, 190, 1, 0), (186, 347, 2, 1), (53, 45, 3, 1)]
    for number in range(stacks):
        noise = np.random.default_rng(number)
        stack = [
            np.clip(np.roll(coins, z + number, 1) + noise.normal(0, 4, coins.shape), 0, 255)
            for z in range(pages)
        ]
        image = np.stack(stack).astype(np.uint8)
        tifffile.imwrite(folder / f"coins{number}.tif", image, metadata={"axes": "ZYX"})
        lines = ["axis-0,axis-1,axis-2,object,positive"]
        for z in (pages // 4, pages // 2):
            shift = z + number
            lines += [f"{z},{row},{col + shift},{obj},{sign}" for row, col, obj, sign in clicks]
        (folder / f"coins{number}.csv").write_text("\n".join(lines) + "\n")


def words(folder: Path, output: Path, mode: str, *more: str) -> list[str]:
    """The command."""
    tables = ["--table", str(output)] if mode != "class" else []
    options = ["--output", str(output), "--resume", *tables, *MODES[mode], *more]
    return [sys.executable, "-c", COMMAND, "segment", str(folder / "stacks"), *options]


def run(folder: Path, output: Path, mode: str, *more: str) -> None:
    """Segment the batch to its end."""
    subprocess.run(words(folder, output, mode, *more), check=True, stdout=subprocess.DEVNULL)


def kill_often(
    folder: Path, output: Path, mode: str, seconds: float, quiet: Path, times: int
) -> list[str]:
    """Kill so many times at random moments; a batch that gets to its end is begun anew.

    Says how many stacks were done at each kill.
    """
    during: list[str] = []
    while len(during) < times:
        process = subprocess.Popen(words(folder, output, mode), stdout=subprocess.DEVNULL)
        try:
            process.wait(random.uniform(0.1, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            during.append(f"{sum(path.suffix == '.tif' for path in output.glob('*'))}")
            continue
        verdict, _ = compare(quiet, output)
        if verdict != "identical":
            raise RuntimeError(f"after {len(during)} kills of {mode}: {verdict}")
    return during


def on_a_cluster(folder: Path, output: Path, mode: str, seconds: float) -> list[str]:
    """Segment the batch with a scheduler and two workers, one of which dies."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask = [sys.executable, "-m", "dask"]
    local = ["--no-dashboard", "--host", "127.0.0.1"]
    scheduler = [*dask, "scheduler", "--port", address.rpartition(":")[2], *local]
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-nanny", *local]
    processes = [begin(scheduler)]
    try:
        time.sleep(3)
        processes += [begin(worker) for _ in range(2)]
        time.sleep(6)
        client = subprocess.Popen(
            words(folder, output, mode, "--scheduler", address), stdout=subprocess.DEVNULL
        )
        while client.poll() is None and not any(output.glob(".*.work")):
            time.sleep(0.05)
        time.sleep(random.uniform(0.0, 0.5) * seconds)
        ended_before = client.poll() is not None
        os.kill(processes[1].pid, signal.SIGKILL)
        if client.wait(timeout=600):
            raise RuntimeError(f"expected exit code 0 of {mode}, got {client.returncode}")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return ["end" if ended_before else "worker killed"]


def begin(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process of which nothing is to be seen."""
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def compare(quiet: Path, noisy: Path) -> tuple[str, int]:
    """Whether two folders hold the same files, the log apart, and how many."""
    files = {path.name for path in quiet.iterdir() if path.suffix in (".tif", ".csv")}
    others = {path.name for path in noisy.iterdir()} - files - {"segment.log.jsonl"}
    if others:
        return f"left over: {', '.join(sorted(others))}", len(files)
    wrong = [
        name
        for name in sorted(files)
        if not (noisy / name).is_file()
        or (noisy / name).read_bytes() != (quiet / name).read_bytes()
    ]
    shutil.rmtree(noisy)
    return (f"differ: {', '.join(wrong)}" if wrong else "identical"), len(files)


if __name__ == "__main__":
    main()
