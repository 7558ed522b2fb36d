"""The form "Segment a folder", with real folders, a tiny model and a hand on its buttons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tifffile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from skimage import data

from napari_gpcis.engine.click import Click
from napari_gpcis.io.annotations.clicks import write_clicks
from napari_gpcis.widget.batch import SegmentFolder

pytestmark = pytest.mark.gui

COINS = data.coins()[:128, :192]
CLICKS = [Click(0, 73, 52, object_id=1), Click(0, 60, 105, object_id=2)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images; the clicks of the last one are missing."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a", "b", "c"):
        tifffile.imwrite(folder / f"{name}.tif", COINS)
        if name != "c":
            write_clicks(folder / f"{name}.csv", CLICKS, ndim=2)
    return folder


@pytest.fixture
def form(
    qtbot: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> Iterator[SegmentFolder]:
    monkeypatch.setattr(
        "napari_gpcis.widget.batch.folder.model_files", lambda: {str(tiny_model): tiny_model}
    )
    form = SegmentFolder()
    qtbot.addWidget(form.native)
    with qtbot.waitExposed(form.native):
        form.native.show()
    form.images.value, form.output.value = folder, tmp_path / "out"
    yield form
    assert form.stop_and_wait()


def push(button: Any) -> None:
    native = button.native
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, pos=QPoint(10, native.height() // 2))


def listed(form: SegmentFolder) -> list[str]:
    return [form.results.item(row).text() for row in range(form.results.count())]


def test_a_folder_is_segmented_and_what_failed_is_said(
    form: SegmentFolder, qtbot: Any, tmp_path: Path
) -> None:
    form.roi.value = form.table.value = True
    push(form.run)
    assert form.is_running and form.cancel.enabled and not form.run.enabled
    qtbot.waitUntil(lambda: not form.is_running, timeout=60_000)
    assert form.status.value.startswith("2 of 3 images are done; 1 failed")
    failed, *done = listed(form)
    assert failed.startswith("✗ c.tif: ") and "c.csv" in failed
    assert done == ["✓ a.tif", "✓ b.tif"]
    assert form.run.enabled and not form.cancel.enabled
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"a_labels.tif", "a_labels_rois.zip", "a.csv", "b_labels.tif"} <= names
    labels = tifffile.imread(tmp_path / "out" / "a_labels.tif")
    assert [labels[click.row, click.col] for click in CLICKS] == [1, 2]


def test_a_second_run_leaves_out_what_is_done(form: SegmentFolder, qtbot: Any) -> None:
    for _ in range(2):
        push(form.run)
        qtbot.waitUntil(lambda: not form.is_running, timeout=60_000)
    assert form.status.value.startswith("2 of 3 images are done, 2 of them earlier; 1 failed")


def test_cancel_stops_and_says_how_far_it_was(
    form: SegmentFolder, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    advanced = SegmentFolder._advanced

    def cancel_at_the_second(self: SegmentFolder, stage: str, done: int, total: int) -> None:
        told.append(stage)
        advanced(self, stage, done, total)
        if stage.startswith("2 of 3"):
            push(form.cancel)

    monkeypatch.setattr(SegmentFolder, "_advanced", cancel_at_the_second)
    slow(monkeypatch)
    push(form.run)
    qtbot.waitUntil(lambda: not form.is_running, timeout=60_000)
    assert any(stage.startswith("1 of 3, a.tif: ") for stage in told)
    assert form.status.value.startswith("Stopped")
    assert "1 of 3 stacks are done" in form.status.value


def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each report of progress take as long as the window needs to hear of it."""
    import time

    from napari_gpcis.widget.batch.run import BatchThread

    tell = BatchThread._tell

    def tell_slowly(self: BatchThread, *values: Any) -> None:
        tell(self, *values)
        for _ in range(300):
            if self._stop.is_set():
                return
            time.sleep(0.01)

    monkeypatch.setattr(BatchThread, "_tell", tell_slowly)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("images", None, "Choose the folder of the images first"),
        ("images", Path("/nowhere/at/all"), "There is no folder /nowhere/at/all: choose another"),
        ("output", None, "Choose a folder for the results"),
    ],
)
def test_a_missing_folder_is_asked_for(
    form: SegmentFolder, field: str, value: Path | None, said: str
) -> None:
    getattr(form, field).value = value
    push(form.run)
    assert form.status.value == said
    assert not form.is_running


def test_a_folder_without_images_is_said_in_a_sentence(
    form: SegmentFolder, qtbot: Any, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    form.images.value = tmp_path / "empty"
    push(form.run)
    qtbot.waitUntil(lambda: not form.is_running, timeout=60_000)
    assert "holds no images" in form.status.value


def test_classes_are_neither_followed_nor_listed(form: SegmentFolder) -> None:
    form.propagate.value = form.table.value = True
    form.mode.value = "class"
    assert not form.propagate.enabled and not form.table.enabled
    request = form.request()
    assert (request.mode, request.propagate, request.table) == ("class", False, False)


def test_a_result_opens_with_its_labels(form: SegmentFolder, qtbot: Any) -> None:
    opened: list[tuple[str, str]] = []

    class Viewer:
        def open(self, path: str, layer_type: str) -> None:
            opened.append((Path(path).name, layer_type))

    form.viewer = Viewer()
    push(form.run)
    qtbot.waitUntil(lambda: not form.is_running, timeout=60_000)
    item = form.results.item(1)
    where = form.results.visualItemRect(item).center()
    view = form.results.viewport()
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=where)
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, pos=where)
    assert opened == [("a.tif", "image"), ("a_labels.tif", "labels")]
