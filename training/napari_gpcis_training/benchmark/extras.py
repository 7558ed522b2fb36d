"""What a benchmark measures on request beside clicks: class mode, calibration, guidance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_gpcis_training.benchmark.objects import (
    OWN_LAYOUT,
    BenchmarkObject,
    ObjectSet,
    Sampling,
    by_file,
    source_named,
)
from napari_gpcis_training.benchmark.segmenters import load_network
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.evaluate import evaluation_crops
from napari_gpcis_training.plotting.names import file_stem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import torch

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.augment import Crop

    Tell = Callable[[str], None]

_CALIBRATION_OBJECTS = 100
_GUIDANCE_OBJECTS = 12


def measure_classes(
    models: Mapping[str, str], sets: Sequence[ObjectSet], output: Path, tell: Tell
) -> None:
    """Compare class mode with a random forest, on sets in which "all objects" is a class.

    Parameters
    ----------
    models : mapping of str to str
        Path by name.
    sets : sequence of ObjectSet
        Those of our own form are used.
    output : Path
        Every model's report goes into a folder of its own in it.
    tell : callable
        Takes a line for people.
    """
    import torch

    from napari_gpcis_training.benchmark.class_mode.benchmark import class_images, class_report

    images = []
    for each in sets:
        source = source_named(each.name)
        if each.layout == OWN_LAYOUT and source.class_mode:
            images += class_images(each.folder.parent, [source])
    for name, network in _with_gp(models, "class mode", tell):
        folder = output / f"classes_{file_stem(name)}"
        class_report(network, images, folder, threads=torch.get_num_threads(), notify=tell)
        tell(f"wrote {folder}")


def measure_calibration(
    models: Mapping[str, str],
    sets: Sequence[ObjectSet],
    output: Path,
    device: torch.device,
    tell: Tell,
) -> None:
    """Write reliability diagrams and calibration errors; parameters as for `measure_classes`."""
    from napari_gpcis_training.calibration.temperature import calibration_report

    held_out = {each.name: _crops(each) for each in sets if each.layout == OWN_LAYOUT}
    for name, path in models.items():
        folder = output / f"calibration_{file_stem(name)}"
        report = calibration_report(load_network(path).to(device), held_out, folder)
        tell(f"wrote {folder}; temperature {report['temperature']:.3f}")


def measure_guidance(
    models: Mapping[str, str],
    sets: Sequence[ObjectSet],
    output: Path,
    device: torch.device,
    tell: Tell,
) -> None:
    """Compare "click here next" with random clicks; parameters as for `measure_classes`."""
    from napari_gpcis_training.benchmark.guidance import guidance_report

    objects = [item for each in sets for item in _objects(each, tell)]
    for name, network in _with_gp(models, '"click here next"', tell):
        folder = output / f"guidance_{file_stem(name)}"
        guidance_report(network, objects, folder, device=str(device))
        tell(f"wrote {folder}")


def _with_gp(
    models: Mapping[str, str], feature: str, tell: Tell
) -> Iterator[tuple[str, SegmentationNetwork]]:
    """Load the models that have a GP head; of the others, tell what they have not."""
    for name, path in models.items():
        network = load_network(path)
        if network.config.head == "gp":
            yield name, network
        else:
            tell(f"{name} has no {feature}, which needs a GP head")


def _crops(each: ObjectSet) -> list[Crop]:
    source, min_area = source_named(each.name), load_config("default").min_area
    held_out = load_set(each.folder.parent, source, "validation", min_area)
    return evaluation_crops(held_out, _CALIBRATION_OBJECTS)


def _objects(each: ObjectSet, tell: Tell) -> list[BenchmarkObject]:
    places = each.choose(Sampling(objects=_GUIDANCE_OBJECTS, per_image=2), tell)
    return [item for file, chosen in by_file(places) for item in each.read(file, chosen)]
