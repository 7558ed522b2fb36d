"""The first steps and the strip of instructions, in a real window."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import Qt

from napari_gpcis.widget.panel.guide import STEPS, Guide
from tests.widget import bench
from tests.widget.bench import CTRL, SHIFT, Window

pytestmark = pytest.mark.gui
shared_window, window, coins, on_coins = (
    bench.shared_window,
    bench.window,
    bench.coins,
    bench.on_coins,
)

COIN, GROUND = (193, 212), (165, 190)
ENTER = Qt.Key.Key_Return


def strip(window: Window) -> str:
    window.tool.reporter.changed.emit()
    return window.panel.click.instructions.text.accessibleName()


def test_steps_are_ticked_as_they_are_made_and_closed_for_good(
    on_coins: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(
        "napari_gpcis.widget.panel.guide.keep_setting", lambda *setting: kept.append(setting)
    )
    guide: Guide = on_coins.panel.click.guide
    assert guide.isVisible()
    assert guide.done == [False] * 4
    ways = (
        lambda: on_coins.click(*COIN),
        lambda: on_coins.click(*GROUND, keys=CTRL),
        lambda: on_coins.press(ENTER),
        lambda: on_coins.double_click(*COIN),
    )
    for at, act in enumerate(ways):
        assert STEPS[at] in guide.steps[at].text()
        assert "<b>" in guide.steps[at].text()
        act()
        on_coins.settle()
        assert guide.done == [True] * (at + 1) + [False] * (3 - at)
    assert "F1" in guide.title.text()
    on_coins.push(guide.close_button)
    assert not guide.isVisible()
    assert kept == [("annotation", "guide", False)]
    guide.refresh()
    assert not guide.isVisible()


def test_a_guide_that_was_closed_does_not_come_back(on_coins: Window) -> None:
    from dataclasses import replace

    tool, settings = on_coins.tool, on_coins.tool.settings
    tool.settings = replace(settings, guide=False)
    try:
        guide = Guide(tool, lambda action: action())
        guide.refresh()
        assert guide.isHidden()
        guide.deleteLater()
    finally:
        tool.settings = settings


def test_the_strip_follows_what_is_done(on_coins: Window) -> None:
    assert strip(on_coins) == "Click: on an object · Shift-drag: box around it"
    on_coins.click(*COIN)
    on_coins.settle()
    assert strip(on_coins).endswith("Ctrl-click: take away · Enter: commit · Esc: clear")
    assert on_coins.viewer.help == strip(on_coins)
    on_coins.press(Qt.Key.Key_S, SHIFT)
    assert "Drag: scribble on it · Ctrl-drag: take away" in strip(on_coins)
    assert "Space-drag: pan" in strip(on_coins)
    on_coins.press(ENTER)
    on_coins.settle()
    assert "Double-click: take one up again" in strip(on_coins)
    on_coins.push(on_coins.panel.click.mode.classes)
    on_coins.settle()
    assert "pixels like this are Class 1 · Ctrl-click: background" in strip(on_coins)


def test_the_strip_says_what_stands_in_the_way(on_coins: Window) -> None:
    on_coins.points.mode = "add"
    on_coins.settle()
    assert "A tool of napari has the mouse" in strip(on_coins)
    on_coins.points.mode = "pan_zoom"
    on_coins.settle()
    assert strip(on_coins) == "Click: on an object · Shift-drag: box around it"
    on_coins.viewer.dims.ndisplay = 3
    assert "2-D view" in strip(on_coins)
    on_coins.viewer.dims.ndisplay = 2
    on_coins.tool.set_active(False)
    assert "Clicks are napari's" in strip(on_coins)
    on_coins.tool.set_active(True)
