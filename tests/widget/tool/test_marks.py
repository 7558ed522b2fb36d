"""What is drawn over the image says what it is; what is off does nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.colormaps.standardize_color import transform_color
from qtpy.QtCore import Qt

from napari_gpcis.engine.document.label_store import Patch
from napari_gpcis.engine.geometry import Box
from napari_gpcis.widget.layers.preview import COLORS, DRAFT
from tests.widget import bench
from tests.widget.bench import Window

pytestmark = pytest.mark.gui
shared_window, window, coins, on_coins = (
    bench.shared_window,
    bench.window,
    bench.coins,
    bench.on_coins,
)

FIRST, SECOND = (193, 212), (194, 274)
ENTER, J = Qt.Key.Key_Return, Qt.Key.Key_J
STAR = "GPCIS next click"


def test_the_star_says_what_it_is(on_coins: Window) -> None:
    on_coins.click(*FIRST)
    on_coins.settle()
    star = on_coins.viewer.layers[STAR]
    assert star.visible
    assert np.atleast_1d(star.text.values).tolist() == ["click here next"]


def test_the_star_keeps_off_committed_objects(on_coins: Window) -> None:
    on_coins.click(*FIRST)
    on_coins.settle()
    row, col = (round(value) for value in on_coins.viewer.layers[STAR].data[0])
    assert on_coins.viewer.layers[STAR].visible
    taken = np.full((9, 9), 7, np.int32)
    box = Box(row - 4, col - 4, row + 5, col + 5)
    on_coins.tool.document.annotation.edit([Patch(0, box, np.zeros_like(taken), taken)])
    on_coins.settle()
    star = on_coins.viewer.layers[STAR]
    assert not (star.visible and on_coins.labels.data[tuple(np.round(star.data[0]).astype(int))])


def test_j_pans_only_when_the_star_is_out_of_sight(on_coins: Window) -> None:
    on_coins.click(*FIRST)
    on_coins.settle()
    camera = on_coins.viewer.scene.camera
    before = tuple(camera.center)
    on_coins.press(J)
    assert tuple(camera.center) == before
    camera.center, camera.zoom = (20, 20), 10
    on_coins.settle()
    on_coins.press(J)
    assert camera.center[-2:] == pytest.approx(on_coins.viewer.layers[STAR].data[0])
    on_coins.viewer.reset_view()


def test_a_draft_has_no_label_s_colour(on_coins: Window) -> None:
    colour = transform_color(COLORS[DRAFT])[0][:3]
    labels = on_coins.tool.document.labels
    distances = [np.linalg.norm(labels.get_color(n)[:3] - colour) for n in range(1, 300)]
    assert min(distances) > 0.35


def test_keys_are_napari_s_too_while_clicks_are(on_coins: Window) -> None:
    on_coins.click(*FIRST)
    on_coins.settle()
    on_coins.push(on_coins.panel.click.mode.active)
    on_coins.press(ENTER)
    on_coins.press(Qt.Key.Key_Escape)
    on_coins.settle()
    assert on_coins.clicks == [(*FIRST, True)]
    assert not on_coins.labels.data.any()
    on_coins.push(on_coins.panel.click.mode.active)
    on_coins.press(ENTER)
    on_coins.settle()
    assert on_coins.labels.data[FIRST] == 1


def test_an_export_suggests_a_name_and_says_what_it_leaves_out(
    on_coins: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    asked: list[str] = []

    def choose(_: Any, __: str, suggested: str, kinds: str) -> tuple[str, str]:
        asked.append(suggested)
        return str(tmp_path / "labels.tif"), kinds.split(";;")[0]

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    on_coins.click(*FIRST)
    on_coins.press(Qt.Key.Key_N)
    on_coins.click(*SECOND)
    on_coins.settle()
    on_coins.panel.click.export.click()
    assert [Path(path).name for path in asked] == ["coins_labels.tif"]
    assert "without 2 drafts" in on_coins.status.text


def test_classes_are_seen_in_their_own_colour_and_the_image_through_them(
    on_coins: Window,
) -> None:
    on_coins.push(on_coins.panel.click.mode.classes)
    on_coins.settle()
    on_coins.click(*FIRST)
    on_coins.tool.classes.choose(2)
    on_coins.click(20, 20)
    on_coins.settle()
    colours = [transform_color(item.color)[0] for item in on_coins.tool.classes.all[:2]]
    np.testing.assert_allclose(on_coins.points.face_color, colours, atol=0.01)
    on_coins.press(ENTER)
    on_coins.settle()
    layers = on_coins.tool.document.labels, on_coins.tool.document.preview.layer
    assert np.prod([1 - layer.opacity for layer in layers]) >= 0.5
    on_coins.push(on_coins.panel.click.mode.objects)
    on_coins.settle()
    assert not on_coins.viewer.layers["GPCIS classes"].visible
    on_coins.click(*SECOND)
    on_coins.settle()
    assert on_coins.points.face_color[0] == pytest.approx(transform_color("#56b4e9")[0])


def test_a_short_axis_without_a_name_is_asked_about(window: Window, coins: tuple[Any, Any]) -> None:
    window.open(np.stack([coins[0]] * 3), "three")
    assert "slices or channels" in window.status.text
    (chooser,) = window.panel.click.image.axes
    assert chooser.value == "slices"
    assert window.tool.axes.channels == []
    chooser.setCurrentIndex(1)
    chooser.activated.emit(1)
    window.settle()
    assert window.tool.axes.channels == ["channel 0", "channel 1", "channel 2"]
    window.click(*FIRST)
    window.settle()
    assert not window.tool.can_propagate
    window.press(ENTER)
    window.settle()
    assert window.tool.document.labels.data.shape == (1, *coins[0].shape)
    assert window.tool.document.labels.data[0][FIRST] == 1
    window.open(np.stack([coins[0]] * 3), "named", axis_labels=("z", "y", "x"))
    assert window.status.text == "Click on an object"
