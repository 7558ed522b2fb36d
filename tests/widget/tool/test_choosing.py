"""What is chosen in the panel changes what it should, in a real window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from tests.widget import bench
from tests.widget.bench import Window

pytestmark = pytest.mark.gui
shared_window, window, coins, on_coins = (
    bench.shared_window,
    bench.window,
    bench.coins,
    bench.on_coins,
)

COIN, NEIGHBOUR = (193, 212), (194, 274)


def names(window: Window) -> set[str]:
    """Of the layers that can be seen."""
    return {layer.name for layer in window.viewer.layers if layer.visible}


def test_a_higher_threshold_makes_a_smaller_mask(on_coins: Window) -> None:
    on_coins.click(*COIN)
    on_coins.settle()
    before = on_coins.mask.copy()
    on_coins.panel.click.options.threshold.value = 0.9
    on_coins.settle()
    assert 0 < on_coins.mask.sum() < before.sum()
    assert on_coins.clicks == [(*COIN, True)]
    on_coins.panel.click.options.threshold.value = 0.5
    on_coins.settle()
    assert (on_coins.mask == before).all()


def test_the_diameter_is_measured_on_the_object_and_can_be_typed(on_coins: Window) -> None:
    options = on_coins.panel.click.options
    on_coins.panel.click.options_section.expand()
    on_coins.push(options.estimate.native)
    assert on_coins.tool.options.object_diameter is None
    assert "click on one" in on_coins.panel.click.status.text.text()
    on_coins.click(*COIN)
    on_coins.settle()
    on_coins.push(options.estimate.native)
    on_coins.settle()
    assert (
        options.diameter.value == on_coins.tool.options.object_diameter == pytest.approx(47, abs=5)
    )
    line = options.diameter.native.lineEdit()
    line.selectAll()
    QTest.keyClicks(line, "200")
    QTest.keyClick(line, Qt.Key.Key_Return)
    on_coins.settle()
    assert on_coins.tool.options.object_diameter == 200
    assert on_coins.clicks == [(*COIN, True)]  # that Enter was not for the canvas
    assert on_coins.mask[COIN]
    assert on_coins.tool.loop.engine._session.object_diameter == 200


@pytest.mark.parametrize("name", ["probability", "prior"])
def test_a_map_is_shown_over_the_object_while_it_is_ticked(on_coins: Window, name: str) -> None:
    box = on_coins.panel.click.options.overlays[name].native
    on_coins.panel.click.options_section.expand()
    on_coins.push(box)
    assert f"GPCIS {name}" not in names(on_coins)  # nothing to show yet
    on_coins.click(*COIN)
    on_coins.settle()
    layer = on_coins.viewer.layers[f"GPCIS {name}"]
    assert layer.visible
    if name == "probability":
        row, col = layer.world_to_data(COIN)
        assert layer.data[round(row), round(col)] > 0.5
    on_coins.press(Qt.Key.Key_Return)
    on_coins.settle()
    assert f"GPCIS {name}" not in names(on_coins)
    on_coins.click(*NEIGHBOUR)
    on_coins.settle()
    assert f"GPCIS {name}" in names(on_coins)
    on_coins.push(box)
    on_coins.settle()
    assert f"GPCIS {name}" not in on_coins.viewer.layers


def test_the_next_click_is_marked_off_the_clicks_and_can_be_switched_off(
    on_coins: Window,
) -> None:
    on_coins.click(*COIN)
    on_coins.settle()
    assert "GPCIS next click" in names(on_coins)
    place = on_coins.viewer.layers["GPCIS next click"].data[0]
    assert np.abs(place - COIN).max() > 3
    on_coins.press(Qt.Key.Key_Escape)
    on_coins.settle()
    assert "GPCIS next click" not in names(on_coins)
    on_coins.click(*COIN)
    on_coins.settle()
    assert "GPCIS next click" in names(on_coins)
    on_coins.panel.click.options_section.expand()
    on_coins.push(on_coins.panel.click.options.overlays["next click"].native)
    on_coins.settle()
    assert "GPCIS next click" not in on_coins.viewer.layers


def test_a_marker_that_the_user_hides_stays_hidden(on_coins: Window) -> None:
    on_coins.click(*COIN)
    on_coins.settle()
    on_coins.viewer.layers["GPCIS next click"].visible = False
    on_coins.press(Qt.Key.Key_Return)
    on_coins.click(*NEIGHBOUR)
    on_coins.settle()
    assert "GPCIS next click" not in names(on_coins)


def test_a_model_file_that_is_broken_leaves_the_old_model(on_coins: Window, tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not a model")
    on_coins.tool.model.choose(str(broken))
    on_coins.settle()
    assert on_coins.status.level == "error"
    assert on_coins.tool.model.name == "default"
    assert on_coins.panel.click.model.model.value == "default"
    on_coins.click(*COIN)
    on_coins.settle()
    assert on_coins.mask[COIN]


def test_another_model_answers_the_same_clicks_anew(on_coins: Window, tiny_model: Path) -> None:
    on_coins.click(*COIN)
    on_coins.settle()
    before = on_coins.mask.copy()
    on_coins.tool.model.choose(str(tiny_model))
    on_coins.wait(lambda: on_coins.tool.model.name == str(tiny_model))
    on_coins.settle()
    assert on_coins.clicks == [(*COIN, True)]
    assert on_coins.mask[COIN]
    assert (on_coins.mask != before).any()
    on_coins.tool.model.choose("default")
    on_coins.wait(lambda: on_coins.tool.model.name == "default")
    on_coins.settle()
    assert (on_coins.mask == before).all()
