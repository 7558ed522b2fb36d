"""Report of a benchmark: tables, curves, contact sheets, and the machine it was run on."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis_training.benchmark.charts import (
    draw_curve_panels,
    draw_curves,
    draw_reached,
    shares_reached,
)
from napari_gpcis_training.benchmark.objects import by_file
from napari_gpcis_training.benchmark.records import mean_curve
from napari_gpcis_training.benchmark.sheets import choose_worst, contact_sheet, worst_cases
from napari_gpcis_training.benchmark.tables import write_tables
from napari_gpcis_training.reports import file_stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import torch

    from napari_gpcis_training.benchmark.benchmark import Benchmark, ChosenSet
    from napari_gpcis_training.benchmark.records import Record
    from napari_gpcis_training.benchmark.segmenters import Segmenter

WORST_CASES = 12
_PACKAGES = ("napari-gpcis", "torch", "timm", "numpy", "opencv-python-headless", "scikit-image")


def write_report(benchmark: Benchmark, folder: Path, facts: dict[str, str]) -> list[Path]:
    """Write tables, curves and contact sheets of the worst cases.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ValueError
        If nothing was scored.
    OutputFileError
        If the system refuses to write.
    """
    parameters = {segmenter.name: segmenter.parameters for segmenter in benchmark.segmenters}
    return [
        *write_tables(folder, benchmark.scores(), parameters, facts),
        *_draw_pictures(benchmark, folder),
        *_draw_sheets(benchmark, folder),
    ]


def _draw_pictures(benchmark: Benchmark, folder: Path) -> Iterator[Path]:
    records, most = benchmark.records(), benchmark.most
    panels: dict[str, dict[str, Any]] = {}
    shares: dict[str, dict[str, Any]] = {}
    for (data, model), each in records.items():
        panels.setdefault(data, {})[model] = mean_curve(each, most)
        shares.setdefault(data, {})[model] = shares_reached(each, most=most)
    for data, curves in panels.items():
        path = folder / f"curves_{file_stem(data)}.png"
        draw_curves(path, curves, data)
        yield path
        path = folder / f"reached_{file_stem(data)}.png"
        draw_reached(path, shares[data], data)
        yield path
    if len(panels) > 1:
        draw_curve_panels(folder / "curves.png", panels, "Mean IoU by clicks")
        yield folder / "curves.png"


def _draw_sheets(benchmark: Benchmark, folder: Path) -> Iterator[Path]:
    records = benchmark.records()
    for chosen in benchmark.sets:
        for segmenter in benchmark.segmenters:
            mine = records.get((chosen.data.name, segmenter.name))
            if mine:
                yield _write_worst(chosen, segmenter, mine, folder)


def _write_worst(
    chosen: ChosenSet, segmenter: Segmenter, records: list[Record], folder: Path
) -> Path:
    worst = choose_worst(records, WORST_CASES)
    wanted = {(record.image, record.number) for record in worst}
    places = [place for place in chosen.places if (place.plane, place.number) in wanted]
    items = (item for n, some in by_file(places) for item in chosen.data.read(n, some))
    cases = worst_cases(segmenter, worst, items, WORST_CASES)
    path = folder / f"worst_{file_stem(chosen.data.name)}_{file_stem(segmenter.name)}.png"
    contact_sheet(path, cases, title=f"{chosen.data.name}, {segmenter.name}: worst cases")
    return path


def describe_machine(device: torch.device) -> dict[str, str]:
    """Describe the machine: processor, device, threads and versions."""
    import torch

    facts = {"processor": processor_name(), "device": str(device)}
    if device.type == "cuda":
        facts["device"] = torch.cuda.get_device_name(device)
    facts["threads"] = str(torch.get_num_threads())
    facts["versions"] = ", ".join(
        [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in _PACKAGES)]
    )
    return facts


def processor_name() -> str:
    """Name of the processor, as the system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line for line in file if line.startswith("model name")]
        return lines[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def describe_times(records: Iterable[Record]) -> str:
    """Mean times of first clicks, which may have to encode, and of later ones."""
    seconds = [record.seconds for record in records if record.seconds]
    later = [value for each in seconds for value in each[1:]]
    first = 1000 * float(np.mean([each[0] for each in seconds]))
    if not later:
        return f"first click {first:.0f} ms"
    return f"first click {first:.0f} ms, later ones {1000 * float(np.mean(later)):.0f} ms"
