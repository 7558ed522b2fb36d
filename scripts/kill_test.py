"""Kill napari at random moments while clicks are made, and see what is there afterwards.

    python scripts/kill_test.py --times 50

Each round opens a napari window with the tool on a small stack, restores what the round before
left, goes on with random clicks, corrections, commits and undos, a little faster than a person, and
is killed. What the next round restores is compared with what had been reported before the kill.
Ends with an error if more than the last change was lost. Needs a display.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

SHAPE = (2, 96, 110)
CENTRES = ((30, 25), (65, 80), (30, 80))
RADIUS = 13
ALL, MORE, LESS, LOST = "all there", "and one not yet reported", "last change lost", "LOST"
ACTIONS = {
    "click": 45,
    "correct": 15,
    "commit": 15,
    "undo": 12,
    "redo": 5,
    "new_object": 4,
    "clear": 2,
    "swap_sign": 2,
}


def warm_up() -> None:
    """Import what takes long; the processes that are to be killed are forked from this one."""
    from napari_gpcis.widget.tool.torch_import import import_torch

    import_torch()
    for name in (
        "napari._qt.qt_main_window",
        "napari._vispy.canvas",
        "napari_gpcis.engine.session",
        "napari_gpcis.model.checkpoint",
        "napari_gpcis.widget.panel",
        "napari_gpcis.widget.tool.tool",
    ):
        import_module(name)


if __name__ == "__mp_main__":
    warm_up()


@dataclass(frozen=True)
class Seen:
    """What there is to lose.

    Attributes
    ----------
    clicks : tuple
        Of objects that are not committed.
    objects : int
        Committed ones.
    labels : int
        Checksum of the labels.
    """

    clicks: tuple[tuple[int, int, int, bool, int], ...]
    objects: int
    labels: int

    @classmethod
    def of(cls, tool: Any) -> Seen:
        """What a tool has."""
        annotation = tool.document.annotation
        clicks = tuple((*c.place, c.positive, c.object_id) for c in annotation.state.clicks)
        return cls(clicks, tool.object_count, zlib.crc32(annotation.labels.stack().tobytes()))


@dataclass(frozen=True)
class Restored:
    """What was restored, and what is one step before it and after it."""

    now: Seen
    before: Seen | None
    after: Seen | None


@dataclass
class Round:
    """What the parent hears of one process."""

    restored: Restored | None = None
    seen: list[Seen] | None = None

    @property
    def changes(self) -> int:
        """How many changes were reported."""
        return len(self.seen or [None]) - 1


def main() -> None:
    """Kill as often as asked for; the exit status says whether anything was lost."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "disks.tif"
        _write_image(image)
        verdicts = _rounds(image, arguments)
        journal = next(iter(Path(folder).glob("*.jsonl")), None)
        size = journal.stat().st_size if journal else 0
    print(f"\n{arguments.times} kills, {size / 1000:.0f} kB of journal at the end")
    for verdict in (ALL, MORE, LESS, LOST):
        print(f"  {verdict:26} {verdicts[verdict]:3}")
    sys.exit(1 if verdicts[LOST] else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=50, help="how often to kill")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    parser.add_argument("--longest", type=float, default=4.0, help="seconds of work before a kill")
    parser.add_argument("--model", default="default", help="name or path")
    return parser.parse_args()


def _write_image(path: Path) -> None:
    import numpy as np
    import tifffile

    rows, cols = np.ogrid[: SHAPE[1], : SHAPE[2]]
    plane = np.full(SHAPE[1:], 20, np.uint8)
    for row, col in CENTRES:
        plane[(rows - row) ** 2 + (cols - col) ** 2 <= RADIUS**2] = 220
    tifffile.imwrite(path, np.stack([plane] * SHAPE[0]), photometric="minisblack")


def _rounds(image: Path, arguments: argparse.Namespace) -> Counter[str]:
    randomly = random.Random(arguments.seed)
    verdicts: Counter[str] = Counter()
    last = Round()
    print(f"{'kill':>4} {'worked':>7} {'changes':>8} {'clicks':>7} {'objects':>8}  restored")
    for number in range(arguments.times + 1):
        final = number == arguments.times
        seconds = 0.0 if final else randomly.uniform(0.05, arguments.longest)
        this = _one_round(image, arguments.model, randomly.random(), seconds)
        if number:
            verdict = _judge(last, this)
            verdicts[verdict] += 1
            print(verdict, flush=True)
        if not final and this.seen:
            now = this.seen[-1]
            line = f"{number + 1:4} {seconds:6.2f}s {this.changes:8} {len(now.clicks):7}"
            print(f"{line} {now.objects:8}  ", end="", flush=True)
        last = this
    return verdicts


def _one_round(image: Path, model: str, seed: float, seconds: float) -> Round:
    """Start a process, let it restore and work, and kill it."""
    # typed as any: which contexts there are depends on the system
    context: Any = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(str(image), model, seed, theirs), daemon=True)
    process.start()
    theirs.close()
    heard = Round()
    try:
        if not ours.poll(120):
            raise TimeoutError("no window within two minutes")
        heard.restored = ours.recv()
        heard.seen = [ours.recv()]
        time.sleep(seconds)
    finally:
        process.kill()
        process.join()
    try:
        while True:
            heard.seen.append(ours.recv())
    except (EOFError, OSError):  # the last report may have been cut short
        return heard


def _judge(before: Round, after: Round) -> str:
    """What of the round before was there in the one after it."""
    if not before.seen or after.restored is None:
        raise RuntimeError("expected a report of both rounds, got none; see the error above")
    expected, found = before.seen[-1], after.restored
    if found.now == expected:
        return ALL
    if expected in (found.before, found.after):
        return MORE
    if len(before.seen) > 1 and found.now == before.seen[-2]:
        return LESS
    print(f"\nexpected {expected}\ngot {found}")
    return LOST


def _work(image: str, model: str, seed: float, report: Connection) -> None:
    """In a process of its own: restore, tell of it, and click until killed."""
    import napari
    from napari.settings import get_settings
    from qtpy.QtWidgets import QApplication

    from napari_gpcis.widget.panel import GPCISPanel

    get_settings().application.save_window_geometry = False
    viewer = napari.Viewer(show=True)
    viewer.open(image, plugin="napari")
    panel = GPCISPanel(viewer)
    viewer.window.add_dock_widget(panel, name="GPCIS")
    tool: Any = panel.tool
    if model != "default":
        tool.model.choose(model)
    while not tool.model.is_loaded:
        QApplication.processEvents()
        time.sleep(0.01)
    if tool.earlier_work.restorable is not None:
        tool.earlier_work.restore()
    report.send(_restored(tool))
    report.send(Seen.of(tool))
    # after the journal, which is the first observer
    tool.document.annotation.observers.append(lambda _: report.send(Seen.of(tool)))
    randomly = random.Random(seed)
    while True:
        _act(tool, randomly)
        until = time.monotonic() + randomly.uniform(0, 0.12)
        while time.monotonic() < until:
            QApplication.processEvents()
            time.sleep(0.002)


def _restored(tool: Any) -> Restored:
    now = Seen.of(tool)
    return Restored(now, _beside(tool, tool.undo, tool.redo), _beside(tool, tool.redo, tool.undo))


def _beside(tool: Any, there: Callable[[], None], back: Callable[[], None]) -> Seen | None:
    """What is one step away; None if there is no such step."""
    if not (tool.can_undo if there == tool.undo else tool.can_redo):
        return None
    there()
    seen = Seen.of(tool)
    back()
    return seen


def _act(tool: Any, randomly: random.Random) -> None:
    """Do something at random, as a user would."""
    name = randomly.choices(list(ACTIONS), list(ACTIONS.values()))[0]
    if name in ("click", "correct"):
        row, col = randomly.choice(CENTRES)
        z = randomly.randrange(SHAPE[0])
        reach = RADIUS - 2 if name == "click" else 2 * RADIUS
        at = (z, row + randomly.uniform(-reach, reach), col + randomly.uniform(-reach, reach))
        tool.mouse.click(at, name == "click")
    else:
        try:
            getattr(tool, name)()
        except ValueError:  # such as a commit without an object
            return


if __name__ == "__main__":
    main()
