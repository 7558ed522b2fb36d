"""A benchmark as its user asked for it: opened, run, reported."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from napari_gpcis.engine.device import find_device
from napari_gpcis_training.benchmark.benchmark import Benchmark, ChosenSet
from napari_gpcis_training.benchmark.extras import (
    measure_calibration,
    measure_classes,
    measure_guidance,
)
from napari_gpcis_training.benchmark.journal import RecordJournal
from napari_gpcis_training.benchmark.objects import ObjectSet, Sampling, open_sets
from napari_gpcis_training.benchmark.peers import GrabCut, RandomWalker
from napari_gpcis_training.benchmark.protocol import ENOUGH
from napari_gpcis_training.benchmark.records import CLICKS
from napari_gpcis_training.benchmark.report import describe_machine, describe_times, write_report
from napari_gpcis_training.benchmark.segmenters import (
    PAPER_SIZE,
    PaperSegmenter,
    SessionSegmenter,
    load_network,
)
from napari_gpcis_training.benchmark.tables import terminal_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from napari_gpcis_training.benchmark.benchmark import Tell
    from napari_gpcis_training.benchmark.segmenters import Segmenter

SBD_SIZE = 256
_PEERS: dict[str, Callable[[], Segmenter]] = {"random-walker": RandomWalker, "grabcut": GrabCut}


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure.

    Attributes
    ----------
    datasets : tuple of Path
        Data sets, or folders of data sets.
    output : Path
        Folder of records and report.
    models : tuple of str
        Names, paths of models, or of checkpoints of the reference implementation.
    peers : tuple of str
        Of "random-walker" and "grabcut".
    layout : str
        Of the data sets; "auto" to find out.
    protocol : {"paper", "session"}
        Whether models answer on the paper's crops, or as sessions.
    sampling : Sampling
    clicks : int
        Most clicks on an object.
    crop_size : int or None
        Of the paper's protocol, px; 384, of SBD 256, when None.
    with_diameter : bool
        Whether sessions are told the median diameter of an image's objects.
    resume : bool
        Whether to go on from the records in the output.
    class_mode, calibration, guidance : bool
        Whether to compare class mode with a random forest, to measure how far probabilities can be
        believed (both on sets of our own form), and to compare "click here next" with random
        clicks, too.
    device : str
    """

    datasets: tuple[Path, ...]
    output: Path
    models: tuple[str, ...] = ("default",)
    peers: tuple[str, ...] = ()
    layout: str = "auto"
    protocol: Literal["paper", "session"] = "paper"
    sampling: Sampling = field(default_factory=Sampling)
    clicks: int = CLICKS
    crop_size: int | None = None
    with_diameter: bool = True
    resume: bool = False
    class_mode: bool = False
    calibration: bool = False
    guidance: bool = False
    device: str = "auto"


def carry_out(request: Request, console: Console | None = None) -> Benchmark:
    """Run a benchmark and write its report.

    Raises
    ------
    ValueError
        If the request cannot be met, or nothing could be scored.
    """
    console = console or Console()

    def tell(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    device = find_device(request.device)
    sets = open_sets(request.datasets, request.layout, tell)
    size = choose_size(request, sets)
    segmenters = make_segmenters(request, size, device)
    journal = RecordJournal(request.output, _settings(request, size), resume=request.resume)
    chosen = [ChosenSet(each, each.choose(request.sampling, tell)) for each in sets]
    benchmark = Benchmark(chosen, segmenters, journal, request.clicks)
    _run(benchmark, console, tell)
    facts = _facts(request, size, benchmark) | describe_machine(device)
    written = write_report(benchmark, request.output, facts)
    parameters = {segmenter.name: segmenter.parameters for segmenter in segmenters}
    for table in terminal_tables(benchmark.scores(), parameters):
        console.print(table)
    tell(f"wrote {', '.join(path.name for path in written)} in {request.output}")
    models = model_names(request.models)
    if request.class_mode:
        measure_classes(models, sets, request.output, tell)
    if request.calibration:
        measure_calibration(models, sets, request.output, device, tell)
    if request.guidance:
        measure_guidance(models, sets, request.output, device, tell)
    return benchmark


def choose_size(request: Request, sets: list[ObjectSet]) -> int:
    """Side of the paper protocol's crop, px.

    Raises
    ------
    ValueError
        If it is not given, and the papers have another for SBD than for the rest.
    """
    if request.crop_size is not None:
        return request.crop_size
    sizes = {SBD_SIZE if each.layout == "sbd" else PAPER_SIZE for each in sets}
    if len(sizes) > 1 and request.protocol == "paper":
        raise ValueError(
            "expected SBD, which has crops of 256 px, in a benchmark of its own, got others "
            "beside it; give --crop-size to have one for all"
        )
    return min(sizes)


def make_segmenters(request: Request, size: int, device: torch.device) -> list[Segmenter]:
    """Load models and make peers, in the order of the tables.

    Raises
    ------
    ValueError
        If a model cannot be loaded, or there is nothing to measure.
    """
    made: list[Segmenter] = []
    for name, path in model_names(request.models).items():
        network = load_network(path)
        if request.protocol == "paper":
            made.append(PaperSegmenter(name, network, size, device))
        else:
            diameter = request.with_diameter
            made.append(SessionSegmenter(name, network, str(device), with_diameter=diameter))
    made += [_PEERS[name]() for name in dict.fromkeys(request.peers)]
    if not made:
        raise ValueError("expected a model or a peer, got none; give --model or --peer")
    return made


def model_names(models: tuple[str, ...]) -> dict[str, str]:
    """Path by short name: the file's, with the folder's before it where files are named alike."""
    models = tuple(dict.fromkeys(models))
    stems = Counter(Path(model).stem for model in models)
    names = {}
    for model in models:
        path = Path(model)
        alike = stems[path.stem] > 1 and len(path.parts) > 1
        names[f"{path.parent.name}/{path.stem}" if alike else path.stem] = model
    if len(names) < len(models):
        raise ValueError(
            f"expected models that can be told apart by file and folder, got {', '.join(models)}; "
            "rename one"
        )
    return names


def _run(benchmark: Benchmark, console: Console, tell: Tell) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("objects × methods", total=benchmark.size)
        benchmark.run(tell, lambda count: progress.advance(task, count))


def _settings(request: Request, size: int) -> dict[str, Any]:
    """What records in one folder have in common."""
    settings: dict[str, Any] = {
        "protocol": request.protocol,
        "clicks": request.clicks,
        "enough": ENOUGH,
        **{f"model {name}": path for name, path in model_names(request.models).items()},
    }
    if request.protocol == "paper":
        return settings | {"crop size": size}
    return settings | {"object diameter": request.with_diameter}


def _facts(request: Request, size: int, benchmark: Benchmark) -> dict[str, str]:
    if request.protocol == "paper":
        protocol = (
            f"the papers': first click on the whole image, later ones on the object's box × 1.4, "
            f"both resized to {size}² px"
        )
    elif request.with_diameter:
        protocol = "sessions that know the median diameter of an image's objects"
    else:
        protocol = "sessions that do not know the objects' diameter"
    facts = {
        "protocol": f"{protocol}; clicked until an IoU of {ENOUGH:.0%}, 5 times at least and "
        f"{request.clicks} at most",
        "objects": _told_sampling(request.sampling),
    }
    for segmenter in benchmark.segmenters:
        mine = [
            record
            for (_, model), records in benchmark.records().items()
            if model == segmenter.name
            for record in records
        ]
        if mine:
            facts[f"times of {segmenter.name}"] = describe_times(mine)
    if benchmark.errors:
        facts["left out"] = f"{len(benchmark.errors)}: " + "; ".join(benchmark.errors)
    return facts | {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds")}


def _told_sampling(sampling: Sampling) -> str:
    count = "all" if sampling.objects is None else f"{sampling.objects} at most"
    return (
        f"{count} of a set; of the papers' sets every mask, of other sets {sampling.per_image} of "
        f"an image at most, {sampling.min_diameter:g} px or more across, of images/ and labels/ "
        f"folders the split {sampling.split}; seed {sampling.seed}"
    )
