"""How many corrections an object of a volume needs after one click: prints a table.

    python benchmarks/corrections.py --data DIR [--objects 12] [--objects-csv FILE]

Each object (as in propagation.py) is clicked once, in the deepest point of its middle slice, and
carried both ways. While the IoU of its volume is below 0.85, the slice with most wrong pixels is
clicked, in the middle of its largest error, and the object is carried anew from all clicked slices.
The click starts from the mask that was carried there, as in a session of the widget.

"Mask alone" does the same, but a slice that was not clicked has the mask of the nearest clicked
one, in the slices that the first propagation had reached.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari_gpcis_training.clicks import evaluation_click
from propagation import CACHE_BYTES, SETS, iou, objects, volumes
from rich.console import Console
from rich.table import Table

from napari_gpcis import Session, load_model
from napari_gpcis.engine.document.history import StoredMask
from napari_gpcis.engine.geometry import bounding_box

if TYPE_CHECKING:
    from napari_gpcis.engine.result import Result
    from napari_gpcis.model import SegmentationNetwork

GOOD = 0.85
MOST = 20


@dataclass
class Course:
    """How it went with one object.

    Attributes
    ----------
    volume : str
    method : str
    slices : int
        Of the object.
    first_iou, last_iou : float
        Of the volume after one click, and in the end.
    corrections : int
        Clicks after the first; `MOST` if it never was good.
    """

    volume: str
    method: str
    slices: int
    first_iou: float
    last_iou: float
    corrections: int

    @property
    def reached(self) -> bool:
        """Whether it became good."""
        return self.last_iou >= GOOD


class Trial:
    """An object that is clicked until it is good.

    Parameters
    ----------
    session : Session
        Its image is the volume.
    target : ndarray, shape (Z, Y, X), bool
    middle : int
        Slice of the first click.
    reach : set of int, optional
        Slices that get the nearest clicked mask; when not given, propagation finds them.
    """

    def __init__(
        self, session: Session, target: np.ndarray, middle: int, reach: set[int] | None = None
    ) -> None:
        self.session = session
        self.target = target
        self.reach = reach
        self.found = np.zeros_like(target)
        self.clicked = np.zeros_like(target)
        self.everywhere = np.ones_like(target[0])
        self.click(middle)

    def click(self, z: int) -> None:
        """Click the middle of the largest error of a slice, and carry the object."""
        place = evaluation_click(self.found[z], self.target[z], self.everywhere, self.clicked[z])
        if place is None:
            raise ValueError(f"expected an error in slice {z}, got none; choose another slice")
        row, col, sign = place
        self.clicked[z, row, col] = True
        self.session.add_click(row, col, positive=sign > 0, z=z)
        if self.reach is None:
            # nothing is left to carry when a click has removed the last mask
            with suppress(ValueError):
                self.session.propagate()
        else:
            self.copy(self.reach)
        self.found = self.masks()

    def copy(self, reach: set[int]) -> None:
        """Carry to each slice the mask of the nearest clicked one."""
        state = self.session.annotation.state
        slices = {click.z for click in state.clicks}
        masks = {z: self.answer(z).mask for z in slices}
        copies = {}
        for z in reach - slices:
            mask = masks[min(masks, key=lambda at: abs(at - z))]
            box = bounding_box(mask)
            if box is not None:
                copies[z] = StoredMask(box, mask[box.slices])
        self.session.annotation.carry(copies, instead=range(len(self.target)))

    def answer(self, z: int) -> Result:
        """Answer of a clicked slice."""
        annotation = self.session.annotation
        question = annotation.question(z)
        result = self.session.answer(question)
        annotation.accept(question, result)
        return result

    def masks(self) -> np.ndarray:
        """The object in all slices."""
        state = self.session.annotation.state
        found = np.zeros_like(self.target)
        for z in state.slices_of(state.active):
            if state.of(state.active, z):
                found[z] = self.answer(z).mask
            elif (mask := state.mask_of(state.active, z)) is not None:
                found[z][mask[0].slices] = mask[1]
        return found

    def worst(self) -> int:
        """Slice with most wrong pixels."""
        return int((self.found ^ self.target).sum((1, 2)).argmax())


def run(trial: Trial, volume: str, method: str) -> Course:
    """Correct an object until it is good, or too often."""
    slices = int(trial.target.any((1, 2)).sum())
    first = score = iou(trial.found, trial.target)
    corrections = 0
    while score < GOOD and corrections < MOST:
        corrections += 1
        trial.click(trial.worst())
        score = iou(trial.found, trial.target)
    return Course(volume, method, slices, first, score, corrections if score >= GOOD else MOST)


def try_object(
    model: SegmentationNetwork, volume: np.ndarray, diameter: float, target: np.ndarray, middle: int
) -> tuple[Trial, Trial]:
    """Both ways of going about an object, after the first click."""
    sessions = []
    for _ in range(2):
        session = Session(model, device="cpu", object_diameter=diameter, device_bytes=CACHE_BYTES)
        session.set_image(volume)
        sessions.append(session)
    ours = Trial(sessions[0], target, middle)
    reach = set(np.flatnonzero(ours.found.any((1, 2))).tolist())
    return ours, Trial(sessions[1], target, middle, reach)


def cells(courses: list[Course]) -> list[str]:
    """Cells of a row of the table."""
    corrections = [course.corrections for course in courses]
    first = [course.first_iou for course in courses]
    return [
        str(len(courses)),
        f"{100 * statistics.mean(first):.1f} / {100 * statistics.median(first):.1f}",
        f"{sum(course.first_iou >= GOOD for course in courses)}",
        f"{statistics.mean(corrections):.1f} / {statistics.median(corrections):g}",
        f"{sum(not course.reached for course in courses)}",
        f"{100 * statistics.mean(course.last_iou for course in courses):.1f}",
    ]


def main() -> None:
    """Parse the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--objects", type=int, default=12, help="per volume at most")
    parser.add_argument("--split", choices=("validation", "all"), default="validation")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--objects-csv", type=Path, help="a line per object and method")
    options = parser.parse_args()
    model = load_model(options.model)
    table = Table(
        "set",
        "method",
        "objects",
        "volume IoU after 1 click (mean / median)",
        "good at once",
        f"corrections to {GOOD} (mean / median)",
        f"not within {MOST}",
        "final IoU",
        title=f"Volumes, split {options.split}",
    )
    courses: list[Course] = []
    for name in options.sets.split(","):
        for number, volume in enumerate(volumes(options.data, name, options.split)):
            for target, z in objects(volume, options.objects, options.seed):
                trials = try_object(model, volume.image, volume.diameter, target, z)
                for trial, method in zip(trials, ("propagation", "mask alone"), strict=True):
                    courses.append(run(trial, f"{name} {number}", method))
                    print(courses[-1], flush=True)
        for method in ("propagation", "mask alone"):
            own = [c for c in courses if c.volume.startswith(name) and c.method == method]
            table.add_row(name, method, *cells(own))
    Console(width=140).print(table)
    if options.objects_csv is not None:
        with options.objects_csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(asdict(courses[0])))
            writer.writeheader()
            writer.writerows(asdict(course) for course in courses)


if __name__ == "__main__":
    main()
