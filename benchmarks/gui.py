"""What a click costs in the window: from the mouse event to the pixels, and what the window waits.

    xvfb-run -a -s "-screen 0 1280x1024x24" python benchmarks/gui.py [--sizes 512 2048 8192]
        [--clicks 15] [--threads 2] [--model default]

A napari window of 1280×800 with the panel and the shipped model. Per click, press and release are
posted to the canvas as Qt events. *To pixels* ends when Qt has swapped the first frame that was
painted after the new mask went to the texture of the preview (of the labels, for a commit).

A timer of 1 ms interval ticks on the window's event loop. *Held* is the longest time between two
ticks from a press until 150 ms after the tool is idle again: nothing is subtracted, all that was
done between them counts, be it Qt, napari or the tool, and also waiting for a core or for the
interpreter lock. *Painting* is how much of that one gap napari's canvas took to draw and Qt to put
it on the screen; what that costs under software OpenGL with the tool at rest, the lines "mouse
moves" and "canvas repainted" show.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from skimage import data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WINDOW = (1280, 800)
CELL = (186, 213)  # row and column of the first cell's centre
PERIOD = (330, 275)  # of the tiling
SETTLED = 0.15
LONG_MS = 50.0
PATIENCE = 180.0
KINDS = {
    "not encoded": "first click on a slice that is not encoded",
    "while encoding": "the same, 0.3 s after its encoding began",
    "first": "first click on an object",
    "positive": "further click, positive",
    "negative": "further click, negative",
    "commit": "Enter",
}
console = Console(width=120)


def image_of(side: int, seed: int = 0) -> np.ndarray:
    """Tile the cell image at half size, with noise, to side × side pixels, uint8."""
    cell = cv2.resize(data.cell(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    rows, cols = (-(-side // length) for length in cell.shape)
    tiled = np.tile(cell, (rows, cols))[:side, :side]
    noise = np.random.default_rng(seed).normal(0, 4, (1024, 1024)).astype(np.int8)
    times = -(-side // 1024)
    noisy = tiled + np.tile(noise, (times, times))[:side, :side].astype(np.int16)
    return noisy.clip(0, 255).astype(np.uint8)


@dataclass
class Spell:
    """What happened between a click and rest: seconds.

    Attributes
    ----------
    to_pixels : float
        0 where no click was timed.
    gaps : list of (length, painting)
        Between ticks of the event loop.
    """

    to_pixels: float = 0.0
    gaps: list[tuple[float, float]] = field(default_factory=list)


class Watch:
    """Ticks of the event loop, frames of the canvas and writes to the textures, with their times.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        from qtpy.QtCore import QEventLoop, Qt, QTimer

        self.viewer = viewer
        self.canvas = viewer.window._qt_viewer.canvas
        self.frames: list[tuple[float, float]] = []
        self.ticks: list[float] = []
        self.written = self.shown = 0.0
        self._painting_since = 0.0
        self._drawn = 0.0
        self._until: tuple[Callable[[], bool], float] = (lambda: True, 0.0)
        self._loop = QEventLoop()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._tick)
        self.canvas._scene_canvas.events.draw.connect(self._draw, position="first")
        self.canvas.native.aboutToCompose.connect(self._begin_frame)
        self.canvas.native.frameSwapped.connect(self._swapped)

    def follow(self, layer: Any) -> None:
        """Note when pixels of a labels layer go to its texture."""
        layer.events.labels_update.connect(self._wrote)
        layer.events.set_data.connect(self._wrote)

    def run(self, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Run the event loop until a condition holds."""
        self._until = condition, time.perf_counter() + patience
        self._timer.start()
        self._loop.exec()
        self._timer.stop()

    def rest(self, tool: Any, seconds: float = SETTLED) -> None:
        """Run the event loop until the tool has been idle for some time."""
        last_busy = time.perf_counter()

        def rested() -> bool:
            nonlocal last_busy
            now = time.perf_counter()
            if not tool.idle or tool.status.level == "busy":
                last_busy = now
            return now - last_busy > seconds

        self.run(rested)

    def gaps(self, since: float) -> list[tuple[float, float]]:
        """Times between ticks, and how much of each went into frames."""
        ticks = [since, *(tick for tick in self.ticks if tick > since)]
        frames = [frame for frame in self.frames if frame[1] > since]
        return [
            (stop - start, sum(max(0.0, min(stop, b) - max(start, a)) for a, b in frames))
            for start, stop in pairwise(ticks)
        ]

    def forget(self) -> None:
        """Begin anew."""
        self.ticks.clear()
        self.frames.clear()
        self.written = self.shown = 0.0

    def _tick(self) -> None:
        now = time.perf_counter()
        self.ticks.append(now)
        condition, deadline = self._until
        if now > deadline:
            self._loop.exit(1)
            raise TimeoutError(f"expected rest within {PATIENCE} s; the tool is still busy")
        if condition():
            self._loop.quit()

    def _wrote(self, _: Any = None) -> None:
        self.written = self.written or time.perf_counter()

    def _draw(self, _: Any = None) -> None:
        self._drawn = time.perf_counter()
        self._begin_frame()

    def _begin_frame(self) -> None:
        """The canvas is drawn, or put on the screen as it is because the panel has changed."""
        self._painting_since = self._painting_since or time.perf_counter()

    def _swapped(self) -> None:
        now = time.perf_counter()
        self.frames.append((self._painting_since or now, now))
        self._painting_since = 0.0
        if self.written and self._drawn > self.written and not self.shown:
            self.shown = now


class Bench:
    """A napari window with the panel on one image.

    Parameters
    ----------
    image : array, shape (Y, X) or (Z, Y, X)
    model : str
    threads : int, optional
        Of torch; as the tool sets them when not given.
    """

    def __init__(self, image: np.ndarray, model: str, threads: int | None = None) -> None:
        import napari

        from napari_gpcis.widget.panel import GPCISPanel

        self.side = image.shape[-1]
        self.viewer = napari.Viewer()
        self.viewer.window._qt_window.resize(*WINDOW)
        self.watch = Watch(self.viewer)
        self.watch.run(after(0.5))
        self.viewer.add_image(image, name="cells")
        self.watch.run(after(0.5))
        self.watch.forget()
        started = time.perf_counter()
        self.panel: Any = GPCISPanel(self.viewer)
        self.viewer.window.add_dock_widget(self.panel, name="GPCIS", area="right")
        tool: Any = self.panel.tool
        self.tool = tool
        if model != "default":
            self.tool.model.choose(model)
        self.watch.run(lambda: bool(self.tool.model.is_loaded))
        if threads:
            self._set_threads(threads)
        self.watch.rest(self.tool)
        self.opened = Spell(gaps=self.watch.gaps(started))
        document = self.tool.document
        for layer in (document.preview.layer, document.labels):
            self.watch.follow(layer)

    def close(self) -> None:
        """Close the window; unsaved work is in a temporary folder."""
        self.tool.close()
        self.viewer.close()
        self.watch.run(after(0.3))

    def look_at(self, row: float, col: float) -> None:
        """Bring a place to the middle of the canvas."""
        self.viewer.scene.camera.center = (row, col)
        self.viewer.scene.camera.zoom = 1.5
        self.watch.rest(self.tool)

    def click(self, row: float, col: float, *, positive: bool = True) -> Spell:
        """Click on a pixel, and wait until all is at rest."""
        return self._timed(lambda: self.post_click(row, col, positive))

    def press_enter(self) -> Spell:
        """Commit with the key, and wait until all is at rest."""
        from qtpy.QtCore import QEvent, Qt
        from qtpy.QtGui import QKeyEvent
        from qtpy.QtWidgets import QApplication

        def post() -> None:
            for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
                event = QKeyEvent(kind, Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier)
                QApplication.postEvent(self.watch.canvas.native, event)

        return self._timed(post)

    def post_click(self, row: float, col: float, positive: bool) -> None:
        """Give press and release of the left button to Qt, with Ctrl for a negative click."""
        from qtpy.QtCore import QEvent, Qt

        buttons = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        none, control = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
        modifier = none if positive else control
        kinds = QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease
        for kind, held in zip(kinds, buttons, strict=True):
            self.post_mouse(kind, row, col, Qt.MouseButton.LeftButton, held, modifier)

    def move_mouse(self, seconds: float, stop: Callable[[], bool] = lambda: False) -> Spell:
        """Move the mouse to and fro, 30 times a second, for some time or until a condition."""
        from qtpy.QtCore import QEvent, Qt, QTimer

        row, col = self.viewer.scene.camera.center[-2:]
        step = 0
        none = Qt.MouseButton.NoButton, Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier

        def move() -> None:
            nonlocal step
            step += 1
            away = 60 * np.sin(step / 5)
            self.post_mouse(QEvent.Type.MouseMove, row + away, col + away, *none)

        self.watch.forget()
        started = time.perf_counter()
        timer = QTimer()
        timer.timeout.connect(move)
        timer.start(33)
        late = after(seconds)
        self.watch.run(lambda: late() or stop())
        timer.stop()
        return Spell(gaps=self.watch.gaps(started))

    def repaint(self, seconds: float) -> Spell:
        """Have the canvas painted as it is, 10 times a second."""
        from qtpy.QtCore import QTimer

        self.watch.forget()
        started = time.perf_counter()
        timer = QTimer()
        timer.timeout.connect(self.watch.canvas.native.update)
        timer.start(100)
        self.watch.run(after(seconds))
        timer.stop()
        return Spell(gaps=self.watch.gaps(started))

    def post_mouse(self, kind: Any, row: float, col: float, *what: Any) -> None:
        """Give Qt a mouse event at a pixel of the image."""
        from qtpy.QtCore import QPointF
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        native, camera = self.watch.canvas.native, self.viewer.scene.camera
        x = native.width() / 2 + (col - camera.center[-1]) * camera.zoom
        y = native.height() / 2 + (row - camera.center[-2]) * camera.zoom
        place = QPointF(x, y)
        event = QMouseEvent(kind, place, QPointF(native.mapToGlobal(place)), *what)
        QApplication.postEvent(native, event)

    def forget_embeddings(self) -> None:
        """Make the slice one that was never encoded."""
        predictor = self.tool.loop.engine._session._predictor
        predictor.cache.clear()
        predictor.forget()

    def _set_threads(self, threads: int) -> None:
        import torch

        self.tool.loop.engine.worker.do(lambda _: torch.set_num_threads(threads))

    def _timed(self, post: Callable[[], None]) -> Spell:
        self.watch.forget()
        started = time.perf_counter()
        post()
        self.watch.run(lambda: self.watch.shown > 0)
        shown = self.watch.shown - started
        self.watch.rest(self.tool)
        return Spell(shown, self.watch.gaps(started))


def after(seconds: float) -> Callable[[], bool]:
    """Condition that holds some time from now on."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


def cells_of(side: int) -> Iterator[tuple[int, int]]:
    """Centres of cells, no two in a row the same, far from each other where there is room."""
    rows = range(CELL[0], side - 80, PERIOD[0])
    cols = range(CELL[1], side - 80, PERIOD[1])
    centres = [(row, col) for row in rows for col in cols]
    stride = next(n for n in range(len(centres) // 3 + 1, 9999) if np.gcd(n, len(centres)) == 1)
    at = 0
    while True:
        yield centres[at % len(centres)]
        at += stride


def click_through(bench: Bench, count: int) -> dict[str, list[Spell]]:
    """All kinds of clicks, `count` times each."""
    spells: dict[str, list[Spell]] = {kind: [] for kind in KINDS}
    cells = cells_of(bench.side)
    rng = np.random.default_rng(0)
    for at in range(count + 2):
        row, col = next(cells)
        bench.look_at(row, col)
        made = {"first": bench.click(row, col)}
        dy, dx = rng.integers(-12, 13, 2)
        made["positive"] = bench.click(row + dy, col + dx)
        made["negative"] = bench.click(row + dy, col + 55, positive=False)
        made["commit"] = bench.press_enter()
        bench.tool.undo()
        bench.tool.clear()
        bench.watch.rest(bench.tool)
        for kind, delay in (("not encoded", None), ("while encoding", 0.3)):
            bench.forget_embeddings()
            if delay:
                bench.tool.loop.look_at_slice_later()
                bench.watch.run(after(delay))
            made[kind] = bench.click(row, col)
            bench.tool.clear()
            bench.watch.rest(bench.tool)
        for kind, spell in made.items():
            if at >= 2:  # the first two warm up
                spells[kind].append(spell)
    return spells


def report_clicks(bench: Bench, count: int) -> None:
    """Print the table of one size."""
    idle = bench.move_mouse(3.0)
    spells = click_through(bench, count)
    painted = bench.repaint(3.0)
    made = Table(
        title=f"{bench.side}² ({count} of each, ms; load {os.getloadavg()[0]:.1f})",
        title_justify="left",
    )
    heads = ("to pixels: median", "p90", "max", "held", "painting", f"> {LONG_MS:.0f} ms")
    for name in ("", *heads):
        made.add_column(name, justify="right" if name else "left")
    for kind, name in KINDS.items():
        times = [1e3 * spell.to_pixels for spell in spells[kind]]
        figures = statistics.median(times), float(np.quantile(times, 0.9)), max(times)
        made.add_row(name, *(f"{figure:.0f}" for figure in figures), *held(spells[kind]))
    made.add_row("mouse moves, tool at rest, 3 s", "", "", "", *held([idle]))
    made.add_row("canvas repainted, tool at rest, 3 s", "", "", "", *held([painted]))
    made.add_row("set-up: panel and layers", "", "", "", *held([bench.opened]))
    console.print(made)


def held(spells: list[Spell]) -> tuple[str, str, str]:
    """Cells: the longest gap, how much of it was painting, and how many were long."""
    gaps = [gap for spell in spells for gap in spell.gaps]
    longest, painting = max(gaps)
    count = sum(1e3 * length > LONG_MS for length, _ in gaps)
    return f"{1e3 * longest:.0f}", f"{1e3 * painting:.0f}", str(count)


def report_stack(model: str, threads: int | None, side: int = 1024, slices: int = 8) -> None:
    """Print what the window waits while the engine works in the background of a stack."""
    bench = Bench(np.stack([image_of(side, seed) for seed in range(slices)]), model, threads)
    bench.viewer.dims.set_point(0, slices // 2)
    bench.look_at(*CELL)
    made = Table(
        title=f"{slices} × {side}², the mouse moves (ms; load {os.getloadavg()[0]:.1f})",
        title_justify="left",
    )
    for name in ("meanwhile", "s", "held", "painting", f"> {LONG_MS:.0f} ms"):
        made.add_column(name, justify="left" if name == "meanwhile" else "right")

    def row(name: str, begin: Callable[[], object]) -> None:
        begin()
        started = time.perf_counter()
        spell = bench.move_mouse(30.0, lambda: bool(bench.tool.idle))
        made.add_row(name, f"{time.perf_counter() - started:.1f}", *held([spell]))

    made.add_row("the tool is at rest", "3.0", *held([bench.move_mouse(3.0)]))
    bench.forget_embeddings()
    row("three slices are encoded", bench.tool.loop.look_at_slice_later)
    bench.click(*CELL)
    row("an object is propagated both ways", bench.tool.propagate_both)
    console.print(made)
    bench.close()


def main() -> None:
    """Parse the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--sizes", type=int, nargs="*", default=[512, 2048, 8192])
    parser.add_argument("--clicks", type=int, default=15)
    parser.add_argument(
        "--threads", type=int, default=None, help="of torch; the tool's if not given"
    )
    parser.add_argument("--no-stack", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("DATA", "CONFIG", "STATE", "CACHE"):
            os.environ[f"XDG_{kind}_HOME"] = folder
        for side in options.sizes:
            bench = Bench(image_of(side), options.model, options.threads)
            report_clicks(bench, options.clicks)
            bench.close()
        if not options.no_stack:
            report_stack(options.model, options.threads)


if __name__ == "__main__":
    main()
