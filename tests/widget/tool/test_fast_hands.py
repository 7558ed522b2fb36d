"""Events faster than their answers lead to what they lead to one at a time; a real window."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from tests.widget import bench
from tests.widget.bench import CTRL, SHIFT, Window

pytestmark = pytest.mark.gui
shared_window, window, coins = bench.shared_window, bench.window, bench.coins

COINS = ((193, 212), (194, 274), (198, 154), (261, 172), (127, 154), (263, 244))
GROUND = (160, 190)
ENTER, ESC, N, T, Z = (
    Qt.Key.Key_Return,
    Qt.Key.Key_Escape,
    Qt.Key.Key_N,
    Qt.Key.Key_T,
    Qt.Key.Key_Z,
)

Event = Callable[[Window], object]


def click(*place: int, negative: bool = False) -> Event:
    return lambda window: window.click(*place, keys=CTRL if negative else bench.PLAIN)


def double_click(*place: int) -> Event:
    return lambda window: window.double_click(*place)


def press(key: Any, keys: Any = bench.PLAIN) -> Event:
    return lambda window: window.press(key, keys)


def mode(name: str) -> Event:
    mode_bar = {"object": "objects", "class": "classes"}
    return lambda window: window.push(getattr(window.panel.click.mode, mode_bar[name]))


FIRST, SECOND, THIRD, FOURTH = COINS[:4]
DAY: dict[str, list[Event]] = {
    "six objects": [event for place in COINS for event in (click(*place), press(ENTER))],
    "corrected objects": [
        click(*FIRST),
        click(FIRST[0] + 12, FIRST[1] - 4),
        click(*GROUND, negative=True),
        press(ENTER),
        click(*SECOND),
        click(SECOND[0] + 6, SECOND[1] + 5),
        press(ENTER),
    ],
    "drafts": [
        click(*FIRST),
        press(N),
        click(*SECOND),
        press(N),
        click(*THIRD),
        press(ENTER),
        double_click(*FIRST),
        press(ENTER),
    ],
    "cleared, swapped and undone": [
        click(*FIRST),
        press(ESC),
        click(*SECOND),
        click(SECOND[0] + 6, SECOND[1] + 5),
        press(T),
        press(ENTER),
        click(*THIRD),
        press(Z, CTRL),
        click(*FOURTH),
        press(ENTER),
        press(Z, CTRL),
        press(Z, CTRL | SHIFT),
        click(*FIRST),
        press(ENTER),
    ],
    "taken up again": [
        click(*FIRST),
        press(ENTER),
        double_click(*FIRST),
        click(FIRST[0] + 12, FIRST[1] - 4),
        press(ENTER),
        click(*SECOND),
        press(ENTER),
    ],
    "to classes and back": [
        click(*FIRST),
        press(ENTER),
        mode("class"),
        mode("object"),
        click(*SECOND),
        press(ENTER),
    ],
}


def outcome(window: Window) -> tuple[Any, ...]:
    """Labels, clicks that are left, and how far undo reaches."""
    window.settle()
    annotation = window.tool.document.annotation
    labels = window.labels.data.copy()
    steps = 0
    while window.tool.can_undo:
        window.tool.undo()
        steps += 1
    for _ in range(steps):
        window.tool.redo()
    return labels, annotation.state.clicks, len(annotation.state.committed), steps


def run(window: Window, events: list[Event], pause: float | None) -> tuple[Any, ...]:
    for event in events:
        event(window)
        if pause is None:
            window.settle()
            continue
        end = time.monotonic() + pause
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.002)
    return outcome(window)


@pytest.mark.parametrize("name", DAY)
def test_events_at_any_speed_lead_to_what_they_lead_to_one_at_a_time(
    window: Window, coins: tuple[Any, Any], name: str
) -> None:
    window.open(coins[0].copy(), "coins")  # nothing of it is encoded yet
    fast = run(window, DAY[name], 0.02)
    window.open(coins[0].copy(), "coins")
    slow = run(window, DAY[name], None)
    np.testing.assert_array_equal(fast[0], slow[0])
    assert fast[1:] == slow[1:]
    assert len(np.unique(slow[0])) > 1


@pytest.mark.parametrize("pause", [0.0, 0.1, 0.5])
def test_enter_seals_the_object_at_once(
    window: Window, coins: tuple[Any, Any], pause: float
) -> None:
    image, truth = coins
    window.open(image.copy(), "coins")
    labels = run(window, DAY["six objects"], pause)[0]
    assert [int(labels[place]) for place in COINS] == [1, 2, 3, 4, 5, 6]
    for place in COINS:
        coin = truth == truth[place]
        mask = labels == labels[place]
        assert (mask & coin).sum() / (mask | coin).sum() > 0.8


def test_a_click_that_waits_is_shown_meanwhile(window: Window, coins: tuple[Any, Any]) -> None:
    window.open(coins[0].copy(), "coins")
    window.click(*FIRST)
    window.press(ENTER)
    window.click(*SECOND)
    assert np.round(window.points.data).astype(int).tolist() == [[*FIRST], [*SECOND]]
    window.settle()
    assert window.clicks == [(*SECOND, True)]
    assert window.labels.data[FIRST] == 1


def test_what_waits_is_not_lost_when_the_engine_fails(
    window: Window, coins: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gpcis.engine.session import Session

    def fail(*_: Any) -> None:
        raise ValueError("expected memory, got none; close something")

    window.open(coins[0].copy(), "coins")
    with monkeypatch.context() as patched:
        patched.setattr(Session, "answer", fail)
        window.click(*FIRST)
        window.press(ENTER)
        window.click(*SECOND)
        window.wait(lambda: not window.tool.queue and not window.tool.loop.awaiting)
    state = window.tool.document.annotation.state
    assert [click.place[1:] for click in state.clicks] == [FIRST, SECOND]
    assert len(state.objects()) == 2
    window.press(ENTER)  # asks once more
    window.settle()
    assert window.labels.data[SECOND] == 1
    assert not window.labels.data[FIRST]
