"""What the window waits when the user changes images, modes or labels, begins, ends, propagates.

    xvfb-run -a -s "-screen 0 1280x1024x24" python benchmarks/gui_switches.py
        [--parts switch first quit propagate] [--side 512] [--rounds 3] [--slices 20]

The same window and watch as in `benchmarks/gui.py`. *Held* is the longest time between two ticks of
the event loop; *total* is the sum of all that were longer than a frame (20 ms). Both are given
with how much of them napari's canvas took to draw and Qt to put it on the screen. *Computing* is
the processor time of the window's thread, which other programs on the machine do not lengthen.

- switch: another image, mode or labels layer, and back; all has been seen once before.
- first: the first image of a fresh window, without the panel and with it, each in a process of
  its own. The panel's model is loaded before.
- quit: from closing the window during fine-tuning to the end of the process.
- propagate: a stack whose slices are all encoded; in the window, and the engine alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from gui import CELL, WINDOW, Bench, Spell, Watch, after, console, image_of
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

FRAME = 0.02
PARTS = ("switch", "first", "quit", "propagate")


def figures(spell: Spell, computing: float = 0.0) -> dict[str, float]:
    """Milliseconds: the longest gap, all that were longer than a frame, and painting in them.

    What the thread computed meanwhile, on its own core, is the same under any load.
    """
    longest, painting = max(spell.gaps, default=(0.0, 0.0))
    long = [gap for gap in spell.gaps if gap[0] > FRAME]
    return {
        "held": 1e3 * longest,
        "painting": 1e3 * painting,
        "total": 1e3 * sum(length for length, _ in long),
        "total painting": 1e3 * sum(painted for _, painted in long),
        "computing": 1e3 * computing,
    }


def table(title: str, heads: tuple[str, ...]) -> Table:
    """Empty table, the first column left-aligned."""
    made = Table(title=f"{title}; load {os.getloadavg()[0]:.1f}", title_justify="left")
    for name in heads:
        made.add_column(name, justify="left" if name == heads[0] else "right")
    return made


def of_switch(bench: Bench, action: Callable[[], object]) -> dict[str, float]:
    """Do something, and wait until the tool is at rest."""
    bench.watch.forget()
    started, before = time.perf_counter(), time.thread_time()
    action()
    bench.watch.ticks.append(time.perf_counter())  # the action itself holds the window, too
    bench.watch.rest(bench.tool)
    return figures(Spell(gaps=bench.watch.gaps(started)), time.thread_time() - before)


def report_switches(side: int, rounds: int) -> None:
    """Print what each switch costs."""
    bench = Bench(image_of(side), "default")
    viewer, tool = bench.viewer, bench.tool
    viewer.add_image(image_of(side, 1), name="other")
    bench.watch.rest(tool)
    labels = tool.switcher.labels_name
    tool.switcher.choose_labels(None)
    bench.watch.rest(tool)
    second = tool.switcher.labels_name

    def select(name: str) -> None:
        viewer.layers.selection = {viewer.layers[name]}

    actions: dict[str, Callable[[], object]] = {
        "image": lambda: select("cells"),
        "image, back": lambda: select("other"),
        "mode": lambda: tool.set_mode("class"),
        "mode, back": lambda: tool.set_mode("object"),
        "labels layer": lambda: tool.switcher.choose_labels(labels),
        "labels layer, back": lambda: tool.switcher.choose_labels(second),
    }
    spells: dict[str, list[dict[str, float]]] = {name: [] for name in actions}
    for at in range(rounds + 1):
        for name, action in actions.items():
            if name.startswith("image"):
                bench.post_click(*CELL, positive=True)  # a draft
                bench.watch.rest(bench.tool)
            found = of_switch(bench, action)
            if at:  # the first round warms up
                spells[name].append(found)
    made = table(
        f"Switches, {side}², worst of {rounds} (ms)",
        ("to another", "held", "painting", "total", "total painting", "computing"),
    )
    for name, all_found in spells.items():
        worst = max(all_found, key=lambda found: found["held"])
        made.add_row(name, *(f"{value:.0f}" for value in worst.values()))
    console.print(made)
    bench.close()


def first_image(side: int, *, with_panel: bool) -> dict[str, float]:
    """Open a window and add an image."""
    import napari

    viewer = napari.Viewer()
    viewer.window._qt_window.resize(*WINDOW)
    watch = Watch(viewer)
    watch.run(after(1.0))
    tool: Any = None
    if with_panel:
        from napari_gpcis.widget.panel import GPCISPanel

        panel: Any = GPCISPanel(viewer)
        viewer.window.add_dock_widget(panel, name="GPCIS", area="right")
        tool = panel.tool
        watch.run(lambda: bool(tool.model.is_loaded))
        watch.run(after(1.0))
    image = image_of(side)
    watch.forget()
    started, before = time.perf_counter(), time.thread_time()
    viewer.add_image(image, name="cells")
    watch.ticks.append(time.perf_counter())
    watch.run(after(2.0))
    found = figures(Spell(gaps=watch.gaps(started)), time.thread_time() - before)
    if tool is not None:
        tool.close()
    viewer.close()
    watch.run(after(0.3))
    return found


def report_first(side: int) -> None:
    """Print what the first image costs, without the panel and with it."""
    made = table(
        f"First image, {side}² (ms)",
        ("", "held", "painting", "total", "total painting", "computing"),
    )
    found = {
        name: _in_a_process("--first", name, "--side", str(side)) for name in ("alone", "panel")
    }
    for name, values in (("napari alone", found["alone"]), ("with the panel", found["panel"])):
        made.add_row(name, *(f"{value:.0f}" for value in values.values()))
    rest = [found["panel"][key] - found["alone"][key] for key in found["alone"]]
    made.add_row("difference", *(f"{value:.0f}" for value in rest))
    console.print(made)


def quit_napari(*, fine_tuning: bool) -> None:
    """Close the window, while the panel fine-tunes or at rest; print the moment."""
    import napari
    from qtpy.QtCore import QTimer

    bench = Bench(image_of(256), "default")
    bench.viewer.layers.clear()
    bench.viewer.add_image(np.stack([image_of(256, seed) for seed in range(4)]), name="stack")
    labels = np.zeros((4, 256, 256), np.uint8)
    labels[:, 150:220, 170:250] = 1
    bench.viewer.add_labels(labels, name="stack labels")
    bench.watch.rest(bench.tool)
    bench.panel.tabs.setCurrentIndex(1)
    bench.watch.rest(bench.tool)
    if fine_tuning:
        _fine_tune(bench)

    def close() -> None:
        print(json.dumps({"closed": time.time()}), flush=True)
        bench.viewer.window._qt_window.close()

    QTimer.singleShot(0, close)
    napari.run()


def _fine_tune(bench: Bench) -> None:
    """Begin a fine-tuning, and wait until it trains."""
    tab: Any = bench.panel.finetune.layout().itemAt(0).widget()
    events: list[str] = []
    tab.job.told.connect(lambda event: events.append(event["event"]))
    tab.start()
    if not tab.job.running:
        tab.start()  # yes, on these labels
    bench.watch.run(lambda: bool(events) or not tab.job.running)
    if not events:
        raise ValueError(f"expected a fine-tuning, got {tab._result.text()!r}")


def report_quit() -> None:
    """Print how long the process lives after its window."""
    made = table("From closing the window to the end of the process", ("", "s"))
    for name, kind in (("at rest", "rest"), ("during fine-tuning", "training")):
        found = _in_a_process("--quit", kind)
        made.add_row(name, f"{found['ended'] - found['closed']:.1f}")
    console.print(made)


def report_propagation(side: int, slices: int) -> None:
    """Print what a slice costs in the window and in the engine alone, all being encoded."""
    bench = Bench(np.stack([image_of(side, seed) for seed in range(slices)]), "default")
    tool = bench.tool
    bench.viewer.dims.set_point(0, slices // 2)
    bench.look_at(*CELL)
    bench.click(*CELL)
    made = table(f"Propagation, {slices} × {side}² (ms)", ("", "slices", "a slice", "held"))

    def forget() -> None:
        """Have every slice carried anew: what was found before would be remembered."""
        tool.loop.engine._session._propagations.clear()

    def in_window(name: str) -> None:
        forget()
        bench.watch.forget()
        started = time.perf_counter()
        tool.propagate_both()
        bench.watch.run(lambda: not tool.can_cancel)
        bench.watch.rest(tool, 0.0)
        took = time.perf_counter() - started
        held = figures(Spell(gaps=bench.watch.gaps(started)))["held"]
        state = tool.document.annotation.state
        count = len(state.slices_of(state.active)) - 1
        bench.watch.rest(tool)
        made.add_row(name, str(count), f"{1e3 * took / count:.0f}", f"{held:.0f}")
        tool.undo()
        bench.watch.rest(tool)

    in_window("in the window, encoding too")
    for _ in range(2):
        in_window("in the window")
    state = tool.document.annotation.state
    times: list[float] = []

    def alone(_: Callable[[], bool]) -> int:
        forget()
        started = time.perf_counter()
        count = sum(1 for _ in tool.loop.engine._session.spread(state, state.active))
        times.append((time.perf_counter() - started) / count)
        return count

    counts: list[int] = []
    for at in range(2):
        tool.loop.engine.worker.do(alone, counts.append)
        bench.watch.run(lambda at=at: len(counts) > at)  # type: ignore[misc]
    made.add_row("the engine alone", str(counts[-1]), f"{1e3 * statistics.median(times):.0f}", "")
    console.print(made)
    bench.close()


def _in_a_process(*arguments: str) -> dict[str, float]:
    """What this script prints in a process of its own, and when that ended."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    ended = time.time()
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise ValueError(f"expected figures of {arguments}, got none; see the error above")
    found: dict[str, float] = json.loads(lines[-1])
    return found | ({"ended": ended} if "closed" in found else {})


def main() -> None:
    """Parse the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slices", type=int, default=20)
    parser.add_argument("--first", choices=("alone", "panel"), help=argparse.SUPPRESS)
    parser.add_argument("--quit", choices=("rest", "training"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("DATA", "CONFIG", "STATE", "CACHE"):
            os.environ[f"XDG_{kind}_HOME"] = folder
        if options.first:
            print(json.dumps(first_image(options.side, with_panel=options.first == "panel")))
        elif options.quit:
            quit_napari(fine_tuning=options.quit == "training")
        else:
            for part in options.parts:
                reports[part](options)


reports: dict[str, Callable[[argparse.Namespace], None]] = {
    "switch": lambda options: report_switches(options.side, options.rounds),
    "first": lambda options: report_first(options.side),
    "quit": lambda _: report_quit(),
    "propagate": lambda options: report_propagation(options.side, options.slices),
}

if __name__ == "__main__":
    main()
