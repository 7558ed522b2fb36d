from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest
from napari.layers import Labels
from napari.settings import get_settings

from napari_gpcis.widget.layers.partial_refresh import refresh_box, write_box

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer
    from numpy.typing import NDArray

pytestmark = pytest.mark.gui

SHAPE = (3, 40, 60)  # slices, rows, columns
BOX = (1, slice(10, 22), slice(30, 46))  # in the middle slice


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer]) -> Viewer:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.full(SHAPE, 60, np.uint8), contrast_limits=(0, 255))
    viewer.dims.set_point(0, 1)
    return viewer


def labels_of(dtype: Any = np.uint8) -> NDArray[Any]:
    labels = np.zeros(SHAPE, dtype)
    labels[:, 4:16, 20:36] = 2
    return labels


def squares(dtype: Any = np.uint8, first: int = 3) -> NDArray[Any]:
    values = np.zeros((12, 16), dtype)
    values[1:8, 2:9] = first
    values[6:11, 7:15] = first + 1
    return values


def picture(viewer: Viewer) -> NDArray[np.uint8]:
    shown: NDArray[np.uint8] = viewer.screenshot(canvas_only=True, flash=False)
    return shown


class Watched:
    """What napari is asked to show of a layer, while in this context."""

    def __init__(self, layer: Labels) -> None:
        self.layer = layer
        self.uploads: list[tuple[int, ...]] = []
        self._spy = patch.object(layer, "refresh", wraps=layer.refresh)

    def __enter__(self) -> Watched:
        self.refresh = self._spy.start()
        self.layer.events.labels_update.connect(self._note)
        return self

    def __exit__(self, *error: object) -> None:
        self._spy.stop()
        self.layer.events.labels_update.disconnect(self._note)

    def _note(self, event: Any) -> None:
        self.uploads.append(event.data.shape)


def assert_box_is_shown(
    viewer: Viewer,
    layer: Labels,
    uploaded: tuple[int, ...] | None = None,
    write: Callable[[], None] | None = None,
) -> NDArray[np.bool_]:
    """Write a box; the canvas then looks as after a refresh, without one. What changed on it."""
    before = picture(viewer)
    with Watched(layer) as watched:
        if write is None:
            write_box(layer, BOX[-layer.ndim :], squares())
        else:
            write()
        after = picture(viewer)
    watched.refresh.assert_not_called()
    assert len(watched.uploads) == 1
    if uploaded is not None:
        assert watched.uploads == [uploaded]
    changed: NDArray[np.bool_] = (before != after).any(axis=-1)
    assert changed.any()
    layer.refresh()
    np.testing.assert_array_equal(after, picture(viewer))
    return changed


def on_canvas(viewer: Viewer, canvas: tuple[int, ...], grown: int) -> tuple[slice, slice]:
    """Where BOX, grown by some pixels of data, is on the canvas, give or take one of its pixels."""
    camera = viewer.scene.camera
    sides = []
    for side, middle, size in zip(BOX[1:], camera.center[1:], canvas, strict=True):
        start, stop = (
            (edge - 0.5 - middle) * camera.zoom + size / 2
            for edge in (side.start - grown, side.stop + grown)
        )
        sides.append(slice(int(start) - 1, int(stop) + 2))
    return sides[0], sides[1]


DIRECT = {None: "gray", 0: "transparent", 2: "red", 3: "lime", 60000: "blue", 60001: "yellow"}
LOOKS: list[tuple[Any, int, dict[str, Any]]] = [
    (np.uint8, 3, {}),
    (np.int8, 3, {}),
    (np.uint16, 300, {}),
    (np.int32, 70000, {}),
    (np.int64, 2**40, {}),
    (np.uint8, 3, {"colormap": DIRECT}),
    (np.int32, 60000, {"colormap": DIRECT}),
    (np.uint8, 3, {"show_selected_label": True}),
    (np.int32, 70000, {"show_selected_label": True}),
    (np.uint8, 3, {"contour": 2}),
    (np.int32, 70000, {"contour": 3}),
]


def test_a_box_alone_is_uploaded_and_looks_as_after_a_refresh(viewer: Viewer) -> None:
    layer = viewer.add_labels(labels_of())
    plain = {"colormap": layer.colormap, "show_selected_label": False, "contour": 0}
    for dtype, first, look in LOOKS:
        layer.selected_label = 1  # one that every dtype holds
        layer.data = labels_of(dtype)
        layer.selected_label = first
        for name, value in (plain | look).items():
            setattr(layer, name, value)
        values = squares(dtype, first)
        halo = layer.contour

        changed = assert_box_is_shown(
            viewer,
            layer,
            uploaded=(12 + 2 * halo, 16 + 2 * halo),
            write=lambda layer=layer, values=values: write_box(layer, BOX, values),
        )

        np.testing.assert_array_equal(layer.data[BOX], values)
        changed[on_canvas(viewer, changed.shape, halo)] = False
        assert not changed.any()


def test_data_changed_in_place_are_shown(viewer: Viewer) -> None:
    labels = labels_of(np.int32)
    layer = viewer.add_labels(labels)

    def edit() -> None:
        labels[BOX] = squares()
        refresh_box(layer, BOX)

    assert_box_is_shown(viewer, layer, (12, 16), edit)


def test_the_brush_leaves_a_written_box_as_it_is(viewer: Viewer) -> None:
    layer = viewer.add_labels(labels_of(np.int32))
    write_box(layer, BOX, squares())
    layer.brush_size = 6
    assert_box_is_shown(viewer, layer, write=lambda: layer.paint((1, 16, 38), 9))


def test_asynchronous_slicing_ends_with_what_was_written(viewer: Viewer, qtbot: Any) -> None:
    layer = viewer.add_labels(labels_of(np.int32))
    get_settings().experimental.async_ = True
    viewer.dims.set_point(0, 2)
    write_box(layer, (2, *BOX[1:]), squares())  # while that slice loads
    qtbot.waitUntil(lambda: layer.loaded)
    shown = picture(viewer)
    get_settings().experimental.async_ = False
    layer.refresh()
    np.testing.assert_array_equal(picture(viewer), shown)


def test_a_slice_not_on_display_is_written_and_shown_later(viewer: Viewer) -> None:
    for dtype in (np.uint8, np.int32):
        viewer.dims.set_point(0, 1)
        layer = viewer.add_labels(labels_of(dtype))
        before = picture(viewer)
        with Watched(layer) as watched:
            write_box(layer, (2, *BOX[1:]), squares())
            np.testing.assert_array_equal(picture(viewer), before)
        assert watched.uploads == []
        watched.refresh.assert_not_called()
        viewer.dims.set_point(0, 2)
        after = picture(viewer)
        assert (after != before).any()
        layer.refresh()
        np.testing.assert_array_equal(picture(viewer), after)


def test_a_hidden_layer_is_right_when_it_is_shown(viewer: Viewer) -> None:
    for dtype in (np.uint8, np.int32):
        layer = viewer.add_labels(labels_of(dtype))
        before = picture(viewer)
        layer.visible = False
        with Watched(layer) as watched:
            write_box(layer, BOX, squares())
        assert watched.uploads == []
        watched.refresh.assert_not_called()
        layer.visible = True
        after = picture(viewer)
        assert (after != before).any()
        layer.refresh()
        np.testing.assert_array_equal(picture(viewer), after)


ORDERS = [
    ((0, 2, 1), np.uint8, (16, 12)),  # the plane, transposed
    ((1, 0, 2), np.int32, (1, 16)),  # slices and columns: one row of the box
    ((2, 1, 0), np.uint8, (12, 1)),  # rows and slices: one column of the box
]


def test_a_box_is_shown_in_any_order_of_the_axes(viewer: Viewer) -> None:
    for order, dtype, uploaded in ORDERS:
        viewer.dims.order = order
        viewer.dims.point = (1, 14, 33)
        assert_box_is_shown(viewer, viewer.add_labels(labels_of(dtype)), uploaded)


def test_any_plane_of_two_to_four_axes_is_written_and_shown(viewer: Viewer) -> None:
    layer = viewer.add_labels(labels_of(np.int32), scale=(0.5, 1.3, 0.7), translate=(0.5, 1, 2))
    assert_box_is_shown(viewer, layer, (12, 16))
    layer = viewer.add_labels(labels_of(np.int32)[0])
    assert_box_is_shown(viewer, layer, (12, 16))
    layer = viewer.add_labels(labels_of(np.int32))
    assert_box_is_shown(
        viewer,
        layer,
        (1, 4),
        lambda: write_box(layer, (slice(0, 2), 30, slice(5, 9)), np.full((2, 4), 7)),
    )
    np.testing.assert_array_equal(layer.data[0:2, 30, 5:9], 7)
    series = viewer.add_labels(np.stack([labels_of(np.int32)] * 2))
    at = (int(viewer.dims.point[0]), *BOX)
    assert_box_is_shown(viewer, series, (12, 16), lambda: write_box(series, at, squares()))


def memory_mapped(folder: Path) -> NDArray[Any]:
    labels = np.memmap(folder / "labels", np.uint8, "w+", shape=SHAPE)
    labels[:] = labels_of()
    return labels


def dask_backed(folder: Path) -> Any:
    return pytest.importorskip("dask.array").from_array(labels_of(np.int32), chunks=(1, 16, 16))


class Stored:
    """An array that hands out copies, as zarr's does."""

    def __init__(self, folder: Path) -> None:
        self.array = labels_of(np.int32)
        self.dtype, self.shape, self.ndim = self.array.dtype, self.array.shape, self.array.ndim

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return np.array(self.array[key])

    def __setitem__(self, key: Any, values: NDArray[Any]) -> None:
        self.array[key] = values


def test_labels_that_are_not_in_memory_are_written_and_shown(
    viewer: Viewer, tmp_path: Path
) -> None:
    for backing, order in (
        (memory_mapped, (0, 1, 2)),
        (dask_backed, (0, 1, 2)),
        (Stored, (0, 2, 1)),
        (Stored, (2, 1, 0)),
    ):
        viewer.dims.order = order
        viewer.dims.point = (1, 14, 33)
        layer = viewer.add_labels(backing(tmp_path))
        assert_box_is_shown(viewer, layer)
        np.testing.assert_array_equal(np.asarray(layer.data[BOX]), squares())


def test_a_box_is_shown_in_three_dimensions(viewer: Viewer) -> None:
    viewer.dims.ndisplay = 3
    assert_box_is_shown(viewer, viewer.add_labels(labels_of(np.int32)), (1, 12, 16))


@pytest.mark.filterwarnings("ignore:data shape .* exceeds GL_MAX_TEXTURE_SIZE")
def test_what_the_texture_cannot_take_is_refreshed(viewer: Viewer) -> None:
    layer = viewer.add_labels(labels_of(np.int32))  # not painted yet
    write_box(layer, BOX, squares())
    painted = picture(viewer)
    layer.refresh()
    np.testing.assert_array_equal(picture(viewer), painted)

    drawn = viewer.window._qt_viewer.canvas.layer_to_visual[layer]
    drawn.MAX_TEXTURE_SIZE_2D = 32  # as on a card whose textures are smaller than the slice
    layer.refresh()
    before = picture(viewer)
    with Watched(layer) as watched:
        write_box(layer, BOX, squares(first=5))
    watched.refresh.assert_called_once()
    after = picture(viewer)
    assert (after != before).any()
    layer.refresh()
    np.testing.assert_array_equal(picture(viewer), after)


def test_a_layer_that_still_loads_is_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Labels(labels_of())
    monkeypatch.setattr(layer._slicing_state, "_loaded", False)
    with Watched(layer) as watched:
        write_box(layer, (0, *BOX[1:]), squares())
    watched.refresh.assert_called_once()
    assert watched.uploads == []


@pytest.mark.parametrize("name", ["_slice_input", "_slicing_state", "_raw_to_displayed", "events"])
def test_a_napari_with_other_private_names_refreshes_the_slice(name: str) -> None:
    layer = Labels(labels_of(np.int32))

    class Without:
        """The layer, less one name."""

        refresh = patch.object(layer, "refresh").start()
        loaded = True

        def __getattr__(self, wanted: str) -> Any:
            if wanted == name:
                raise AttributeError(wanted)
            return getattr(layer, wanted)

    write_box(Without(), (0, *BOX[1:]), squares())  # type: ignore[arg-type]
    np.testing.assert_array_equal(layer.data[0, *BOX[1:]], squares())
    Without.refresh.assert_called_once_with(thumbnail=False, extent=False, highlight=False)


@pytest.mark.parametrize(
    ("index", "values", "message"),
    [
        ((slice(0, 2), slice(0, 2)), np.zeros((2, 2)), "index of 3 axes"),
        ((0, 1, slice(0, 2)), np.zeros(2), "two of them slices"),
        ((3, slice(0, 2), slice(0, 2)), np.zeros((2, 2)), "position of 0 to 2"),
        ((0, slice(0, 4, 2), slice(0, 2)), np.zeros((2, 2)), "step 1"),
        (BOX, np.zeros((16, 12), np.uint8), "shape"),
        ((0, slice(38, 44), slice(0, 2)), np.ones((6, 2), np.uint8), "crop"),
        (BOX, squares(np.int32, 255), "labels of 0 to 255"),
        (BOX, squares(np.int32, -1), "labels of 0 to 255"),
    ],
)
def test_what_does_not_fit_is_not_written(
    index: tuple[Any, ...], values: NDArray[Any], message: str
) -> None:
    layer = Labels(labels_of())
    with pytest.raises(ValueError, match=message):
        write_box(layer, index, values)
    np.testing.assert_array_equal(layer.data, labels_of())


def test_a_multiscale_layer_is_not_written() -> None:
    layer = Labels([np.zeros((64, 64), np.uint8), np.zeros((32, 32), np.uint8)])
    with pytest.raises(ValueError, match="single scale"):
        write_box(layer, (slice(0, 2), slice(0, 2)), np.ones((2, 2), np.uint8))


def test_an_empty_box_changes_nothing() -> None:
    layer = Labels(labels_of())
    with Watched(layer) as watched:
        write_box(layer, (0, slice(5, 5), slice(0, 4)), np.zeros((0, 4), np.uint8))
        refresh_box(layer, (0, slice(5, 5), slice(0, 4)))
    assert watched.uploads == []
    watched.refresh.assert_not_called()
