"""Shapes of napari's own as prompts, in a real window."""

from __future__ import annotations

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

NEIGHBOUR, COIN, THIRD = (194, 274), (193, 212), (198, 154)
RECTANGLE = np.array([[172, 250], [172, 297], [216, 297], [216, 250]], float)
POLYGON = np.array([[185, 205], [185, 222], [203, 222], [203, 205]], float)
PATH = np.array([[190, 150], [200, 152], [206, 160]], float)
BESIDE = POLYGON - 1000
ENTER, Z = Qt.Key.Key_Return, Qt.Key.Key_Z


def add_shapes(window: Window, *shapes: Any, kinds: list[str], **kwargs: Any) -> Any:
    layer = window.viewer.add_shapes(list(shapes), shape_type=kinds, **kwargs)
    window.settle()
    return layer


def test_each_shape_becomes_a_draft_and_shift_enter_commits_them(on_coins: Window) -> None:
    button = on_coins.panel.click.shapes
    assert not button.isEnabled()
    kinds = ["rectangle", "polygon", "path", "polygon"]
    layer = add_shapes(on_coins, RECTANGLE, POLYGON, PATH, BESIDE, kinds=kinds)
    on_coins.push(button)
    on_coins.settle()
    assert "3 shapes are drafts now; 1 outside" in on_coins.status.text
    assert not layer.visible
    prompts = {click.prompt for click in on_coins.tool.document.annotation.state.clicks}
    assert prompts == {"box", "lasso", "scribble"}
    assert all(on_coins.preview[place] == 2 for place in (NEIGHBOUR, COIN, THIRD))
    on_coins.press(ENTER, SHIFT)
    on_coins.settle()
    labels = {int(on_coins.labels.data[place]) for place in (NEIGHBOUR, COIN, THIRD)}
    assert labels == {1, 2, 3}
    on_coins.press(Z, CTRL)
    for _ in range(20):
        on_coins.press(Z, CTRL)
    on_coins.settle()
    assert on_coins.clicks == []
    on_coins.viewer.layers.remove(layer)


def test_shapes_lie_where_they_are_seen(window: Window) -> None:
    image = np.random.default_rng(0).normal(20, 3, (3, 96, 96)).astype(np.float32)
    image[1, 30:60, 40:70] += 100
    window.open(image, "stack", scale=(5, 2, 2))
    rectangle = np.array([[1, 29, 39], [1, 29, 70], [1, 60, 70], [1, 60, 39]], float)
    layer = add_shapes(window, rectangle, kinds=["rectangle"], scale=(5, 2, 2))
    window.tool.use_shapes()
    window.settle()
    clicks = window.tool.document.annotation.state.clicks
    assert {click.z for click in clicks} == {1}
    assert min(click.row for click in clicks) in range(26, 30)
    assert max(click.col for click in clicks) in range(71, 74)
    window.viewer.layers.remove(layer)


def test_shapes_are_of_the_active_class_in_class_mode(on_coins: Window) -> None:
    on_coins.push(on_coins.panel.click.mode.classes)
    on_coins.settle()
    on_coins.tool.classes.choose(2)
    layer = add_shapes(on_coins, RECTANGLE, PATH, kinds=["rectangle", "path"])
    on_coins.push(on_coins.panel.click.shapes)
    on_coins.settle()
    clicks = on_coins.tool.document.annotation.state.clicks
    assert {(click.object_id, click.positive) for click in clicks} == {(2, True)}
    assert {click.prompt for click in clicks} == {"lasso", "scribble"}
    assert len({click.stroke for click in clicks}) == 2
    on_coins.viewer.layers.remove(layer)


def test_without_shapes_it_is_said_what_to_draw(on_coins: Window) -> None:
    with pytest.raises(ValueError, match="add a Shapes layer"):
        on_coins.tool.use_shapes()
