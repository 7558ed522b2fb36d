"""What one scribble, box or lasso brings against one click, set by set: prints tables.

    python benchmarks/prompts.py --data FOLDER [--model default] [--objects 8] [--sets dsb2018,…]

Objects are of the validation split. The user is simulated: a click lies in the middle of the
object; a box is the object's, each side moved outwards by up to 4 % of the longer one; a scribble
is the longest line through the object's skeleton with jitter, as in ScribblePrompt (Wong et al.,
ECCV 2024); a lasso runs just inside the outline. The session is told no diameter, but for the
column that says so. As corrections, scribbles run through the middle of the largest error after a
first click, where clicks are placed in the middle of it.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from skimage.morphology import skeletonize

from napari_gpcis import Session, load_model
from napari_gpcis_training.benchmark.objects import Sampling, by_file, open_sets
from napari_gpcis_training.clicks import evaluation_click
from napari_gpcis_training.protocol import clicks_to, intersection_over_union

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.benchmark.objects import BenchmarkObject

    Array = np.ndarray[Any, np.dtype[Any]]
    Path2D = list[tuple[int, int]]

PROMPTS = ("click", "click, size told", "box", "scribble", "lasso")
BOX_JITTER = 0.04
LASSO_INSET = 0.06
SHORTEST_SCRIBBLE = 4
MOST = 20
console = Console(width=150)


@dataclass
class Course:
    """What was measured of one object."""

    data: str
    image: str
    number: int
    iou: dict[str, float] = field(default_factory=dict)
    noc: dict[str, int] = field(default_factory=dict)
    prompted: int = 0
    wrong: int = 0


def longest_line(mask: Array) -> Path2D:
    """Longest of the shortest ways through a mask's skeleton, as rows and columns in order."""
    skeleton = {(int(r), int(c)) for r, c in np.argwhere(skeletonize(mask))}
    if not skeleton:
        row, col = np.argwhere(mask)[len(np.argwhere(mask)) // 2]
        return [(int(row), int(col))]
    far = _walk(skeleton, min(skeleton))[0]
    end, before = _walk(skeleton, far)
    line = [end]
    while before[line[-1]] is not None:
        line.append(before[line[-1]])
    return line


def _walk(pixels: set, start: tuple[int, int]) -> tuple[tuple[int, int], dict]:
    """Pixel that is farthest from a start, and the one before each on the way there."""
    before: dict = {start: None}
    queue = [start]
    for place in queue:
        for rows in (-1, 0, 1):
            for cols in (-1, 0, 1):
                beside = place[0] + rows, place[1] + cols
                if beside in pixels and beside not in before:
                    before[beside] = place
                    queue.append(beside)
    return queue[-1], before


def scribble_in(mask: Array, rng: np.random.Generator) -> Path2D:
    """Corners of a stroke through the middle of a mask, with jitter, all within it."""
    line = longest_line(largest_piece(mask))
    step = max(1, len(line) // 12)
    corners = [*line[::step], line[-1]]
    moved = [(r + int(rng.integers(-1, 2)), c + int(rng.integers(-1, 2))) for r, c in corners]
    path = [at if _is_in(mask, at) else old for at, old in zip(moved, corners, strict=True)]
    straight = drawn(path)
    return path if all(_is_in(mask, at) for at in straight) else line


def drawn(path: Path2D) -> Path2D:
    """Pixels of a line between corners."""
    from napari_gpcis.engine.prompts import line_pixels

    return line_pixels(path)


def _is_in(mask: Array, place: tuple[int, int]) -> bool:
    row, col = place
    return 0 <= row < mask.shape[0] and 0 <= col < mask.shape[1] and bool(mask[row, col])


def largest_piece(mask: Array) -> Array:
    """Largest connected piece of a mask."""
    count, pieces, found, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return mask if count < 3 else pieces == 1 + int(found[1:, cv2.CC_STAT_AREA].argmax())


def box_of(target: Array, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Box as a user draws it."""
    rows, cols = np.flatnonzero(target.any(1)), np.flatnonzero(target.any(0))
    most = BOX_JITTER * max(rows[-1] - rows[0], cols[-1] - cols[0])
    out = rng.integers(0, round(most) + 1, 4).tolist()
    height, width = target.shape
    return (
        max(0, rows[0] - out[0]),
        max(0, cols[0] - out[1]),
        min(height - 1, rows[-1] + out[2]),
        min(width - 1, cols[-1] + out[3]),
    )


def lasso_of(target: Array) -> Path2D:
    """Outline just inside the largest piece of the object."""
    piece = np.pad(largest_piece(target), 1)
    distance = cv2.distanceTransform(piece.astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    inset = distance > max(1.0, LASSO_INSET * np.sqrt(target.sum()))
    shape = inset if inset.any() else largest_piece(target)
    outlines, _ = cv2.findContours(shape.astype(np.uint8), cv2.RETR_EXTERNAL, 2)
    outline = cv2.approxPolyDP(max(outlines, key=len), 1.0, True)[:, 0]
    return [(int(row), int(col)) for col, row in outline]


class Trial:
    """One object, prompted in a session.

    Parameters
    ----------
    session : Session
        With the object's image.
    item : BenchmarkObject
    course : Course
        Where findings go.
    """

    def __init__(self, session: Session, item: BenchmarkObject, course: Course) -> None:
        self.session = session
        self.item = item
        self.course = course

    def prompt(self, name: str, give: Callable[[Session], Any], diameter: float | None) -> None:
        """Give one prompt and note the IoU."""
        self.session.clear()
        self.session.object_diameter = diameter
        give(self.session)
        self.course.iou[name] = self.score()

    def score(self) -> float:
        """IoU of the present mask; counts the labelled pixels that it contradicts."""
        result = self.session.result
        mask = result.mask
        for click in self.session.clicks:
            self.course.prompted += 1
            self.course.wrong += bool(mask[click.row, click.col]) != click.positive
        self.course.wrong += result.corrected_clicks
        return float(intersection_over_union(mask, self.item.target, self.item.valid))

    def correct(self, name: str, scribbles: bool, rng: np.random.Generator) -> None:
        """Go on after the first click, with clicks or scribbles, and note how many it takes."""
        self.session.clear()
        self.session.object_diameter = None
        target, valid = self.item.target, self.item.valid
        mask, clicked, ious = np.zeros_like(target), np.zeros_like(target), []
        for turn in range(MOST):
            place = evaluation_click(mask, target, valid, clicked)
            if place is None:
                break
            positive = bool(target[place[0], place[1]])
            path = [(place[0], place[1])]
            if scribbles and turn:
                error = (target != mask) & valid & (target == positive)
                _, pieces = cv2.connectedComponents(error.astype(np.uint8), connectivity=4)
                path = scribble_in(pieces == pieces[place[0], place[1]], rng)
            if len(path) >= SHORTEST_SCRIBBLE:
                self.session.add_scribble(path, positive)
            else:
                self.session.add_click(place[0], place[1], positive)
            clicked[place[0], place[1]] = True
            ious.append(self.score())
            mask = self.session.result.mask
            if ious[-1] >= 0.9:
                break
        for wanted in (0.85, 0.90):
            self.course.noc[f"{name}@{100 * wanted:.0f}"] = clicks_to(ious, wanted, MOST)


def measure(session: Session, item: BenchmarkObject, corrections: bool) -> Course:
    """Prompt one object in all ways."""
    course = Course(item.data, item.image_name, item.number)
    trial = Trial(session, item, course)
    rng = np.random.default_rng(item.number)
    target = item.target
    row, col, _ = evaluation_click(np.zeros_like(target), target, item.valid, np.zeros_like(target))
    box, path, outline = box_of(target, rng), scribble_in(target, rng), lasso_of(target)
    trial.prompt("click", lambda s: s.add_click(row, col), None)
    told = item.typical_diameter or item.diameter
    trial.prompt("click, size told", lambda s: s.add_click(row, col), told)
    trial.prompt("box", lambda s: s.add_box(*box), None)
    trial.prompt("scribble", lambda s: s.add_scribble(path), None)
    if len(outline) > 2:
        trial.prompt("lasso", lambda s: s.add_lasso(outline), None)
    for name in ("clicks", "scribbles") if corrections else ():
        trial.correct(name, name == "scribbles", rng)
    return course


def run(model: SegmentationNetwork, options: argparse.Namespace) -> list[Course]:
    """Measure objects of all sets."""
    courses = []
    folders = [options.data / name for name in options.sets.split(",") if name]
    for each in open_sets(folders or [options.data], "auto", lambda line: None):
        sampling = Sampling(objects=options.objects, per_image=3, seed=options.seed)
        for file, places in by_file(each.choose(sampling, console.print)):
            image, session = None, Session(model, device=options.device)
            for item in each.read(file, places):
                if item.image is not image:
                    image = item.image
                    session.set_image(image)
                courses.append(measure(session, item, options.corrections))
        own = [course for course in courses if course.data == each.name]
        console.print(each.name, len(own), _means(own), style="dim")
    return courses


def _means(courses: list[Course]) -> dict[str, float]:
    """Mean IoU in per cent by prompt."""
    found = defaultdict(list)
    for course in courses:
        for name, iou in course.iou.items():
            found[name].append(100 * iou)
    return {name: round(statistics.mean(ious), 1) for name, ious in found.items()}


def report(courses: list[Course], corrections: bool) -> None:
    """Print the tables."""
    columns = ["clicks@85", "scribbles@85", "clicks@90", "scribbles@90"] if corrections else []
    made = Table("set", "objects", *PROMPTS, *columns, "prompted px", "wrong")
    for name in dict.fromkeys(course.data for course in courses):
        own = [course for course in courses if course.data == name]
        ious = _means(own)
        made.add_row(
            name,
            str(len(own)),
            *(f"{ious.get(prompt, float('nan')):.1f}" for prompt in PROMPTS),
            *(f"{statistics.mean(c.noc[column] for c in own):.2f}" for column in columns),
            str(sum(course.prompted for course in own)),
            str(sum(course.wrong for course in own)),
        )
    console.print(made)


def main() -> None:
    """Parse the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--objects", type=int, default=8, help="per set at most")
    parser.add_argument("--sets", default="")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-corrections", dest="corrections", action="store_false")
    parser.add_argument("--objects-csv", type=Path, help="a line per object")
    options = parser.parse_args()
    courses = run(load_model(options.model), options)
    report(courses, options.corrections)
    if options.objects_csv is not None:
        rows = [{**asdict(c), **c.iou, **c.noc} for c in courses]
        with options.objects_csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
