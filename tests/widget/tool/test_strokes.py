"""Scribbles, boxes and lassos drawn with the mouse, in a real window."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
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

COIN, NEIGHBOUR, GROUND = (193, 212), (194, 274), (165, 190)
SCRIBBLE = ((193, 200), (190, 215), (203, 222))
BESIDE = ((168, 190), (166, 230))
BOX = ((172, 250), (216, 297))
ENTER, ESC, Z, T = Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Z, Qt.Key.Key_T


def steps(window: Window) -> int:
    """How far undo reaches; nothing is changed."""
    count = 0
    while window.tool.can_undo:
        window.tool.undo()
        count += 1
    for _ in range(count):
        window.tool.redo()
    window.settle()
    return count


def linger(window: Window, until: Any) -> None:
    """Let the window live, whatever is under way, until something is so."""
    window.wait(until)


def iou(mask: Any, truth: Any, place: tuple[int, int]) -> float:
    coin = truth == truth[place]
    return float((mask & coin).sum() / (mask | coin).sum())


def test_a_drag_pans_while_clicks_alone_are_drawn(on_coins: Window) -> None:
    before = on_coins.viewer.scene.camera.center
    on_coins.draw(COIN, NEIGHBOUR)
    on_coins.settle()
    assert on_coins.viewer.scene.camera.center != before
    assert on_coins.clicks == []


def test_a_drag_is_a_scribble_and_one_step(on_coins: Window, coins: tuple[Any, Any]) -> None:
    on_coins.push(on_coins.panel.click.draw.buttons["scribble"])
    centre = on_coins.viewer.scene.camera.center
    on_coins.draw(*SCRIBBLE)
    on_coins.settle()
    assert on_coins.viewer.scene.camera.center == centre
    clicks = on_coins.tool.document.annotation.state.clicks
    assert {(click.prompt, click.stroke, click.positive) for click in clicks} == {
        ("scribble", 1, True)
    }
    assert clicks[0].place == (0, *SCRIBBLE[0])
    assert len(on_coins.clicks) == len(clicks) > 20
    assert on_coins.tool.click_counts == (1, 0)
    assert steps(on_coins) == 1
    assert iou(on_coins.mask, coins[1], COIN) > 0.8
    on_coins.draw(*BESIDE, keys=CTRL)
    on_coins.settle()
    negative = [click for click in on_coins.clicks if not click[-1]]
    assert len(negative) > 20
    assert not any(on_coins.mask[click[:2]] for click in negative)
    assert on_coins.tool.click_counts == (1, 1)
    on_coins.press(Z, CTRL)
    on_coins.settle()
    assert on_coins.tool.click_counts == (1, 0)


def test_a_click_stays_a_click_while_scribbles_are_drawn(on_coins: Window) -> None:
    on_coins.press(Qt.Key.Key_S, SHIFT)
    on_coins.click(*COIN)
    on_coins.click(*GROUND, keys=CTRL)
    on_coins.settle()
    assert on_coins.clicks == [(*COIN, True), (*GROUND, False)]


def test_a_stroke_is_answered_while_it_is_drawn(on_coins: Window) -> None:
    on_coins.press(Qt.Key.Key_S, SHIFT)
    on_coins.draw(*SCRIBBLE, release=False)
    linger(on_coins, lambda: on_coins.mask[COIN])
    assert not on_coins.tool.can_undo
    assert on_coins.tool.document.annotation.state.clicks == ()
    on_coins.release(*SCRIBBLE[-1])
    on_coins.settle()
    assert on_coins.mask[COIN]
    assert steps(on_coins) == 1


def test_escape_forgets_the_stroke_that_is_being_drawn(on_coins: Window) -> None:
    on_coins.click(*NEIGHBOUR)
    on_coins.settle()
    before = on_coins.mask.copy()
    on_coins.press(Qt.Key.Key_S, SHIFT)
    on_coins.draw(*SCRIBBLE, release=False)
    linger(on_coins, lambda: on_coins.mask[COIN])
    on_coins.press(ESC)
    on_coins.release(*SCRIBBLE[-1])
    on_coins.settle()
    assert on_coins.clicks == [(*NEIGHBOUR, True)]
    np.testing.assert_array_equal(on_coins.mask, before)


@pytest.mark.parametrize("key", [None, Qt.Key.Key_B])
def test_a_box_is_around_its_object(on_coins: Window, coins: tuple[Any, Any], key: Any) -> None:
    if key is not None:
        on_coins.press(key, SHIFT)
    on_coins.draw(*BOX, keys=SHIFT if key is None else bench.PLAIN)
    on_coins.settle()
    state = on_coins.tool.document.annotation.state
    assert {click.prompt for click in state.clicks} == {"box"}
    frame = np.array([(click.row, click.col) for click in state.clicks])
    np.testing.assert_allclose((frame.min(0), frame.max(0)), BOX, atol=4)
    assert iou(on_coins.mask, coins[1], NEIGHBOUR) > 0.8
    pixels = np.argwhere(on_coins.mask)
    assert (pixels.min(0) > frame.min(0)).all()
    assert (pixels.max(0) < frame.max(0)).all()
    assert on_coins.tool.click_counts == (1, 0)


def test_a_box_ends_where_the_button_is_let_go(on_coins: Window) -> None:
    short = BOX[0], (BOX[1][0] - 20, BOX[1][1] - 20)
    on_coins.draw(*short, keys=SHIFT, release=False)
    on_coins.release(*BOX[1], keys=SHIFT)  # without a move before it
    on_coins.settle()
    frame = np.array([click[:2] for click in on_coins.clicks])
    np.testing.assert_allclose((frame.min(0), frame.max(0)), BOX, atol=4)


def test_a_lasso_says_what_belongs(on_coins: Window) -> None:
    on_coins.press(Qt.Key.Key_L, SHIFT)
    on_coins.draw((185, 140), (185, 170), (212, 165), (210, 142))
    on_coins.settle()
    assert all(on_coins.mask[click[:2]] for click in on_coins.clicks)
    assert 10 < len(on_coins.clicks) <= 64


def test_a_stroke_that_lies_beside_the_image_is_refused(on_coins: Window) -> None:
    on_coins.press(Qt.Key.Key_L, SHIFT)
    on_coins.draw((-8, 100), (-8, 130), (-4, 130))
    on_coins.settle()
    assert on_coins.status.level == "error"
    assert on_coins.clicks == []


def test_enter_after_a_stroke_ends_it_however_late_its_mask_comes(
    window: Window, coins: tuple[Any, Any]
) -> None:
    window.open(coins[0].copy(), "coins")  # nothing of it is encoded yet
    window.press(Qt.Key.Key_S, SHIFT)
    window.draw(*SCRIBBLE)
    window.press(ENTER)
    window.draw(*BOX, keys=SHIFT)
    window.press(ENTER)
    window.click(*GROUND)
    window.settle()
    assert window.labels.data[COIN] == 1
    assert window.labels.data[NEIGHBOUR] == 2
    assert window.clicks == [(*GROUND, True)]


def test_a_deleted_pixel_takes_its_stroke_along(on_coins: Window) -> None:
    on_coins.press(Qt.Key.Key_S, SHIFT)
    on_coins.draw(*SCRIBBLE)
    on_coins.click(*GROUND, keys=CTRL)
    on_coins.settle()
    on_coins.points.selected_data = {3}
    on_coins.points.remove_selected()
    on_coins.settle()
    assert on_coins.clicks == [(*GROUND, False)]
    on_coins.press(Z, CTRL)
    on_coins.settle()
    assert on_coins.tool.click_counts == (1, 1)


def test_a_moved_pixel_takes_its_stroke_along(on_coins: Window) -> None:
    on_coins.press(Qt.Key.Key_S, SHIFT)
    on_coins.draw(*SCRIBBLE)
    on_coins.settle()
    before = on_coins.clicks
    data = on_coins.points.data.copy()
    data[3] += (4, -2)
    on_coins.points.data = data
    on_coins.settle()
    assert on_coins.clicks == [(row + 4, col - 2, sign) for row, col, sign in before]
    assert steps(on_coins) == 2


def test_t_turns_the_sign_of_a_whole_stroke(on_coins: Window) -> None:
    on_coins.click(*COIN)
    on_coins.press(Qt.Key.Key_S, SHIFT)
    on_coins.draw(*BESIDE)
    on_coins.settle()
    on_coins.press(T)
    on_coins.settle()
    assert [sign for *_, sign in on_coins.clicks] == [True] + [False] * (len(on_coins.clicks) - 1)


def test_space_pans_while_scribbles_are_drawn(on_coins: Window) -> None:
    on_coins.press(Qt.Key.Key_S, SHIFT)
    before = on_coins.viewer.scene.camera.center
    QTest.keyPress(on_coins.canvas.native, Qt.Key.Key_Space)
    on_coins.draw(COIN, NEIGHBOUR)
    QTest.keyRelease(on_coins.canvas.native, Qt.Key.Key_Space)
    on_coins.settle()
    assert on_coins.viewer.scene.camera.center != before
    assert on_coins.clicks == []
    on_coins.viewer.reset_view()
    on_coins.draw(*SCRIBBLE)
    on_coins.settle()
    assert on_coins.tool.click_counts == (1, 0)


def test_classes_take_scribbles_and_no_boxes(on_coins: Window) -> None:
    on_coins.push(on_coins.panel.click.mode.classes)
    on_coins.settle()
    on_coins.press(Qt.Key.Key_S, SHIFT)
    on_coins.draw(*SCRIBBLE, release=False)
    linger(on_coins, lambda: on_coins.preview[COIN] == 1)
    on_coins.release(*SCRIBBLE[-1])
    on_coins.tool.classes.choose(2)
    on_coins.draw(*BESIDE)
    on_coins.settle()
    assert on_coins.tool.click_counts == (2, 0)
    assert on_coins.preview[COIN] == 1
    assert on_coins.preview[BESIDE[0]] == 2
    assert not on_coins.panel.click.draw.buttons["box"].isEnabled()
    on_coins.draw(*BOX, keys=SHIFT)
    assert "one object" in on_coins.status.text
    assert on_coins.tool.click_counts == (2, 0)


def test_strokes_come_back_from_a_saved_annotation(on_coins: Window, tmp_path: Any) -> None:
    on_coins.press(Qt.Key.Key_S, SHIFT)
    on_coins.draw(*SCRIBBLE)
    on_coins.draw(*BOX, keys=SHIFT)
    on_coins.settle()
    before = on_coins.tool.document.annotation.state.clicks
    path = tmp_path / "work.gpcis"
    on_coins.tool.export(str(path))
    from napari_gpcis.io.annotations.gpcis_file import read_annotation

    assert read_annotation(path).clicks == before
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        QApplication.processEvents()
