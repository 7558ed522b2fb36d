"""From masks to labels and back: Enter, Esc, N, double-click, Ctrl-Z, in a real window."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from tests.widget import bench
from tests.widget.bench import CTRL, SHIFT, Window

pytestmark = pytest.mark.gui
shared_window, window, coins, on_coins = (
    bench.shared_window,
    bench.window,
    bench.coins,
    bench.on_coins,
)

COIN, NEIGHBOUR, THIRD = (193, 212), (194, 274), (187, 347)
ENTER, ESC, N, Z = Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_N, Qt.Key.Key_Z


def commit(window: Window, *places: tuple[int, int]) -> Any:
    """Click on each place and commit what is there; the masks."""
    masks = []
    for place in places:
        window.click(*place)
        window.settle()
        masks.append(window.mask.copy())
        window.press(ENTER)
        window.settle()
    return masks


def undo(window: Window) -> None:
    window.press(Z, CTRL)
    window.settle()


def redo(window: Window) -> None:
    window.press(Z, CTRL | SHIFT)
    window.settle()


def test_enter_writes_each_object_under_the_next_label(on_coins: Window) -> None:
    masks = commit(on_coins, COIN, NEIGHBOUR)
    for label, mask in enumerate(masks, 1):
        assert ((on_coins.labels.data == label) == mask).all()
    assert on_coins.clicks == []
    assert not on_coins.preview.any()
    assert on_coins.status.text == "Committed as label 2"
    assert on_coins.tool.object_count == 2


def test_labels_that_are_there_are_gone_on_from_and_protected(
    window: Window, coins: tuple[Any, Any]
) -> None:
    image = coins[0]
    drawn = np.zeros(image.shape, np.uint16)
    drawn[185:200, 190:215] = 40
    window.open(image, "coins")
    window.viewer.add_labels(drawn.copy(), name="mine")
    window.tool.switcher.choose_labels("mine")
    window.settle()
    (mask,) = commit(window, COIN)
    assert (mask & (drawn == 40)).any()
    assert ((window.viewer.layers["mine"].data == 40) == (drawn == 40)).all()
    assert ((window.viewer.layers["mine"].data == 41) == (mask & (drawn == 0))).all()


def test_other_objects_are_overwritten_when_that_is_chosen(on_coins: Window) -> None:
    (first,) = commit(on_coins, COIN)
    on_coins.panel.click.options.overlap.native.setCurrentIndex(1)
    assert on_coins.tool.options.overlap == "overwrite"
    (second,) = commit(on_coins, (COIN[0] + 5, COIN[1]))
    assert (first & second).any()
    assert ((on_coins.labels.data == 2) == second).all()


def test_enter_before_the_answer_commits_as_soon_as_it_is_there(
    on_coins: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gpcis.engine.session import Session

    go_on = threading.Event()
    answer = Session.answer

    def waiting(self: Session, *args: Any) -> Any:
        go_on.wait(10)
        return answer(self, *args)

    monkeypatch.setattr(Session, "answer", waiting)
    on_coins.click(*COIN)
    on_coins.press(ENTER)
    assert on_coins.status.level == "busy"
    assert not on_coins.labels.data.any()
    go_on.set()
    on_coins.settle()
    assert on_coins.labels.data[COIN] == 1
    assert on_coins.clicks == []


def test_a_click_after_enter_begins_the_next_object(on_coins: Window) -> None:
    on_coins.click(*COIN)
    on_coins.settle()
    on_coins.press(ENTER)
    on_coins.click(*NEIGHBOUR)
    on_coins.settle()
    assert on_coins.mask[NEIGHBOUR]
    assert not on_coins.mask[COIN]
    assert on_coins.labels.data[COIN] == 1


def test_enter_without_an_object_says_so(on_coins: Window) -> None:
    on_coins.press(ENTER)
    assert on_coins.status.level == "warning"
    assert not on_coins.tool.can_undo


def test_esc_clears_the_object_and_undo_brings_it_back(on_coins: Window) -> None:
    on_coins.click(*COIN)
    on_coins.settle()
    mask = on_coins.mask.copy()
    on_coins.press(ESC)
    assert on_coins.clicks == []
    assert not on_coins.preview.any()
    undo(on_coins)
    assert on_coins.clicks == [(*COIN, True)]
    assert (on_coins.mask == mask).all()


def test_n_leaves_a_draft_that_a_double_click_takes_up_again(on_coins: Window) -> None:
    on_coins.click(*COIN)
    on_coins.settle()
    mask = on_coins.mask.copy()
    on_coins.press(N)
    on_coins.click(*NEIGHBOUR)
    on_coins.settle()
    assert ((on_coins.preview == 2) == mask).all()
    assert on_coins.mask[NEIGHBOUR]
    on_coins.double_click(COIN[0] + 6, COIN[1])
    on_coins.settle()
    assert (on_coins.mask == mask).all()
    assert (on_coins.preview == 2)[NEIGHBOUR]
    assert on_coins.clicks == [(*COIN, True), (*NEIGHBOUR, True)]
    on_coins.press(ENTER)
    on_coins.settle()
    assert ((on_coins.labels.data == 1) == mask).all()
    assert on_coins.labels.data[NEIGHBOUR] == 0


def test_a_double_click_takes_up_a_committed_object_which_enter_replaces(
    on_coins: Window,
) -> None:
    first, second = commit(on_coins, COIN, NEIGHBOUR)
    on_coins.double_click(COIN[0] - 5, COIN[1])
    on_coins.settle()
    assert on_coins.clicks == [(*COIN, True)]  # its own, and none of the double-click's
    assert (on_coins.mask == first).all()
    assert on_coins.tool.object_count == 1
    out = (COIN[0] + 12, COIN[1] - 4)
    assert first[out]
    on_coins.click(*out, keys=CTRL)
    on_coins.settle()
    changed = on_coins.mask.copy()
    assert not changed[out]
    assert changed[COIN]
    on_coins.press(ENTER)
    on_coins.settle()
    assert ((on_coins.labels.data == 1) == (changed & ~second)).all()
    assert ((on_coins.labels.data == 2) == second).all()
    assert on_coins.tool.object_count == 2


def test_esc_puts_an_object_that_was_taken_up_back(on_coins: Window) -> None:
    (mask,) = commit(on_coins, COIN)
    on_coins.double_click(*COIN)
    on_coins.settle()
    on_coins.press(ESC)
    on_coins.settle()
    assert ((on_coins.labels.data == 1) == mask).all()
    assert on_coins.tool.object_count == 1
    assert on_coins.clicks == []


def test_a_double_click_on_nothing_is_one_click(on_coins: Window) -> None:
    on_coins.double_click(*COIN)
    on_coins.settle()
    assert on_coins.clicks == [(*COIN, True)]
    on_coins.double_click(*COIN)
    on_coins.settle()
    assert on_coins.clicks == [(*COIN, True)]


@pytest.mark.slow
def test_undo_goes_back_through_everything_and_redo_ahead(on_coins: Window) -> None:
    seen = []

    def note() -> None:
        on_coins.settle()
        seen.append((on_coins.clicks, on_coins.preview.copy(), on_coins.labels.data.copy()))

    def same(at: int) -> bool:
        clicks, preview, labels = seen[at]
        return (
            on_coins.clicks == clicks
            and bool((on_coins.preview == preview).all())
            and bool((on_coins.labels.data == labels).all())
        )

    note()
    on_coins.click(*COIN)
    note()
    on_coins.points.mode = "select"
    on_coins.drag(COIN, (COIN[0] + 8, COIN[1]))
    note()
    on_coins.points.mode = "pan_zoom"
    on_coins.click(COIN[0] + 40, COIN[1], keys=CTRL)
    note()
    on_coins.points.selected_data = {1}
    on_coins.press(Qt.Key.Key_Delete)
    note()
    on_coins.press(ENTER)
    note()
    on_coins.click(*NEIGHBOUR)
    note()
    on_coins.press(ESC)
    note()
    assert len(on_coins.tool.document.annotation.history._done) == 7
    for at in range(6, -1, -1):
        undo(on_coins)
        assert same(at), at
    undo(on_coins)
    assert on_coins.status.text == "Nothing to undo"
    for at in range(1, 8):
        redo(on_coins)
        assert same(at), at


@pytest.mark.slow
def test_undo_goes_to_the_slice_where_it_changes_something(window: Window) -> None:
    from napari_gpcis.widget.contributions import samples

    ((stack, options, _),) = samples.nuclei()
    window.open(stack, **options)
    for z, place in ((8, (115, 129)), (12, (217, 165))):
        window.viewer.dims.set_current_step(0, z)
        window.click(*place)
        window.settle()
        window.press(ENTER)
        window.settle()
    assert [window.labels.data[8, 115, 129], window.labels.data[12, 217, 165]] == [1, 2]
    window.viewer.dims.set_current_step(0, 3)
    undo(window)
    assert window.slice == 12
    assert window.labels.data.max() == 1
    assert window.clicks == [(12, 217, 165, True)]
    undo(window)
    undo(window)
    assert window.slice == 8
    assert not window.labels.data.any()
    assert window.clicks == [(8, 115, 129, True)]
    redo(window)
    assert (window.labels.data[8] == 1).any()


def test_what_is_painted_by_hand_can_be_undone(on_coins: Window) -> None:
    (mask,) = commit(on_coins, COIN)
    on_coins.viewer.layers.selection = {on_coins.labels}
    on_coins.labels.mode = "paint"
    on_coins.labels.selected_label = 5
    on_coins.labels.brush_size = 12
    on_coins.drag(COIN, NEIGHBOUR)
    painted = on_coins.labels.data.copy()
    assert painted[COIN] == painted[NEIGHBOUR] == 5
    undo(on_coins)
    assert ((on_coins.labels.data == 1) == mask).all()
    assert on_coins.labels.data.max() == 1
    redo(on_coins)
    assert (on_coins.labels.data == painted).all()
    undo(on_coins)
    undo(on_coins)
    assert not on_coins.labels.data.any()


def test_the_buttons_do_what_the_keys_do(on_coins: Window) -> None:
    tab = on_coins.panel.click
    on_coins.click(*COIN)
    on_coins.settle()
    on_coins.push(tab.steps.clear)
    assert on_coins.clicks == []
    on_coins.push(tab.steps.undo)
    assert on_coins.clicks == [(*COIN, True)]
    on_coins.settle()
    on_coins.push(tab.objects.new_object)
    on_coins.click(*NEIGHBOUR)
    on_coins.settle()
    assert on_coins.preview[COIN] == 2
    on_coins.push(tab.objects.commit)
    assert on_coins.labels.data[NEIGHBOUR] == 1
    on_coins.push(tab.steps.undo)
    assert not on_coins.labels.data.any()
    on_coins.push(tab.steps.redo)
    assert on_coins.labels.data[NEIGHBOUR] == 1
