"""Propose the rest, in a real window: G, clicks on what is proposed, Enter, Esc, Ctrl-Z."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from scipy import ndimage

from tests.widget import bench
from tests.widget.bench import CTRL, Window

pytestmark = pytest.mark.gui
shared_window, window = bench.shared_window, bench.window

ENTER, ESC, G, Z = Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_G, Qt.Key.Key_Z
CENTRES = [(row, col) for row in (40, 110, 180) for col in (40, 110, 180)]
CELLS = len(CENTRES)


@pytest.fixture(scope="module")
def cells() -> Any:
    """Nine bright cells on a dark ground."""
    rows, cols = np.mgrid[:224, :224]
    image = np.full((224, 224), 20.0)
    for number, (row, col) in enumerate(CENTRES):
        inside = ((rows - row) / (14 + number % 3)) ** 2 + ((cols - col) / 15) ** 2 < 1
        image[inside] = 150
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    return np.clip(ndimage.gaussian_filter(image, 1.2) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def proposed(window: Window, cells: Any) -> Window:
    """The window in which the first cell was committed, and G pressed."""
    window.open(cells, "cells")
    window.tool.proposals.set_threshold(0.5)
    window.click(*CENTRES[0])
    window.settle()
    window.press(ENTER)
    window.press(G)
    window.settle()
    window.wait(lambda: bool(window.tool.proposals.shown))
    return window


def places(window: Window) -> set[int]:
    """Numbers of the cells on which there is a proposal."""
    found = set()
    for item in window.tool.proposals.shown:
        part = item.parts[0]
        row, col = np.argwhere(part.mask).mean(0) + part.box[:2]
        found.add(int(np.argmin([np.hypot(row - r, col - c) for r, c in CENTRES])))
    return found


def labels_at(window: Window) -> list[int]:
    return [int(window.labels.data[place]) for place in CENTRES]


def drawn(window: Window, number: int) -> bool:
    """Whether there is an outline around a cell."""
    row, col = CENTRES[number]
    layer = window.viewer.layers["GPCIS proposals"]
    return bool(layer.data[row - 25 : row + 25, col - 25 : col + 25].any())


def test_the_rest_is_outlined_and_the_labels_stay_as_they_are(proposed: Window) -> None:
    assert places(proposed) == set(range(1, CELLS))
    assert [drawn(proposed, number) for number in range(CELLS)] == [False] + [True] * (CELLS - 1)
    assert labels_at(proposed) == [1] + [0] * (CELLS - 1)
    assert "8 objects proposed" in proposed.status.text
    part = proposed.panel.click.propose
    assert part.count.text() == "8 proposed, 8 from 0.5"
    assert not part._found.isHidden()


def test_the_outlines_are_offered_neither_as_labels_nor_as_an_image(proposed: Window) -> None:
    layer = proposed.viewer.layers["GPCIS proposals"]
    switcher = proposed.tool.switcher
    assert layer in switcher.own_layers
    assert layer not in switcher.label_layers
    assert "GPCIS proposals" not in switcher.labels_names
    assert proposed.viewer.layers.selection.active is proposed.points


def test_a_click_accepts_and_undo_brings_the_proposal_back(proposed: Window) -> None:
    proposed.click(*CENTRES[4])
    proposed.settle()
    assert labels_at(proposed)[4] == 2
    assert proposed.clicks == []
    assert places(proposed) == set(range(1, CELLS)) - {4}
    assert not drawn(proposed, 4)
    proposed.press(Z, CTRL)
    proposed.settle()
    assert labels_at(proposed)[4] == 0
    assert places(proposed) == set(range(1, CELLS))
    assert drawn(proposed, 4)


def test_a_rejected_one_goes_and_is_not_proposed_again(proposed: Window) -> None:
    proposed.click(*CENTRES[4], keys=CTRL)
    assert 4 not in places(proposed)
    proposed.wait(lambda: not proposed.tool.proposals._learn.isActive())
    proposed.settle()
    assert 4 not in places(proposed)
    assert not drawn(proposed, 4)
    assert labels_at(proposed) == [1] + [0] * (CELLS - 1)
    assert proposed.clicks == []


def test_enter_accepts_those_above_the_threshold_as_one_step(proposed: Window) -> None:
    scores = sorted(item.score for item in proposed.tool.proposals.shown)
    proposed.panel.click.propose.threshold.value = round((scores[3] + scores[4]) / 2, 3)
    above = sum(score >= proposed.tool.proposals.threshold for score in scores)
    assert 0 < above < len(scores)
    proposed.press(ENTER)
    proposed.settle()
    assert sum(label > 0 for label in labels_at(proposed)) == 1 + above
    assert len(places(proposed)) == len(scores) - above
    proposed.press(Z, CTRL)
    proposed.settle()
    assert labels_at(proposed) == [1] + [0] * (CELLS - 1)


def test_enter_commits_the_object_at_work_first(proposed: Window) -> None:
    proposed.click(75, 75)
    proposed.settle()
    assert proposed.tool.click_counts == (1, 0)
    proposed.press(ENTER)
    proposed.settle()
    assert sum(label > 0 for label in labels_at(proposed)[1:]) < CELLS - 1


def test_escape_dismisses_them_all(proposed: Window) -> None:
    proposed.press(ESC)
    proposed.settle()
    assert proposed.tool.proposals.shown == []
    assert not proposed.viewer.layers["GPCIS proposals"].data.any()
    assert proposed.panel.click.propose._found.isHidden()


def test_what_is_committed_by_hand_covers_its_proposal_alone(proposed: Window) -> None:
    document = proposed.tool.document
    item = proposed.tool.proposals.shown[0]
    part = item.parts[0]
    patch = document.annotation.labels.plan(part.z, part.box, part.mask, 7, "protect")
    document.annotation.edit([patch])
    assert item not in proposed.tool.proposals.shown
    assert len(proposed.tool.proposals.shown) == CELLS - 2


def test_another_image_and_back_keeps_the_proposals(proposed: Window, cells: Any) -> None:
    proposed.viewer.add_image(cells[::-1], name="other")
    proposed.settle()
    proposed.tool.switcher.choose_image("other")
    proposed.settle()
    assert proposed.tool.proposals.shown == []
    assert not proposed.viewer.layers["GPCIS proposals"].data.any()
    proposed.tool.switcher.choose_image("cells")
    proposed.settle()
    assert places(proposed) == set(range(1, CELLS))
    assert drawn(proposed, 4)


def test_without_an_example_the_key_says_what_is_missing(window: Window, cells: Any) -> None:
    window.open(cells.copy(), "cells")
    window.press(G)
    window.settle()
    assert "Commit an object first" in window.status.text
    assert not window.panel.click.propose.propose.isEnabled()


def test_objects_of_a_stack_are_joined_through_its_slices(window: Window, cells: Any) -> None:
    window.open(np.stack([cells, cells]), "stack")
    window.click(*CENTRES[0])
    window.settle()
    window.press(ENTER)
    window.settle()
    window.push(window.panel.click.propose.stack)
    window.push(window.panel.click.propose.propose)
    window.settle()
    window.tool.proposals.search_stack(False)
    window.click(*CENTRES[4])
    window.settle()
    assert window.labels.data[0][CENTRES[4]] == window.labels.data[1][CENTRES[4]] == 2
