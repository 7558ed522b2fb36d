"""All benchmark tables in one go: `make bench`, or `make bench DATA=DIR` with those that need data.

    python scripts/bench.py [--data DIR] [--only NAME …] [--again]

Each benchmark's output is kept under `runs/bench/COMMIT/`; what is there is not measured again, so
that a run that was stopped goes on. Every number of every table is appended to
`benchmarks/history.csv` (date, commit, benchmark, row, column, value). Figures of different dates
are of different loads of the machine, too: compare side by side before you conclude.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
HISTORY = ROOT / "benchmarks" / "history.csv"
RESULTS = ROOT / "runs" / "bench"
COLUMNS = ("date", "commit", "benchmark", "row", "column", "value")
BARS = re.compile(r"\s*[│┃|]\s*")
RULE = re.compile(r"\s*[┏┡├└╇┼]")
NUMBER = re.compile(r"[-−+]?\d[\d,]*(\.\d+)?")


@dataclass(frozen=True)
class Benchmark:
    """A script and its arguments; DATA stands for the folder of data sets."""

    name: str
    arguments: tuple[str, ...] = ()
    display: bool = False

    @property
    def needs_data(self) -> bool:
        """True if it reads data sets."""
        return "DATA" in self.arguments

    def command(self, data: Path | None) -> list[str]:
        """What is run, from the repository's root."""
        arguments = [str(data) if argument == "DATA" else argument for argument in self.arguments]
        script = [sys.executable, f"benchmarks/{self.name}.py", *arguments]
        return ["scripts/on-display.sh", *script] if self.display else script


BENCHMARKS = (
    Benchmark("speed"),
    Benchmark("first_click"),
    Benchmark("gui", display=True),
    Benchmark("batch_speed"),
    Benchmark("memory", ("--pages", "100")),
    Benchmark("propagation", ("--data", "DATA")),
    Benchmark("corrections", ("--data", "DATA", "--objects", "6")),
    Benchmark("noise", ("--data", "DATA", "--objects", "25")),
)


def main() -> None:
    """Measure what is not measured yet for this commit, and add it to the history."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of data sets")
    parser.add_argument("--only", nargs="+", choices=[each.name for each in BENCHMARKS])
    parser.add_argument("--again", action="store_true", help="measure anew what is there")
    options = parser.parse_args()
    commit = _commit()
    failed = []
    for benchmark in BENCHMARKS:
        if options.only and benchmark.name not in options.only:
            continue
        if benchmark.needs_data and options.data is None:
            print(f"{benchmark.name}: left out, it needs --data DIR\n")
            continue
        kept = RESULTS / commit / f"{benchmark.name}.txt"
        if kept.exists() and not options.again:
            print(f"{benchmark.name}: measured already\n{kept.read_text(encoding='utf-8')}")
            continue
        text = _run(benchmark, options.data)
        if text is None:
            failed.append(benchmark.name)
            continue
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(text, encoding="utf-8")
        _remember(commit, benchmark.name, text)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def figures(text: str) -> Iterator[tuple[str, str, float]]:
    """Row, column and value of each number that stands alone or first in a cell of a table.

    Parameters
    ----------
    text : str
        What a benchmark printed: tables of Markdown, or as rich draws them.
    """
    header: list[str] = []
    for line in text.splitlines():
        cells = BARS.split(line.strip())
        if len(cells) < 4 or cells[0] or cells[-1]:
            if not RULE.match(line):
                header = []  # the table is over
            continue
        cells = cells[1:-1]
        if not header:
            header = cells
        elif len(cells) == len(header):
            for name, cell in zip(header[1:], cells[1:], strict=True):
                found = NUMBER.match(cell)
                if found:
                    yield cells[0], name, float(found[0].replace(",", "").replace("−", "-"))


def _run(benchmark: Benchmark, data: Path | None) -> str | None:
    """Output of a benchmark, shown as it comes; None if it failed."""
    print(f"== {benchmark.name}", flush=True)
    lines = []
    environment = {**os.environ, "COLUMNS": "200"}
    command = benchmark.command(data)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        for line in running.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    return None if running.returncode else "".join(lines)


def _remember(commit: str, name: str, text: str) -> None:
    new = not HISTORY.exists()
    with HISTORY.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        for row, column, value in figures(text):
            writer.writerow([date.today().isoformat(), commit, name, row, column, f"{value:g}"])


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=8"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
