"""Figures are read from the tables that benchmarks print."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

PATH = Path(__file__).parents[1] / "scripts" / "bench.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_figures_of_a_drawn_table(bench):
    table = Table("clicks", "ms a click", "GP", title="a window of 384 × 384 px")
    table.add_row("1", "15.2 (14.9)", "5")
    table.add_row("500", "1,158", "never")
    console = Console(width=120, record=True, file=io.StringIO())
    console.print("2 cores", table, "done in 3 s")
    assert list(bench.figures(console.export_text())) == [
        ("1", "ms a click", 15.2),
        ("1", "GP", 5.0),
        ("500", "ms a click", 1158.0),
    ]


def test_figures_of_markdown_tables_that_follow_each_other(bench):
    text = """
| set | NoC |
|---|---|
| nuclei | 2.0 |

then
| way | IoU | n |
|---|---|---|
| a | −0.5 | 3 |
"""
    assert list(bench.figures(text)) == [
        ("nuclei", "NoC", 2.0),
        ("a", "IoU", -0.5),
        ("a", "n", 3.0),
    ]


def test_every_benchmark_of_the_list_is_a_script(bench):
    for benchmark in bench.BENCHMARKS:
        assert (PATH.parents[1] / "benchmarks" / f"{benchmark.name}.py").exists()
