"""A benchmark from its options: opened, run and reported, with the extras that were asked for."""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from napari_gpcis.engine.device import find_device
from napari_gpcis_training.benchmark.benchmark import ENOUGH, Benchmark, ChosenSet
from napari_gpcis_training.benchmark.objects import (
    OWN_LAYOUT,
    BenchmarkObject,
    ObjectSet,
    Sampling,
    by_file,
    open_sets,
    source_named,
)
from napari_gpcis_training.benchmark.peers import GrabCut, RandomWalker
from napari_gpcis_training.benchmark.records import RecordJournal
from napari_gpcis_training.benchmark.report import describe_machine, describe_times, write_report
from napari_gpcis_training.benchmark.segmenters import (
    PAPER_SIZE,
    PaperSegmenter,
    SessionSegmenter,
    load_network,
)
from napari_gpcis_training.benchmark.tables import terminal_tables
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.evaluate import evaluation_crops
from napari_gpcis_training.options import Peer, Protocol
from napari_gpcis_training.reports import file_stem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import torch

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.augment import Crop
    from napari_gpcis_training.benchmark.benchmark import Notify
    from napari_gpcis_training.benchmark.segmenters import Segmenter
    from napari_gpcis_training.options import BenchmarkOptions

SBD_SIZE = 256
_CALIBRATION_OBJECTS = 100
_GUIDANCE_OBJECTS = 12
_PEERS: dict[Peer, Callable[[], Segmenter]] = {
    Peer.random_walker: RandomWalker,
    Peer.grabcut: GrabCut,
}


def run_benchmark(options: BenchmarkOptions, console: Console | None = None) -> Benchmark:
    """Run a benchmark and write its report.

    Raises
    ------
    ValueError
        If the options cannot be met, or nothing could be scored.
    """
    console = console or Console()

    def notify(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    device = find_device(options.device)
    sets = open_sets(options.datasets, options.layout, notify)
    sampling = Sampling(
        options.objects, options.per_image, split=options.split.value, seed=options.seed
    )
    size = choose_size(options, sets)
    segmenters = make_segmenters(options, size, device)
    journal = RecordJournal(options.output, _settings(options, size), resume=options.resume)
    chosen = [ChosenSet(each, each.choose(sampling, notify)) for each in sets]
    benchmark = Benchmark(chosen, segmenters, journal, options.clicks)
    _run(benchmark, console, notify)
    facts = _facts(options, sampling, size, benchmark) | describe_machine(device)
    written = write_report(benchmark, options.output, facts)
    parameters = {segmenter.name: segmenter.parameters for segmenter in segmenters}
    for table in terminal_tables(benchmark.scores(), parameters):
        console.print(table)
    notify(f"wrote {', '.join(path.name for path in written)} in {options.output}")
    models = model_names(options.model_paths)
    if options.class_mode:
        measure_classes(models, sets, options.output, notify)
    if options.calibration:
        measure_calibration(models, sets, options.output, device, notify)
    if options.guidance:
        measure_guidance(models, sets, options.output, device, notify)
    return benchmark


def choose_size(options: BenchmarkOptions, sets: list[ObjectSet]) -> int:
    """Side of the paper protocol's crop, px.

    Raises
    ------
    ValueError
        If it is not given, and the papers have another for SBD than for the rest.
    """
    if options.crop_size is not None:
        return options.crop_size
    sizes = {SBD_SIZE if each.layout == "sbd" else PAPER_SIZE for each in sets}
    if len(sizes) > 1 and options.protocol is Protocol.paper:
        raise ValueError(
            "expected SBD, whose crops have 256 px, in a benchmark of its own, got other sets "
            "beside it; give --crop-size to have one size for all"
        )
    return min(sizes)


def make_segmenters(options: BenchmarkOptions, size: int, device: torch.device) -> list[Segmenter]:
    """Load models and make peers, in the order of the tables.

    Raises
    ------
    ValueError
        If a model cannot be loaded.
    """
    made: list[Segmenter] = []
    for name, path in model_names(options.model_paths).items():
        network = load_network(path)
        if options.protocol is Protocol.paper:
            made.append(PaperSegmenter(name, network, size, device))
        else:
            diameter = options.diameter
            made.append(SessionSegmenter(name, network, str(device), with_diameter=diameter))
    made += [_PEERS[peer]() for peer in dict.fromkeys(options.peers or ())]
    return made


def model_names(models: Iterable[str]) -> dict[str, str]:
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


def _run(benchmark: Benchmark, console: Console, notify: Notify) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("objects × methods", total=benchmark.size)
        benchmark.run(notify, lambda count: progress.advance(task, count))


def _settings(options: BenchmarkOptions, size: int) -> dict[str, Any]:
    """Settings that the records in one folder have in common."""
    settings: dict[str, Any] = {
        "protocol": options.protocol.value,
        "clicks": options.clicks,
        "enough": ENOUGH,
        **{f"model {name}": path for name, path in model_names(options.model_paths).items()},
    }
    if options.protocol is Protocol.paper:
        return settings | {"crop size": size}
    return settings | {"object diameter": options.diameter}


def _facts(
    options: BenchmarkOptions, sampling: Sampling, size: int, benchmark: Benchmark
) -> dict[str, str]:
    if options.protocol is Protocol.paper:
        protocol = (
            f"the papers': first click on the whole image, later ones on the object's box × 1.4, "
            f"both resized to {size}² px"
        )
    elif options.diameter:
        protocol = "sessions that know the median diameter of an image's objects"
    else:
        protocol = "sessions that do not know the objects' diameter"
    facts = {
        "protocol": f"{protocol}; clicked until an IoU of {ENOUGH:.0%}, 5 times at least and "
        f"{options.clicks} at most",
        "objects": _describe_sampling(sampling),
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


def _describe_sampling(sampling: Sampling) -> str:
    count = "all" if sampling.objects is None else f"{sampling.objects} at most"
    return (
        f"{count} of a set; of the papers' sets every mask, of other sets {sampling.per_image} of "
        f"an image at most, {sampling.min_diameter:g} px or more across, of images/ and labels/ "
        f"folders the split {sampling.split}; seed {sampling.seed}"
    )


def measure_classes(
    models: Mapping[str, str], sets: Sequence[ObjectSet], output: Path, notify: Notify
) -> None:
    """Compare class mode with a random forest, on sets in which "all objects" is a class.

    Parameters
    ----------
    models : mapping of str to str
        Path by name.
    sets : sequence of ObjectSet
        Data sets, of which those of our own form are used.
    output : Path
        Every model's report goes into a folder of its own in it.
    notify : callable
        Takes a line for people.
    """
    import torch

    from napari_gpcis_training.benchmark.class_mode.benchmark import class_images, class_report

    images = []
    for each in sets:
        source = source_named(each.name)
        if each.layout == OWN_LAYOUT and source.class_mode:
            images += class_images(each.folder.parent, [source])
    for name, network in _with_gp(models, "class mode", notify):
        folder = output / f"classes_{file_stem(name)}"
        class_report(network, images, folder, threads=torch.get_num_threads(), notify=notify)
        notify(f"wrote {folder}")


def measure_calibration(
    models: Mapping[str, str],
    sets: Sequence[ObjectSet],
    output: Path,
    device: torch.device,
    notify: Notify,
) -> None:
    """Write reliability diagrams and calibration errors; parameters as for `measure_classes`."""
    from napari_gpcis_training.calibration.report import calibration_report

    held_out = {each.name: _crops(each) for each in sets if each.layout == OWN_LAYOUT}
    for name, path in models.items():
        folder = output / f"calibration_{file_stem(name)}"
        report = calibration_report(load_network(path).to(device), held_out, folder)
        notify(f"wrote {folder}; temperature {report['temperature']:.3f}")


def measure_guidance(
    models: Mapping[str, str],
    sets: Sequence[ObjectSet],
    output: Path,
    device: torch.device,
    notify: Notify,
) -> None:
    """Compare "click here next" with random clicks; parameters as for `measure_classes`."""
    from napari_gpcis_training.benchmark.guidance import guidance_report

    objects = [item for each in sets for item in _objects(each, notify)]
    for name, network in _with_gp(models, '"click here next"', notify):
        folder = output / f"guidance_{file_stem(name)}"
        guidance_report(network, objects, folder, device=str(device))
        notify(f"wrote {folder}")


def _with_gp(
    models: Mapping[str, str], feature: str, notify: Notify
) -> Iterator[tuple[str, SegmentationNetwork]]:
    """Load the models that have a GP head; say of the others what they lack."""
    for name, path in models.items():
        network = load_network(path)
        if network.config.head == "gp":
            yield name, network
        else:
            notify(f"{name} has no {feature}, which needs a GP head")


def _crops(each: ObjectSet) -> list[Crop]:
    source, min_area = source_named(each.name), load_config("default").min_area
    held_out = load_set(each.folder.parent, source, "validation", min_area)
    return evaluation_crops(held_out, _CALIBRATION_OBJECTS)


def _objects(each: ObjectSet, notify: Notify) -> list[BenchmarkObject]:
    places = each.choose(Sampling(objects=_GUIDANCE_OBJECTS, per_image=2), notify)
    return [item for file, chosen in by_file(places) for item in each.read(file, chosen)]
