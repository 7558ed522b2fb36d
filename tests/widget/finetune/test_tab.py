from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import psutil
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QComboBox
from skimage.draw import disk

from napari_gpcis.engine.document.label_store import Patch
from napari_gpcis.engine.geometry import Box
from napari_gpcis.io.images.open import open_image
from napari_gpcis.widget.finetune import job as finetune_job
from napari_gpcis.widget.finetune.curve import Curve, smoothed
from napari_gpcis.widget.finetune.export import export, pair_of
from napari_gpcis.widget.finetune.tab import FineTuneTab
from napari_gpcis.widget.tool.torch_import import import_torch

pytestmark = pytest.mark.gui

BEFORE = {"noc85": 8.0, "noc90": 9.0, "iou1": 60.0, "objects": 7}
AFTER = {"noc85": 5.0, "noc90": 7.0, "iou1": 70.0, "objects": 7}
START = {"event": "start", "images": 4, "objects": 9, "object_diameter": 21.4, "held_out": 1}
WAIT_MS = 20_000


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("NAPARI_GPCIS_MODELS", str(folder))
    return folder


@pytest.fixture
def viewer() -> ViewerModel:
    """Four slices of a dark and a bright disk, labelled; no window."""
    viewer = ViewerModel()
    labels = np.zeros((4, 96, 96), np.int32)
    for z in range(4):
        labels[(z, *disk((30 + z, 30), 14))] = 1
        labels[(z, *disk((66, 64 - z), 16))] = 2
    noise = np.random.default_rng(0).normal(0, 8, labels.shape)
    viewer.add_image((40 + 60 * labels + noise).clip(0, 255).astype(np.uint8), name="cells")
    viewer.add_labels(labels, name="truth")
    return viewer


@pytest.fixture
def tab(viewer: ViewerModel, qtbot: Any) -> FineTuneTab:
    widget = FineTuneTab(viewer)
    qtbot.addWidget(widget)
    widget.show()
    return widget


def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> None:
    """Put a program in the command's place; `tell(event, …)` prints, `option(name)` reads."""
    script = tmp_path / "fake.py"
    script.write_text(
        "import json, pathlib, signal, sys, time\n"
        "def tell(**event): print(json.dumps(event), flush=True)\n"
        "def option(name): return sys.argv[sys.argv.index(name) + 1]\n"
        f"START, BEFORE, AFTER = {START!r}, {BEFORE!r}, {AFTER!r}\n{body}"
    )
    monkeypatch.setattr(finetune_job, "COMMAND", (sys.executable, str(script)))


def run(tab: FineTuneTab, qtbot: Any) -> None:
    with qtbot.waitSignal(tab.job.ended, timeout=WAIT_MS):
        tab.start()
        assert tab.job.running, tab.result.text()
    assert not tab.job.running


def test_a_run_is_shown_and_its_model_announced(
    tab: FineTuneTab, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: Path
) -> None:
    body = """
pathlib.Path(option("--output") + ".argv").write_text(json.dumps(sys.argv))
files = [sorted(pathlib.Path(option(name)).iterdir()) for name in ("--images", "--labels")]
assert [path.name for path in files[0]] == [path.name for path in files[1]] == ["01 cells.tif"]
tell(**START)
print("a library says hello")
tell(event="validation", step=0, **BEFORE)
for step in (1, 2):
    tell(event="progress", step=step, steps=2, loss=1 / step, seconds=step, left=70 * (2 - step))
tell(event="validation", step=2, **AFTER)
pathlib.Path(option("--output")).write_bytes(b"weights")
tell(event="done", output=option("--output"), before=BEFORE, after=AFTER, improved=True)
"""
    command(monkeypatch, tmp_path, body)
    tab.model_name.setText("Lab cells v1.2")
    with qtbot.waitSignal(tab.model_made, timeout=WAIT_MS) as made:
        run(tab, qtbot)
    assert made.args == ["Lab cells v1.2"]
    assert (models / "Lab cells v1.2.safetensors").read_bytes() == b"weights"
    assert tab.loss.points == ((1, 1.0), (2, 0.5))
    assert tab.clicks.points == ((0, 8.0), (2, 5.0))
    text = tab.result.text()
    assert "8.00 → 5.00 clicks" in text
    assert "Lab cells v1.2" in text
    given = json.loads((models / "Lab cells v1.2.safetensors.argv").read_text())
    assert given[given.index("--model") + 1] == "default"
    assert "--json" in given
    assert not Path(given[given.index("--images") + 1]).exists()
    assert tab.start_button.isEnabled()
    assert not tab.stop_button.isEnabled()


def test_a_model_that_is_no_better_is_not_kept(
    tab: FineTuneTab, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: Path
) -> None:
    body = """
pathlib.Path(option("--output")).write_bytes(b"weights")
tell(event="done", output="", before=BEFORE, after=BEFORE, improved=False)
"""
    command(monkeypatch, tmp_path, body)
    with qtbot.assertNotEmitted(tab.model_made):
        run(tab, qtbot)
    assert "no model was made" in tab.result.text()
    assert list(models.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('tell(event="error", message="01 cells.tif: no object"); sys.exit(2)', "01 cells.tif: no"),
        ('sys.stderr.write("MemoryError: too large"); sys.exit(1)', "MemoryError: too large"),
        ("sys.exit(3)", "exit code 3"),
    ],
)
def test_an_error_is_shown_in_its_own_words(
    tab: FineTuneTab,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    words: str,
) -> None:
    command(monkeypatch, tmp_path, body)
    run(tab, qtbot)
    assert words in tab.result.text()
    assert tab.start_button.isEnabled()


def test_a_program_that_is_not_there_is_said(
    tab: FineTuneTab, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune_job, "COMMAND", (str(tmp_path / "nothing"),))
    run(tab, qtbot)
    assert "could not be started" in tab.result.text()


def test_layers_that_cannot_be_read_are_said(
    viewer: ViewerModel, tab: FineTuneTab, qtbot: Any
) -> None:
    def broken(block: np.ndarray) -> np.ndarray:
        raise OSError("the disk is gone")

    lazy = da.zeros((1, 96, 96), np.uint8, chunks=(1, 96, 96)).map_blocks(
        broken, dtype=np.uint8, meta=np.zeros((0, 0, 0), np.uint8)
    )
    sound = da.from_array(viewer.layers["cells"].data[:3], chunks=(1, 96, 96))
    viewer.layers.remove("cells")
    viewer.add_image(da.concatenate([sound, lazy]), name="cells", contrast_limits=(0, 255))
    run(tab, qtbot)
    assert "the disk is gone" in tab.result.text()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM for other programs")
def test_a_stop_keeps_what_the_command_still_writes(
    tab: FineTuneTab, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
def stop(*_):
    pathlib.Path(option("--output")).write_bytes(b"weights")
    tell(event="done", output="", before=BEFORE, after=AFTER, improved=True, stopped=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
tell(event="progress", step=1, steps=9, loss=1.0, seconds=1, left=9)
while True: time.sleep(0.05)
"""
    command(monkeypatch, tmp_path, body)
    tab.start()
    qtbot.waitUntil(lambda: bool(tab.loss.points), timeout=WAIT_MS)
    with qtbot.waitSignal(tab.model_made, timeout=WAIT_MS):
        tab.cancel()
    qtbot.waitUntil(lambda: not tab.job.running, timeout=WAIT_MS)
    assert "Stopped early" in tab.result.text()


def test_a_command_that_does_not_stop_is_killed(
    viewer: ViewerModel, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
tell(event="progress", step=1, steps=9, loss=1.0, seconds=1, left=9)
while True: time.sleep(0.05)
"""
    command(monkeypatch, tmp_path, body)
    monkeypatch.setattr(finetune_job, "GRACE_MS", 200)
    tab = FineTuneTab(viewer)
    qtbot.addWidget(tab)
    tab.start()
    qtbot.waitUntil(lambda: bool(tab.loss.points), timeout=WAIT_MS)
    with qtbot.waitSignal(tab.job.ended, timeout=WAIT_MS):
        tab.cancel()
    assert tab.result.text() == "Stopped; no model was made."


def test_the_command_ends_with_the_window(
    make_napari_viewer: Callable[[], Any],
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    viewer: ViewerModel,
) -> None:
    note = tmp_path / "note.json"
    body = f"""
import os
pathlib.Path({str(note)!r}).write_text(json.dumps([os.getpid(), option("--images")]))
tell(event="progress", step=1, steps=9, loss=1.0, seconds=1, left=9)
time.sleep(60)
"""
    command(monkeypatch, tmp_path, body)
    window_viewer = make_napari_viewer()
    for layer in viewer.layers:
        window_viewer.add_layer(layer)
    tab = FineTuneTab(window_viewer)
    window_viewer.window.add_dock_widget(tab)
    job = tab.job
    tab.start()
    qtbot.waitUntil(lambda: bool(tab.loss.points), timeout=WAIT_MS)
    process, images = json.loads(note.read_text())
    assert psutil.pid_exists(process)
    assert Path(images).exists()
    window_viewer.close()
    qtbot.waitUntil(lambda: not job.running, timeout=WAIT_MS)
    assert not psutil.pid_exists(process)
    assert not Path(images).parent.exists()
    window_viewer.layers.clear()  # nobody listens any more


def test_wishes_that_cannot_be_met_are_said(
    viewer: ViewerModel, tab: FineTuneTab, models: Path
) -> None:
    def said() -> str:
        tab.start()
        assert not tab.job.running
        return tab.result.text()

    for name in ("", "../up", ".hidden", "default"):
        tab.model_name.setText(name)
        assert "name" in said()
    models.mkdir()
    (models / "taken.safetensors").touch()
    tab.model_name.setText("Taken")
    assert "exists" in said()
    tab.model_name.setText("free")
    viewer.layers["truth"].data = np.zeros((4, 90, 96), np.int32)
    assert "(4, 90, 96)" in said()
    viewer.layers.remove("truth")
    assert "Choose an image and its labels" in said()
    viewer.layers.clear()
    viewer.add_image(np.zeros((96, 96)))
    viewer.add_labels(squares((96, 96)))
    assert "not 1" in said()


def squares(shape: tuple[int, int], number: int = 1) -> np.ndarray:
    labels = np.zeros(shape, int)
    labels[10:40, 20:50] = number
    return labels


def offered(box: QComboBox) -> list[str]:
    return [box.itemText(index) for index in range(box.count())]


def test_pairs_follow_the_layers(viewer: ViewerModel, tab: FineTuneTab) -> None:
    assert tab.pairs.chosen() == [("cells", "truth")]
    viewer.add_image(np.zeros((96, 96)), name="second")
    viewer.add_labels(squares((96, 96)), name="second truth")
    assert tab.pairs.chosen() == [("cells", "truth"), ("second", "second truth")]
    tab.pairs.add.click()
    assert len(tab.pairs.chosen()) == 2
    tab.pairs.rows[0].remove.click()
    assert ("second", "second truth") in tab.pairs.chosen()
    viewer.layers["second"].name = "renamed"
    assert ("renamed", "second truth") in tab.pairs.chosen()


def test_labels_are_paired_by_name_and_shape_whatever_their_order(
    viewer: ViewerModel, tab: FineTuneTab
) -> None:
    viewer.layers.clear()
    names = ["im2", "im0", "im1"]
    for name in names:
        viewer.add_image(np.zeros((96, 96)), name=name)
    for name in sorted(names):
        viewer.add_labels(squares((96, 96)), name=f"{name} labels")
    viewer.add_labels(np.zeros((96, 96), int), name="empty")
    viewer.add_labels(squares((60, 60)), name="im3 labels")  # of no image that is here
    assert tab.pairs.chosen() == [(name, f"{name} labels") for name in names]
    assert "empty" not in offered(tab.pairs.rows[0].labels)


def test_the_table_counts_objects_and_warns_of_labels_that_follow_no_edge(
    viewer: ViewerModel, tab: FineTuneTab, qtbot: Any
) -> None:
    truth = viewer.layers["truth"].data
    shuffled = np.roll(truth, (31, 47), (1, 2))
    viewer.add_image(viewer.layers["cells"].data, name="more cells")
    viewer.add_labels(shuffled, name="more truth")

    def rows() -> dict[str, tuple[str, bool]]:
        return {
            row.image.currentText(): (row.objects.text(), row.warning.isVisible())
            for row in tab.pairs.rows
        }

    expected = {"cells": ("2", False), "more cells": ("2", True)}
    qtbot.waitUntil(lambda: rows() == expected, timeout=WAIT_MS)
    row = tab.pairs.rows[1]
    assert "another" in row.warning.text()
    qtbot.keyClicks(row.labels, "truth")  # the user chooses the right ones
    row.labels.activated.emit(row.labels.currentIndex())
    qtbot.waitUntil(lambda: rows()["more cells"] == ("2", False), timeout=WAIT_MS)


def test_the_tool_s_own_layers_are_not_offered(qtbot: Any) -> None:
    from tests.widget.silent import silent_tool

    with silent_tool() as tool:
        tool.document.annotation.edit(
            [Patch(0, Box(0, 0, 9, 9), np.zeros((9, 9), int), np.ones((9, 9), int))]
        )
        tool.document.preview.layer.data[:20] = 1
        tab = FineTuneTab(tool.viewer, tool)
        qtbot.addWidget(tab)
        (row,) = tab.pairs.rows
        assert offered(row.labels) == ["GPCIS labels"]
        assert offered(row.image) == ["nuclei", "embryo"]
        assert tab.pairs.chosen() == [("embryo", "GPCIS labels")]


def test_shuffled_labels_are_asked_about_before_they_are_trained_on(
    viewer: ViewerModel,
    tab: FineTuneTab,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command(monkeypatch, tmp_path, 'tell(event="error", message="it ran")')
    truth = viewer.layers["truth"].data
    viewer.layers["truth"].data = np.roll(truth, (31, 47), (1, 2))
    tab.start()
    assert not tab.job.running
    assert "another image" in tab.result.text()
    run(tab, qtbot)
    assert tab.result.text() == "it ran"
    viewer.layers["truth"].data = truth
    another = FineTuneTab(viewer)
    qtbot.addWidget(another)
    run(another, qtbot)  # without a question


SHAPES = {
    "2-D": ((20, 30), (20, 30), False, (1, 20, 30, 0)),
    "stack": ((3, 20, 30), (3, 20, 30), False, (3, 20, 30, 0)),
    "film of stacks": ((2, 3, 20, 30), (2, 3, 20, 30), False, (6, 20, 30, 0)),
    "rgb": ((20, 30, 3), (20, 30), True, (1, 20, 30, 3)),
    "rgb stack": ((4, 20, 30, 3), (4, 20, 30), True, (4, 20, 30, 3)),
    "channels first": ((5, 20, 30), (20, 30), False, (1, 20, 30, 5)),
    "channels between": ((4, 2, 20, 30), (4, 20, 30), False, (4, 20, 30, 2)),
}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("lazy", [False, True])
def test_layers_are_written_as_the_command_reads_them(
    kind: str, lazy: bool, tmp_path: Path
) -> None:
    from napari.layers import Image, Labels

    size, wanted, rgb, read = SHAPES[kind]
    values = np.random.default_rng(0).integers(0, 200, size).astype(np.uint16)
    values = values.astype(np.uint8) if rgb else values
    numbers = np.random.default_rng(1).integers(0, 9, wanted)
    pixels = da.from_array(values) if lazy else values
    pair = pair_of(Image(pixels, rgb=rgb, name="a/b: c"), Labels(numbers))
    assert list(export([pair], tmp_path / "i", tmp_path / "l"))[-1] == 2 * pair.pages
    (name,) = (path.name for path in (tmp_path / "i").iterdir())
    with open_image(tmp_path / "i" / name) as image, open_image(tmp_path / "l" / name) as labels:
        assert (image.slices, image.rows, image.columns, image.channels) == read
        assert (labels.slices, labels.rows, labels.columns, labels.channels) == (*read[:3], 0)
        pages = np.stack([image.page(z) for z in range(image.slices)])
        found = np.stack([labels.page(z) for z in range(labels.slices)])
    if kind == "channels first":
        values = np.moveaxis(values, 0, -1)
    if kind == "channels between":
        values = np.moveaxis(values, 1, -1)
    np.testing.assert_array_equal(pages.reshape(values.shape), values)
    np.testing.assert_array_equal(found.reshape(numbers.shape), numbers)


def test_the_curve_draws_and_passes_over_what_is_not_finite(qtbot: Any) -> None:
    for smooth in (True, False):
        curve = Curve("Loss", smooth=smooth)
        qtbot.addWidget(curve)
        curve.resize(300, 110)
        blank = curve.grab().toImage()
        curve.add(1, 0.5)
        curve.add(2, float("nan"))
        curve.add(3, 0.5)
        assert curve.points == ((1, 0.5), (3, 0.5))
        assert curve.grab().toImage() != blank


def test_the_running_mean_starts_at_the_first_value() -> None:
    assert smoothed([3, 3, 3]) == pytest.approx([3, 3, 3])
    assert smoothed([0, 1])[-1] == pytest.approx(0.1 / 0.19)


def test_importing_the_tab_loads_no_torch() -> None:
    program = "import sys, napari_gpcis.widget.finetune.tab; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.slow
def test_a_real_run_makes_a_model_or_says_why_not(
    viewer: ViewerModel, qtbot: Any, models: Path, request: pytest.FixtureRequest
) -> None:
    import_torch()  # the next line would do it, without care for the window that is open
    tiny_model = request.getfixturevalue("tiny_model")
    models.mkdir()
    (models / "seed.safetensors").write_bytes(tiny_model.read_bytes())
    tool: Any = SimpleNamespace(
        model=SimpleNamespace(name="seed", device="cpu"), switcher=SimpleNamespace(own_layers=[])
    )
    tab = FineTuneTab(viewer, tool)
    qtbot.addWidget(tab)
    tab.minutes.setValue(0.1)
    names: list[str] = []
    tab.model_made.connect(names.append)
    with qtbot.waitSignal(tab.job.ended, timeout=120_000):
        tab.start()
    text = tab.result.text()
    assert "before → after" in text
    assert len(tab.loss.points) > 3
    assert len(tab.clicks.points) > 3
    made = models / "my-model.safetensors"
    assert made.exists() == (names == ["my-model"]) == ("no model was made" not in text)
