"""Work that was saved and is opened again goes on, in whatever order things are opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels, Points
from qtpy.QtCore import Qt

from tests.widget import bench
from tests.widget.bench import Window

pytestmark = pytest.mark.gui
shared_window, window, coins, on_coins = (
    bench.shared_window,
    bench.window,
    bench.coins,
    bench.on_coins,
)

FIRST, SECOND, THIRD = (193, 212), (194, 274), (125, 336)
ENTER = Qt.Key.Key_Return


def annotate(window: Window) -> None:
    """One committed object, and a draft."""
    window.click(*FIRST)
    window.press(ENTER)
    window.click(*SECOND)
    window.settle()


def open_file(window: Window, path: Path) -> None:
    window.viewer.open(str(path), plugin="napari-gpcis")
    window.settle()


def layers_of_work(window: Window) -> list[Any]:
    layers = [layer for layer in window.viewer.layers if isinstance(layer, (Labels, Points))]
    return [layer for layer in layers if layer.name not in ("GPCIS preview", "GPCIS next click")]


@pytest.mark.parametrize("order", ["image, work", "work, image", "image, work, work"])
def test_a_saved_annotation_goes_on(on_coins: Window, tmp_path: Path, order: str) -> None:
    image, path = on_coins.viewer.layers["coins"].data, tmp_path / "coins.gpcis"
    annotate(on_coins)
    on_coins.tool.export(str(path))
    on_coins.viewer.layers.clear()
    on_coins.settle()
    for thing in order.split(", "):
        if thing == "image":
            on_coins.viewer.add_image(image, name="coins")
            on_coins.settle()
        else:
            open_file(on_coins, path)
    tool = on_coins.tool
    assert layers_of_work(on_coins) == [tool.document.labels, tool.document.clicks.layer]
    assert tool.document.labels.data[FIRST] == 1
    assert tool.object_count == 1
    assert on_coins.clicks == [(*SECOND, True)]
    assert on_coins.mask[SECOND]
    on_coins.double_click(*FIRST)
    on_coins.settle()
    assert (*FIRST, True) in on_coins.clicks
    assert tool.click_counts == (1, 0)
    on_coins.press(ENTER)
    on_coins.settle()
    assert tool.document.labels.data[FIRST] == 1


def test_saved_clicks_become_drafts(on_coins: Window, tmp_path: Path) -> None:
    path = tmp_path / "coins_clicks.csv"
    annotate(on_coins)
    on_coins.tool.export(str(path))
    on_coins.open(on_coins.viewer.layers["coins"].data.copy(), "coins")
    on_coins.click(*THIRD)
    on_coins.settle()
    open_file(on_coins, path)
    assert set(on_coins.clicks) == {(*THIRD, True), (*SECOND, True)}
    assert len(on_coins.tool.document.annotation.state.objects()) == 2
    assert on_coins.preview[THIRD] == 2
    assert on_coins.preview[SECOND] == 1
    assert len([layer for layer in on_coins.viewer.layers if "clicks" in layer.name]) == 1


def test_labels_of_the_user_are_gone_on_in_and_protected(on_coins: Window) -> None:
    given = np.zeros(on_coins.viewer.layers["coins"].data.shape, np.uint16)
    given[FIRST[0] - 20 : FIRST[0] + 20, FIRST[1] - 20 : FIRST[1]] = 5
    layer = on_coins.viewer.add_labels(given.copy(), name="mine")
    on_coins.settle()
    assert on_coins.tool.switcher.labels_name == "mine"
    assert layers_of_work(on_coins) == [layer, on_coins.tool.document.clicks.layer]
    on_coins.click(FIRST[0], FIRST[1] + 10)
    on_coins.press(ENTER)
    on_coins.settle()
    assert (layer.data[given > 0] == 5).all()
    assert (layer.data == 6).any()
    on_coins.double_click(FIRST[0], FIRST[1] - 10)
    on_coins.settle()
    assert on_coins.mask[FIRST[0], FIRST[1] - 10]
    on_coins.viewer.layers.clear()


def test_of_several_labels_layers_the_user_chooses(window: Window, coins: tuple[Any, Any]) -> None:
    window.viewer.layers.clear()
    shape = coins[0].shape
    labels = [np.zeros(shape, int), np.ones(shape, int)]
    for number, data in enumerate(labels):
        window.viewer.add_labels(data, name=f"mine {number}")
    window.viewer.add_image(coins[0], name="coins")
    assert "choose one under Options" in window.status.text
    window.settle()
    assert window.tool.switcher.labels_name == "GPCIS labels"
    window.tool.switcher.choose_labels("mine 0")
    window.settle()
    assert window.tool.switcher.labels_name == "mine 0"
    window.viewer.layers.clear()


def test_labels_of_an_image_that_was_closed_are_not_those_of_another(
    on_coins: Window,
) -> None:
    annotate(on_coins)
    other = np.ascontiguousarray(on_coins.viewer.layers["coins"].data[:, ::-1])
    del on_coins.viewer.layers["coins"]
    on_coins.viewer.add_image(other, name="other")
    on_coins.settle()
    assert not on_coins.tool.document.labels.data.any()
    assert on_coins.tool.object_count == 0
    on_coins.viewer.layers.clear()
