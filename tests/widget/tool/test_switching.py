"""Another image, mode or labels layer and back: what is seen is clicked, and nothing is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from tests.widget import bench
from tests.widget.bench import CTRL, Window

pytestmark = pytest.mark.gui
shared_window, window, coins, on_coins = (
    bench.shared_window,
    bench.window,
    bench.coins,
    bench.on_coins,
)

FIRST, SECOND, THIRD = (193, 212), (194, 274), (125, 336)
ENTER, Z = Qt.Key.Key_Return, Qt.Key.Key_Z


def own_layers(window: Window) -> list[str]:
    names = [layer.name for layer in window.viewer.layers]
    return [name for name in names if name.startswith(("GPCIS clicks", "GPCIS preview"))]


def annotate(window: Window) -> None:
    """One committed object, and a draft."""
    window.click(*FIRST)
    window.press(ENTER)
    window.click(*SECOND)
    window.settle()


def is_as_annotated(window: Window) -> bool:
    return (
        window.clicks == [(*SECOND, True)]
        and window.tool.object_count == 1
        and window.labels.data[FIRST] == 1
        and bool(window.mask[SECOND])
        and window.tool.document.labels.visible
    )


def test_an_image_that_is_opened_is_the_one_that_is_clicked(on_coins: Window) -> None:
    annotate(on_coins)
    upside_down = np.ascontiguousarray(on_coins.viewer.layers["coins"].data[::-1, :350])
    on_coins.viewer.add_image(upside_down, name="other")
    on_coins.settle()
    assert on_coins.tool.switcher.image_name == on_coins.panel.click.image.image.value == "other"
    assert "other" in on_coins.status.text
    assert on_coins.clicks == []
    place = (303 - FIRST[0], FIRST[1])
    on_coins.click(*place)
    on_coins.press(ENTER)
    on_coins.settle()
    labels = on_coins.tool.document.labels
    assert labels.data.shape == upside_down.shape
    assert labels.data[place] == 1
    assert own_layers(on_coins) == ["GPCIS preview", "GPCIS clicks"]

    on_coins.viewer.layers.selection = {on_coins.viewer.layers["coins"]}
    on_coins.settle()
    assert on_coins.tool.switcher.image_name == "coins"
    assert on_coins.viewer.layers["coins"].visible
    assert not on_coins.viewer.layers["other"].visible  # it lay over the coins
    assert not labels.visible
    assert is_as_annotated(on_coins)
    on_coins.press(Z, CTRL)
    on_coins.settle()
    assert on_coins.clicks == []
    on_coins.press(Z, CTRL)  # the commit
    on_coins.settle()
    assert on_coins.clicks == [(*FIRST, True)]
    assert not on_coins.labels.data.any()


def test_a_hidden_image_is_not_clicked(on_coins: Window) -> None:
    on_coins.viewer.layers["coins"].visible = False
    on_coins.click(*FIRST)
    on_coins.settle()
    assert "hidden" in on_coins.status.text
    assert on_coins.clicks == []
    on_coins.viewer.layers["coins"].visible = True
    on_coins.click(*FIRST)
    on_coins.settle()
    assert on_coins.clicks == [(*FIRST, True)]


def test_classes_and_back_keeps_drafts_and_undo(on_coins: Window) -> None:
    annotate(on_coins)
    mode = on_coins.panel.click.mode
    on_coins.push(mode.classes)
    on_coins.settle()
    on_coins.click(*FIRST)
    on_coins.settle()
    assert on_coins.tool.document.labels.visible
    on_coins.push(mode.objects)
    on_coins.settle()
    assert not on_coins.viewer.layers["GPCIS classes"].visible
    assert on_coins.tool.earlier_work.restorable is None
    assert is_as_annotated(on_coins)
    on_coins.push(mode.classes)
    on_coins.settle()
    assert on_coins.clicks == [(*FIRST, True)]
    assert on_coins.tool.can_undo
    on_coins.push(mode.objects)
    on_coins.settle()


def test_another_labels_layer_and_back_keeps_drafts_and_undo(on_coins: Window) -> None:
    annotate(on_coins)
    first = on_coins.tool.switcher.labels_name
    on_coins.tool.switcher.choose_labels(None)
    on_coins.settle()
    assert on_coins.clicks == []
    on_coins.click(*THIRD)
    on_coins.settle()
    on_coins.tool.switcher.choose_labels(first)
    on_coins.settle()
    assert is_as_annotated(on_coins)
    assert on_coins.tool.can_undo


def test_the_same_image_chosen_again_changes_nothing(on_coins: Window) -> None:
    annotate(on_coins)
    document = on_coins.tool.document
    on_coins.tool.switcher.choose_image("coins")
    on_coins.tool.set_mode("object")
    on_coins.settle()
    assert on_coins.tool.document is document
    assert is_as_annotated(on_coins)


def test_drafts_keep_their_masks_while_another_image_is_worked_on(on_coins: Window) -> None:
    on_coins.click(*FIRST)
    on_coins.press(Qt.Key.Key_N)
    on_coins.click(*SECOND)
    on_coins.settle()
    on_coins.viewer.add_image(np.zeros((60, 70), np.uint8), name="other")
    on_coins.settle()
    on_coins.tool.set_threshold(0.6)  # all masks are asked for anew
    on_coins.tool.switcher.choose_image("coins")
    on_coins.settle()
    assert on_coins.preview[FIRST] == 2
    assert on_coins.preview[SECOND] == 1


def test_the_brush_paints_into_the_object_of_the_last_commit(on_coins: Window) -> None:
    for place in (FIRST, SECOND):
        on_coins.click(*place)
        on_coins.press(ENTER)
    on_coins.settle()
    assert on_coins.labels.selected_label == 2
    on_coins.double_click(*FIRST)
    on_coins.settle()
    assert on_coins.labels.selected_label == 1


KEYS = (ENTER, Qt.Key.Key_Escape, *(getattr(Qt.Key, f"Key_{key}") for key in "NTJUDRH"))


def words(window: Window) -> str:
    return str(window.panel.click.status.text.text())


@pytest.mark.parametrize("shape", [None, (1, 1), (4, 4), (3, 1, 1)])
def test_no_key_and_no_button_raises_without_an_image_to_click_on(
    window: Window, shape: Any
) -> None:
    window.viewer.layers.clear()
    if shape is not None:
        window.viewer.add_image(np.ones(shape), name="tiny")
    window.settle()
    click = window.panel.click
    window.click_at(window.canvas.native.rect().center())
    assert words(window)
    assert "expected" not in words(window)
    for key in KEYS:
        window.press(key)
        assert "expected" not in words(window)
    for key in (Z, Qt.Key.Key_Period):
        window.press(key, CTRL)
    buttons = (
        click.objects.commit, click.objects.new_object, click.steps.undo, click.steps.clear,
        click.steps.next, click.counts.swap, click.propagate.up, click.mode.classes,
        click.mode.objects, click.options.estimate.native,
    )  # fmt: skip
    for button in buttons:
        button.click()
        assert "expected" not in words(window)


def test_the_status_is_true_of_what_is_there(on_coins: Window) -> None:
    def make() -> None:
        on_coins.click(*FIRST)
        on_coins.settle()
        assert "px" in on_coins.status.text

    for end in (
        lambda: on_coins.press(Qt.Key.Key_Escape),
        lambda: on_coins.press(Qt.Key.Key_N),
        lambda: on_coins.press(Z, CTRL),
    ):
        make()
        end()
        on_coins.settle()
        assert on_coins.status.text == "Click on an object"
        on_coins.tool.clear()
    make()
    on_coins.points.selected_data = set(range(len(on_coins.points.data)))
    on_coins.points.remove_selected()
    on_coins.settle()
    assert on_coins.status.text == "Click on an object"


def test_a_long_status_moves_no_button(on_coins: Window) -> None:
    button = on_coins.panel.click.objects.commit
    before = button.mapTo(on_coins.panel, button.rect().topLeft())
    on_coins.tool.reporter.tell("A sentence that goes on for quite a while. " * 6, "warning")
    on_coins.wait(lambda: "for quite" in words(on_coins))
    assert button.mapTo(on_coins.panel, button.rect().topLeft()) == before
