"""`napari-gpcis benchmark`."""

from __future__ import annotations

from napari_gpcis_training.commands.shared import report_errors, takes, use_threads
from napari_gpcis_training.options import BenchmarkOptions


@takes(BenchmarkOptions)
def benchmark(options: BenchmarkOptions) -> None:
    """Count the clicks that models and classical methods need, by the papers' protocol.

    Writes tables (Markdown, CSV, JSON), curves, contact sheets of the worst cases, and a record
    of every object. A run that was stopped goes on with --resume.
    """
    with report_errors():
        use_threads(options.threads)
        from napari_gpcis_training.benchmark.run import run_benchmark

        run_benchmark(options)
