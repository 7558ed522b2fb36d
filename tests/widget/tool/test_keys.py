"""Keys, and that they work whatever layer is selected, in a real window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from tests.widget import bench
from tests.widget.bench import CTRL, SHIFT, Window

pytestmark = pytest.mark.gui
shared_window, window, coins, on_coins = (
    bench.shared_window,
    bench.window,
    bench.coins,
    bench.on_coins,
)

COIN, NEIGHBOUR = (193, 212), (194, 274)
ENTER, ESC, Z = Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Z


def test_t_swaps_the_sign_of_the_last_click(on_coins: Window) -> None:
    inside = (COIN[0] + 12, COIN[1] - 4)
    on_coins.click(*COIN)
    on_coins.click(*inside)
    on_coins.settle()
    assert on_coins.mask[inside]
    on_coins.press(Qt.Key.Key_T)
    on_coins.settle()
    assert on_coins.clicks == [(*COIN, True), (*inside, False)]
    assert not on_coins.mask[inside]
    on_coins.press(Qt.Key.Key_T)
    on_coins.settle()
    assert on_coins.mask[inside]


def test_t_swaps_the_signs_of_the_selected_clicks(on_coins: Window) -> None:
    on_coins.click(*COIN)
    on_coins.click(*NEIGHBOUR)
    on_coins.settle()
    on_coins.points.selected_data = {0}
    on_coins.press(Qt.Key.Key_T)
    on_coins.settle()
    assert on_coins.clicks == [(*COIN, False), (*NEIGHBOUR, True)]


def test_j_shows_where_a_click_would_help_most(on_coins: Window) -> None:
    on_coins.press(Qt.Key.Key_J)
    assert "No place stands out" in on_coins.status.text
    on_coins.click(*COIN)
    on_coins.settle()
    row, col = on_coins.viewer.layers["GPCIS next click"].data[0]
    on_coins.viewer.scene.camera.center, on_coins.viewer.scene.camera.zoom = (20, 20), 10
    on_coins.settle()
    on_coins.press(Qt.Key.Key_J)
    assert on_coins.viewer.scene.camera.center[-2:] == pytest.approx((row, col))
    assert np.hypot(row - COIN[0], col - COIN[1]) < 60


def test_h_hides_the_masks_and_shows_them_again(on_coins: Window) -> None:
    layers = (on_coins.labels, on_coins.viewer.layers["GPCIS preview"])
    on_coins.press(Qt.Key.Key_H)
    assert [layer.visible for layer in layers] == [False, False]
    on_coins.press(Qt.Key.Key_H)
    assert [layer.visible for layer in layers] == [True, True]


def test_f1_opens_the_help_sheet(on_coins: Window) -> None:
    on_coins.press(Qt.Key.Key_F1)
    sheet = on_coins.panel.help_sheet
    assert sheet is not None
    assert sheet.isVisible()
    sheet.close()


@pytest.mark.parametrize("name", ["GPCIS clicks", "GPCIS labels", "coins", None])
def test_keys_work_whatever_layer_is_selected(on_coins: Window, name: str | None) -> None:
    on_coins.click(*COIN)
    on_coins.settle()
    layers = on_coins.viewer.layers
    layers.selection = set() if name is None else {layers[name]}
    on_coins.press(ESC)
    assert on_coins.clicks == []
    on_coins.press(Z, CTRL)
    assert on_coins.clicks == [(*COIN, True)]
    on_coins.press(Qt.Key.Key_T)
    on_coins.press(Qt.Key.Key_T)
    on_coins.settle()
    on_coins.press(Qt.Key.Key_N)
    on_coins.click(*NEIGHBOUR)
    on_coins.settle()
    assert on_coins.preview[COIN] == 2
    on_coins.press(ENTER)
    assert on_coins.labels.data[NEIGHBOUR] == 1
    on_coins.press(Z, CTRL)
    assert not on_coins.labels.data.any()
    on_coins.press(Z, CTRL | SHIFT)
    assert on_coins.labels.data[NEIGHBOUR] == 1


def test_keys_work_after_a_click_on_the_panel(on_coins: Window) -> None:
    on_coins.push(on_coins.panel.click.mode.active)
    on_coins.push(on_coins.panel.click.mode.active)
    on_coins.click(*COIN)
    on_coins.settle()
    focused: Any = QApplication.focusWidget()
    assert focused is None or focused is on_coins.canvas.native
    on_coins.press(ENTER)
    assert on_coins.labels.data[COIN] == 1


@pytest.mark.slow
def test_u_d_and_r_carry_an_object_through_the_stack_and_undo_takes_it_back(
    window: Window,
) -> None:
    rows, cols = np.ogrid[:96, :96]
    disk = (rows - 48) ** 2 + (cols - 48) ** 2 < 16**2
    stack = np.random.default_rng(0).normal(20, 3, (3, 96, 96)) + 150 * disk
    window.open(stack.astype(np.float32), "disk")
    window.viewer.dims.set_current_step(0, 1)
    for key, reached in ((Qt.Key.Key_U, [1, 2]), (Qt.Key.Key_D, [0, 1]), (Qt.Key.Key_R, [0, 1, 2])):
        window.click(48, 48)
        window.settle()
        window.press(key)
        window.settle()
        assert window.mask.any(axis=(1, 2)).nonzero()[0].tolist() == reached
        window.press(Z, CTRL)
        window.settle()
        assert window.mask.any(axis=(1, 2)).nonzero()[0].tolist() == [1]
        window.press(ESC)
    window.click(48, 48)
    window.settle()
    window.push(window.panel.click.propagate.both)
    window.settle()
    window.press(ENTER)
    window.settle()
    assert (window.labels.data == 1).any(axis=(1, 2)).all()
    assert (window.labels.data[:, disk] == 1).mean() > 0.9
