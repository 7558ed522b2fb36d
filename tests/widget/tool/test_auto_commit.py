"""What is another object, and what is a correction of this one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.history import State, StoredMask
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.prompts import box_clicks, scribble_clicks
from napari_gpcis.widget.tool.auto_commit import begins_another
from tests.widget import bench
from tests.widget.bench import CTRL, SHIFT, Window

shared_window, window, coins, on_coins = (
    bench.shared_window,
    bench.window,
    bench.coins,
    bench.on_coins,
)

SHAPE = (100, 100)
STACK = (2, 100, 100)
ROWS, COLS = np.ogrid[:40, :40]
DISK = (ROWS - 20) ** 2 + (COLS - 20) ** 2 <= 10**2
"""Of radius 10 around (50, 50): half its diameter ends at column 70."""
STATE = State(carried={(1, 0): StoredMask(Box(30, 30, 70, 70), DISK)})


@pytest.mark.parametrize(
    ("place", "another"),
    [((50, 52), False), ((50, 66), False), ((50, 74), True), ((95, 95), True)],
)
def test_another_object_is_half_a_diameter_away(place: tuple[int, int], another: bool) -> None:
    assert begins_another(STATE, (Click(0, *place),), SHAPE) is another


def test_a_negative_click_and_another_slice_belong_to_the_object() -> None:
    assert not begins_another(STATE, (Click(0, 95, 95, positive=False),), SHAPE)
    assert not begins_another(STATE, (Click(1, 95, 95),), SHAPE)
    assert not begins_another(State(), (Click(0, 95, 95),), SHAPE)


def test_a_scribble_counts_as_a_whole() -> None:
    away = scribble_clicks([(90, 80), (90, 90)], STACK, stroke=1)
    across = scribble_clicks([(50, 50), (90, 90)], STACK, stroke=1)
    assert begins_another(STATE, away, SHAPE)
    assert not begins_another(STATE, across, SHAPE)


def test_a_box_around_something_else_is_another_object() -> None:
    assert begins_another(STATE, box_clicks(70, 70, 90, 90, STACK, stroke=1), SHAPE)
    assert not begins_another(STATE, box_clicks(38, 38, 62, 62, STACK, stroke=1), SHAPE)


def test_beyond_a_drawn_box_is_another_object_however_near() -> None:
    frame = box_clicks(38, 38, 62, 62, STACK, stroke=1)
    mask = StoredMask(Box(30, 30, 70, 70), DISK, frame)
    boxed = State(clicks=frame, carried={(1, 0): mask})
    assert begins_another(boxed, (Click(0, 50, 66),), SHAPE)
    assert not begins_another(boxed, (Click(0, 50, 61),), SHAPE)


COINS = ((193, 212), (194, 274), (198, 154))


@pytest.mark.gui
def test_a_field_of_objects_is_click_click_click(on_coins: Window) -> None:
    on_coins.push(on_coins.panel.click.counts.auto_commit)
    for place in COINS:
        on_coins.click(*place)  # faster than the masks
    on_coins.settle()
    assert [on_coins.labels.data[place] for place in COINS] == [1, 2, 0]
    assert on_coins.clicks == [(*COINS[-1], True)]
    on_coins.click(165, 190, keys=CTRL)
    on_coins.click(COINS[-1][0] + 5, COINS[-1][1] - 4)
    on_coins.settle()
    assert on_coins.tool.click_counts == (2, 1)
    on_coins.draw((172, 250 + 62), (216, 297 + 62), keys=SHIFT)
    on_coins.settle()
    assert on_coins.labels.data[COINS[-1]] == 3
    assert on_coins.tool.click_counts == (1, 0)


@pytest.mark.gui
def test_without_it_a_click_elsewhere_is_the_same_object(on_coins: Window) -> None:
    for place in COINS[:2]:
        on_coins.click(*place)
        on_coins.settle()
    assert not on_coins.labels.data.any()
    assert len(on_coins.clicks) == 2


@pytest.mark.gui
def test_undo_takes_an_object_back_that_was_committed_by_a_click(on_coins: Window) -> None:
    from qtpy.QtCore import Qt

    on_coins.push(on_coins.panel.click.counts.auto_commit)
    for place in COINS[:2]:
        on_coins.click(*place)
        on_coins.settle()
    for _ in range(2):
        on_coins.press(Qt.Key.Key_Z, CTRL)
    on_coins.settle()
    assert not on_coins.labels.data.any()
    assert on_coins.clicks == [(*COINS[0], True)]
