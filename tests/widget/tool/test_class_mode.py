"""Classes by clicks, in a real window with the shipped model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from tests.widget import bench
from tests.widget.bench import CTRL, SHIFT, Window

pytestmark = pytest.mark.gui
shared_window, window = bench.shared_window, bench.window

ENTER, R, Z = Qt.Key.Key_Return, Qt.Key.Key_R, Qt.Key.Key_Z
DISK, GROUND = (40, 40), (100, 110)
HERE, THERE = 1, 2


@pytest.fixture(scope="module")
def stack() -> Any:
    """Three slices of bright disks on a dark ground, each slice with its own disk."""
    rows, cols = np.ogrid[:128, :128]
    image = np.random.default_rng(0).normal(20, 3, (3, 128, 128))
    for z in range(3):
        image[z, (rows - DISK[0]) ** 2 + (cols - DISK[1] - 20 * z) ** 2 < 18**2] += 150
    return image.astype(np.float32)


@pytest.fixture
def classes(window: Window, stack: Any) -> Window:
    """Class mode by the panel's button, on slice 1."""
    window.open(stack, "disks")
    window.viewer.dims.set_current_step(0, HERE)
    window.push(window.panel.click.mode.classes)
    window.settle()
    return window


def click_both(window: Window) -> None:
    """Class 1 is the disk of the slice, class 2 the ground."""
    window.press(Qt.Key.Key_1, CTRL)
    window.click(DISK[0], DISK[1] + 20 * HERE)
    window.press(Qt.Key.Key_2, CTRL)
    window.click(*GROUND)
    window.settle()


def share(shown: Any, stack: Any, z: int) -> float:
    """Of the pixels, how many have the class that they should have."""
    return float((shown[z] == np.where(stack[z] > 90, 1, 2)).mean())


def test_two_classes_cover_the_slice_as_soon_as_both_are_clicked(
    classes: Window, stack: Any
) -> None:
    click_both(classes)
    assert classes.points.features["object"].tolist() == [1, 2]
    assert classes.tool.classes.active == 2
    assert share(classes.preview, stack, HERE) > 0.95
    assert not classes.preview[THERE].any()
    assert not classes.labels.data.any()


def test_every_clicked_pixel_has_its_class(classes: Window) -> None:
    generator = np.random.default_rng(5)
    places = np.unique(generator.integers(10, 118, (8, 2)), axis=0)
    for number, place in enumerate(places):
        classes.press(Qt.Key.Key_1 if number % 2 else Qt.Key.Key_2, CTRL)
        classes.click(*place)
    classes.settle()
    shown = [int(classes.preview[HERE][tuple(place)]) for place in places]
    assert shown == [1 if number % 2 else 2 for number in range(len(places))]


def test_another_slice_shows_its_classes_when_it_is_gone_to(classes: Window, stack: Any) -> None:
    click_both(classes)
    classes.viewer.dims.set_current_step(0, THERE)
    classes.settle()
    assert share(classes.preview, stack, THERE) > 0.9


def test_enter_commits_the_slice_that_is_shown_and_undo_takes_it_back(
    classes: Window, stack: Any
) -> None:
    click_both(classes)
    classes.press(ENTER)
    classes.settle()
    assert share(classes.labels.data, stack, HERE) > 0.95
    assert not classes.labels.data[THERE].any()
    assert len(classes.clicks) == 2
    classes.viewer.dims.set_current_step(0, THERE)
    classes.settle()
    classes.press(Z, CTRL)
    classes.settle()
    assert not classes.labels.data.any()
    assert classes.slice == HERE
    classes.press(Z, CTRL | SHIFT)
    classes.settle()
    assert share(classes.labels.data, stack, HERE) > 0.95


def test_r_applies_the_classes_to_all_slices_as_one_step(classes: Window, stack: Any) -> None:
    click_both(classes)
    classes.press(R)
    classes.settle()
    assert all(share(classes.labels.data, stack, z) > 0.9 for z in range(3))
    assert classes.status.text == "Wrote the classes of 3 slice(s)"
    classes.press(Z, CTRL)
    classes.settle()
    assert not classes.labels.data.any()
    classes.push(classes.panel.click.classes.apply)
    classes.settle()
    assert all(share(classes.labels.data, stack, z) > 0.9 for z in range(3))


def test_a_class_that_is_removed_takes_its_clicks_along(classes: Window) -> None:
    click_both(classes)
    view = classes.panel.click.classes
    classes.push(view.add)
    assert classes.tool.classes.active == 3
    classes.click(20, 100)
    classes.settle()
    assert (classes.preview[HERE] == 3).any()
    classes.push(view.remove)
    classes.settle()
    assert classes.points.features["object"].tolist() == [1, 2]
    assert [item.number for item in classes.tool.classes.all] == [1, 2]
    assert not (classes.preview[HERE] == 3).any()


def test_undoing_all_clicks_clears_the_classes_and_esc_those_of_one(classes: Window) -> None:
    click_both(classes)
    classes.press(Qt.Key.Key_Escape)
    classes.settle()
    assert classes.points.features["object"].tolist() == [1]
    classes.press(Z, CTRL)
    classes.settle()
    assert classes.points.features["object"].tolist() == [1, 2]
    classes.press(Z, CTRL)
    classes.press(Z, CTRL)
    classes.settle()
    assert classes.clicks == []
    assert not classes.preview.any()


@pytest.mark.slow
def test_objects_are_where_they_were_after_a_look_at_classes(classes: Window) -> None:
    classes.push(classes.panel.click.mode.objects)
    classes.settle()
    classes.click(DISK[0], DISK[1] + 20 * HERE)
    classes.settle()
    classes.press(ENTER)
    classes.settle()
    before = classes.labels.data.copy()
    classes.push(classes.panel.click.mode.classes)
    classes.settle()
    click_both(classes)
    classes.push(classes.panel.click.mode.objects)
    classes.settle()
    assert (classes.labels.data == before).all()
    assert classes.tool.object_count == 1
