"""Clicks with a real mouse, in a real window, and what the shipped model makes of them."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from tests.widget import bench
from tests.widget.bench import CTRL, LEFT, MIDDLE, PLAIN, SHIFT, Window

pytestmark = pytest.mark.gui
shared_window, window, coins, on_coins = (
    bench.shared_window,
    bench.window,
    bench.coins,
    bench.on_coins,
)

COIN, NEIGHBOUR = (193, 212), (194, 274)
BETWEEN = (194, 243)


def test_a_left_click_on_a_coin_outlines_that_coin(on_coins: Window, coins: Any) -> None:
    on_coins.click(*COIN)
    assert on_coins.clicks == [(*COIN, True)]
    on_coins.settle()
    mask, coin = on_coins.mask, coins[1] == coins[1][COIN]
    assert (mask & coin).sum() > 0.85 * coin.sum()
    assert (mask & ~coin).sum() < 0.15 * coin.sum()
    assert not mask[coins[1] == coins[1][NEIGHBOUR]].any()
    assert on_coins.status.text.startswith(f"{mask.sum():,} px")


def test_a_single_cell_of_another_kind_is_outlined_too(window: Window) -> None:
    from skimage import data

    image = data.cell()
    window.open(image, "cell")
    window.click(374, 428)
    window.settle()
    assert window.mask[374, 428]
    assert 3_000 < window.mask.sum() < 30_000


@pytest.mark.parametrize("how", ["Ctrl-click", "middle click"])
def test_a_negative_click_takes_its_pixel_out_of_the_mask(on_coins: Window, how: str) -> None:
    on_coins.click(*COIN)
    on_coins.settle()
    row, col = COIN[0] + 12, COIN[1] - 4
    assert on_coins.mask[row, col]
    ctrl = how == "Ctrl-click"
    on_coins.click(row, col, button=LEFT if ctrl else MIDDLE, keys=CTRL if ctrl else PLAIN)
    assert on_coins.clicks == [(*COIN, True), (row, col, False)]
    on_coins.settle()
    assert on_coins.mask[COIN]
    assert not on_coins.mask[row, col]


def test_every_clicked_pixel_is_as_clicked(window: Window) -> None:
    from skimage import data

    window.open(data.immunohistochemistry(), "glands", rgb=True)
    generator = np.random.default_rng(3)
    places = np.unique(generator.integers(150, 350, (12, 2)), axis=0)
    signs = generator.random(len(places)) < 0.5
    for place, sign in zip(places, signs, strict=True):
        window.click(*place, keys=PLAIN if sign else CTRL)
    window.settle()
    assert window.clicks == [(*place, sign) for place, sign in zip(places, signs, strict=True)]
    assert [window.mask[tuple(place)] for place in places] == signs.tolist()


def test_a_click_in_a_scaled_stack_is_on_the_slice_that_is_shown(window: Window) -> None:
    from napari_gpcis.widget.contributions import samples

    ((stack, options, _),) = samples.nuclei()
    window.open(stack, **options)
    window.viewer.dims.set_current_step(0, 12)
    window.settle()
    window.click(217, 165)
    window.settle()
    assert window.clicks == [(12, 217, 165, True)]
    assert window.mask[12, 217, 165]
    assert window.mask.any(axis=(1, 2)).nonzero()[0].tolist() == [12]
    assert 150 < window.mask.sum() < 900


def test_a_drag_pans_and_is_no_click(on_coins: Window) -> None:
    centre = np.array(on_coins.viewer.scene.camera.center)
    on_coins.drag(COIN, (150, 100))
    on_coins.settle()
    assert on_coins.clicks == []
    moved = on_coins.viewer.scene.camera.center - centre
    assert moved[-2:] == pytest.approx((43, 112), abs=3)


def test_an_unsteady_hand_still_clicks(on_coins: Window) -> None:
    on_coins.drag(COIN, (COIN[0] + 1, COIN[1] + 1))
    assert on_coins.clicks == [(*COIN, True)]


def test_clicks_with_shift_or_off_the_image_are_none(on_coins: Window) -> None:
    on_coins.click(*COIN, keys=SHIFT)
    on_coins.click(-3, 20)
    assert on_coins.clicks == []
    assert not on_coins.tool.can_undo


def test_clicks_are_napari_s_once_the_panel_says_so(on_coins: Window) -> None:
    box = on_coins.panel.click.mode.active
    on_coins.push(box)
    on_coins.click(*COIN)
    assert on_coins.clicks == []
    on_coins.push(box)
    on_coins.click(*COIN)
    assert len(on_coins.clicks) == 1


def test_clicks_are_left_to_a_layer_s_own_tool(on_coins: Window) -> None:
    on_coins.points.mode = "select"
    on_coins.click(*COIN)
    assert on_coins.clicks == []
    on_coins.viewer.layers.selection = {on_coins.labels}
    on_coins.labels.mode = "paint"
    on_coins.labels.selected_label = 7
    on_coins.click(*COIN)
    assert on_coins.clicks == []
    assert on_coins.labels.data[COIN] == 7


def test_a_click_that_is_dragged_counts_where_it_is_dropped(on_coins: Window) -> None:
    on_coins.click(*COIN)
    on_coins.settle()
    on_coins.points.mode = "select"
    on_coins.drag(COIN, NEIGHBOUR)
    on_coins.settle()
    assert on_coins.clicks == [(*NEIGHBOUR, True)]
    assert on_coins.mask[NEIGHBOUR]
    assert not on_coins.mask[COIN]


def test_points_that_are_added_pasted_and_deleted_are_clicks(on_coins: Window) -> None:
    from qtpy.QtCore import Qt

    on_coins.points.mode = "add"
    on_coins.click(*COIN)
    on_coins.settle()
    assert on_coins.clicks == [(*COIN, True)]
    assert on_coins.mask[COIN]
    on_coins.points.mode = "select"
    on_coins.click(*COIN)
    on_coins.press(Qt.Key.Key_C, CTRL)
    on_coins.press(Qt.Key.Key_V, CTRL)
    on_coins.settle()
    assert on_coins.clicks == [(*COIN, True)]  # two on one pixel are one
    on_coins.points.mode = "add"
    on_coins.click(*NEIGHBOUR)
    on_coins.settle()
    assert on_coins.mask[NEIGHBOUR]
    both = on_coins.mask.copy()
    on_coins.points.mode = "select"
    on_coins.click(*NEIGHBOUR)
    on_coins.press(Qt.Key.Key_Delete)
    on_coins.settle()
    assert on_coins.clicks == [(*COIN, True)]
    assert on_coins.mask[COIN]
    assert on_coins.mask.sum() < both.sum()


def test_a_double_click_does_not_zoom(on_coins: Window) -> None:
    zoom = on_coins.viewer.scene.camera.zoom
    on_coins.double_click(*COIN)
    on_coins.settle()
    assert on_coins.viewer.scene.camera.zoom == zoom


def test_many_fast_clicks_are_answered_one_by_one_while_the_window_goes_on(
    on_coins: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gpcis.engine.session import Session

    asked = []
    answer = Session.answer

    def slow(self: Session, question: Any, *rest: Any) -> Any:
        asked.append((len(question.clicks), threading.current_thread()))
        time.sleep(0.25)
        return answer(self, question, *rest)

    monkeypatch.setattr(Session, "answer", slow)
    on_coins.click(*COIN)
    on_coins.wait(lambda: bool(asked))
    waits = []
    for step in range(10):
        start = time.monotonic()
        on_coins.click(COIN[0] + step, COIN[1] + 2 * step)
        waits.append(time.monotonic() - start)
    # the first two are of one pixel; those that wait for their turn are shown meanwhile
    assert len({(row, col) for row, col, _ in on_coins.clicks}) == 10
    on_coins.settle()
    assert len(on_coins.clicks) == 10
    assert sorted({count for count, _ in asked}) == list(range(1, 11))
    assert {thread.name for _, thread in asked} == {"napari-gpcis"}
    assert np.median(waits) < 0.2
    assert all(on_coins.mask[row, col] for row, col, _ in on_coins.clicks)


def test_torch_computes_on_no_other_thread_than_its_own(
    on_coins: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from qtpy.QtCore import Qt
    from torch.utils._python_dispatch import TorchDispatchMode

    class Forbidden(TorchDispatchMode):
        def __torch_dispatch__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("torch was called on the thread of the window")

    assert threading.current_thread() is threading.main_thread()
    with Forbidden():
        with pytest.raises(RuntimeError, match="the thread of the window"):
            torch.zeros(1)
        on_coins.click(*COIN)
        on_coins.settle()
        on_coins.tool.set_overlay("uncertainty", True)
        on_coins.settle()
        on_coins.press(Qt.Key.Key_Return)
        on_coins.settle()
    assert on_coins.labels.data[COIN] == 1


def test_an_error_of_the_engine_is_said_and_costs_no_click(
    on_coins: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gpcis.engine.session import Session

    def broken(*_: Any) -> Any:
        raise RuntimeError("the device is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Session, "answer", broken)
        on_coins.click(*COIN)
        on_coins.settle()
    assert on_coins.status.level == "error"
    assert "The device is gone" in on_coins.panel.click.status.text.text()
    assert on_coins.clicks == [(*COIN, True)]
    on_coins.click(COIN[0] + 10, COIN[1])
    on_coins.settle()
    assert on_coins.status.level == "info"
    assert on_coins.mask[COIN]


def test_clicks_without_an_image_or_in_3d_say_what_to_do(on_coins: Window) -> None:
    on_coins.viewer.dims.ndisplay = 3
    on_coins.click(*COIN)
    assert "2-D" in on_coins.status.text
    on_coins.viewer.dims.ndisplay = 2
    place = on_coins.at(*COIN)
    on_coins.viewer.layers.clear()
    on_coins.click_at(place)
    assert "Open an image" in on_coins.status.text


def test_a_press_that_becomes_a_drag_leaves_nothing_of_the_click_that_was_foreseen(
    on_coins: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gpcis.engine.session import Session

    asked = []
    answer = Session.answer

    def count(self: Session, question: Any, *rest: Any) -> Any:
        asked.append(question.clicks)
        return answer(self, question, *rest)

    monkeypatch.setattr(Session, "answer", count)
    on_coins.drag(COIN, (COIN[0] + 30, COIN[1] + 30))
    on_coins.settle()
    assert on_coins.clicks == []
    assert not on_coins.mask.any()
    on_coins.click(*COIN)
    on_coins.settle()
    assert [len(clicks) for clicks in asked] in ([1, 1], [1])
    assert on_coins.mask[COIN]


def test_a_click_is_answered_once_although_it_was_foreseen(
    on_coins: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gpcis.engine.predictor import Predictor

    requests = []
    predict = Predictor.predict

    def count(self: Predictor, request: Any) -> Any:
        requests.append(request)
        return predict(self, request)

    monkeypatch.setattr(Predictor, "predict", count)
    on_coins.click(*COIN)
    on_coins.settle()
    assert len(requests) == 1
