"""A napari window with the panel docked, and a hand on its mouse and keyboard.

A test file takes the fixtures with ``shared_window, window = bench.shared_window, bench.window``.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_gpcis.widget.panel import GPCISPanel

LEFT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
PLAIN = Qt.KeyboardModifier.NoModifier
CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
PATIENCE = 30.0


class Window:
    """What a user sees and does; all input is Qt events on the canvas or on the panel.

    Parameters
    ----------
    viewer : napari.Viewer
    panel : GPCISPanel
    """

    def __init__(self, viewer: Any, panel: GPCISPanel) -> None:
        self.viewer = viewer
        self.panel = panel
        self.tool: Any = panel.tool

    # what there is

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas

    @property
    def points(self) -> Any:
        return self.viewer.layers["GPCIS clicks"]

    @property
    def labels(self) -> Any:
        name = "GPCIS labels" if self.tool.mode == "object" else "GPCIS classes"
        return self.viewer.layers[name]

    @property
    def preview(self) -> Any:
        return self.viewer.layers["GPCIS preview"].data

    @property
    def mask(self) -> Any:
        """Of the object that is worked on, as it is shown."""
        return self.preview == 1

    @property
    def clicks(self) -> list[tuple[int, ...]]:
        """Pixels that are clicked, as they are shown, with True or False at the end.

        A click is drawn together with its mask, or a moment later without it.
        """
        self.wait(lambda: not self.tool.loop.canvas.held)
        places = np.round(self.points.data).astype(int).tolist()
        signs = self.points.features["positive"].tolist()
        return [(*place, bool(sign)) for place, sign in zip(places, signs, strict=True)]

    @property
    def slice(self) -> int:
        return int(self.viewer.dims.current_step[0])

    @property
    def status(self) -> Any:
        return self.tool.status

    # what the user does

    def open(self, image: Any, name: str = "image", **kwargs: Any) -> Any:
        """Close what is open, and add an image; the one that is open is begun anew."""
        if self._is_open(image):
            self._choices_as_at_first()
            self._begin_anew()
        else:
            self.viewer.layers.clear()
            self._choices_as_at_first()
            self.viewer.add_image(image, name=name, **kwargs)
        self.settle()
        return self.viewer.layers[name]

    def click(self, *place: float, button: Any = LEFT, keys: Any = PLAIN) -> None:
        """Press and release on a pixel; `settle` waits for what comes of it."""
        self.click_at(self.at(*place), button, keys)

    def click_at(self, where: QPoint, button: Any = LEFT, keys: Any = PLAIN) -> None:
        """Press and release on a point of the canvas."""
        QTest.mouseClick(self.canvas.native, button, keys, where)

    def double_click(self, *place: float) -> None:
        """The four events that Qt sends for it."""
        at = self.at(*place)
        QTest.mouseClick(self.canvas.native, LEFT, PLAIN, at)
        QTest.mouseDClick(self.canvas.native, LEFT, PLAIN, at)
        QTest.mouseRelease(self.canvas.native, LEFT, PLAIN, at)

    def draw(self, *path: tuple[float, ...], keys: Any = PLAIN, release: bool = True) -> None:
        """Press on a pixel, move over others, release; with `release` off, go on holding."""
        QApplication.processEvents()  # the panel may still be taking room from the canvas
        QTest.mousePress(self.canvas.native, LEFT, keys, self.at(*path[0]))
        for start, end in pairwise(np.asarray(path, float)):
            for part in (0.25, 0.5, 0.75, 1.0):
                self._move(self.at(*(start + (end - start) * part)), keys)
        if release:
            self.release(*path[-1], keys=keys)

    def release(self, *place: float, keys: Any = PLAIN) -> None:
        """Release the button that `draw` holds."""
        QTest.mouseRelease(self.canvas.native, LEFT, keys, self.at(*place))

    def drag(self, start: tuple[float, ...], end: tuple[float, ...]) -> None:
        """Press on a pixel, move to another, release."""
        first, last = self.at(*start), self.at(*end)
        QTest.mousePress(self.canvas.native, LEFT, PLAIN, first)
        for part in (0.25, 0.5, 0.75, 1.0):
            self._move(first + (last - first) * part)
        QTest.mouseRelease(self.canvas.native, LEFT, PLAIN, last)

    def press(self, key: Any, keys: Any = PLAIN) -> None:
        """Press a key over the canvas."""
        QTest.keyClick(self.canvas.native, key, keys)

    def push(self, button: Any) -> None:
        """Click on a button or a check box of the panel."""
        QTest.mouseClick(button, LEFT, PLAIN, QPoint(10, button.height() // 2))

    def at(self, *place: float) -> QPoint:
        """Where on the canvas a pixel of the image is."""
        image = self.tool.switcher.image
        world = np.asarray(image.data_to_world((*self._leading(image, place), *place[-2:])))
        row, col = world[-2:]
        view = self.canvas.view
        x, y = (view.transform * view.scene.transform).map([col, row])[:2]
        return QPoint(round(x), round(y))

    def settle(self) -> None:
        """Wait until all is answered and shown."""
        for _ in range(3):  # what comes back may be a reason to ask more
            self.wait(lambda: self.tool.model.is_loaded and self.tool.idle)
            QApplication.processEvents()

    def wait(self, until: Callable[[], bool]) -> None:
        """Let the window live until something is so."""
        deadline = time.monotonic() + PATIENCE
        QApplication.processEvents()
        while not until():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {PATIENCE} s; the status is {self.tool.status}")
            time.sleep(0.002)
            QApplication.processEvents()

    def _leading(self, image: Any, place: tuple[float, ...]) -> tuple[float, ...]:
        given = place[:-2]
        missing = image.ndim - 2 - len(given)
        return (*image.world_to_data(self.viewer.dims.point)[:missing], *given)

    def _move(self, at: QPoint, keys: Any = PLAIN) -> None:
        """QTest's own mouseMove holds no button."""
        native = self.canvas.native
        where = QPointF(at)
        glob = QPointF(native.mapToGlobal(at))
        event = QMouseEvent(QEvent.Type.MouseMove, where, glob, LEFT, LEFT, keys)
        QApplication.sendEvent(native, event)
        QApplication.processEvents()

    def _is_open(self, image: Any) -> bool:
        """Whether nothing but this image is open, with objects: layers cost half a second."""
        tool = self.tool
        return (
            tool.mode == "object"
            and tool.document is not None
            and tool.switcher.image.data is image
            and set(self.viewer.layers) == {tool.switcher.image, *tool.loop.layers}
        )

    def _begin_anew(self) -> None:
        """As after opening the image, but with the same layers."""
        tool, document = self.tool, self.tool.document
        tool.queue.flush()
        tool.loop.overlays.clear()
        document.labels.data[:] = 0
        document.labels.metadata.clear()
        document.take_over(document.fresh_annotation())
        for layer in document.layers:
            layer.mode, layer.visible = "pan_zoom", True
        document.select()
        tool.loop.reopen()
        tool.loop.tell_ready()
        self.viewer.dims.ndisplay = 2
        self.viewer.dims.set_current_step(0, 0)
        self.viewer.reset_view()

    def _choices_as_at_first(self) -> None:
        tool = self.tool
        tool.set_active(True)
        tool.set_mode("object")
        tool.set_threshold(0.5)
        tool.set_overlap("protect")
        tool.set_draws("click")
        tool.set_auto_commit(False)
        tool.set_object_diameter(None)
        for name in tool.options.overlays:
            tool.set_overlay(name, name == "next click")
        for item in tool.classes.all[2:]:
            tool.classes.remove(item.number)


@contextmanager
def open_window() -> Iterator[Window]:
    """A window with the panel, closed in order; it may leave neither widgets nor threads."""
    import napari

    with _own_application():
        before = set(QApplication.topLevelWidgets())
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 800)
        panel = GPCISPanel(viewer)
        viewer.window.add_dock_widget(panel, name="GPCIS", area="right")
        yield (window := Window(viewer, panel))
        thread = window.tool.loop.engine.worker._thread
        viewer.window.remove_dock_widget(panel)
        panel.deleteLater()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        _close(viewer)
        left = set(QApplication.topLevelWidgets()) - before
        if thread.is_alive() or left:
            raise RuntimeError(f"left behind: {[thread] if thread.is_alive() else []} {left}")


def _close(viewer: Any) -> None:
    with patch.object(viewer.window._qt_window, "_save_current_window_settings"):
        viewer.close()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()


@contextmanager
def _own_application() -> Iterator[None]:
    """What napari's fixture `make_napari_viewer` does for a test, for as long as one likes."""
    from app_model import Application
    from napari._app_model._app import NapariApplication, _napari_names
    from napari._qt._qapp_model.qactions import init_qactions
    from napari.plugins import _initialize_plugins

    own = NapariApplication("gpcis_tests")
    own.injection_store.namespace = _napari_names
    with ExitStack() as stack:
        stack.callback(Application.destroy, "gpcis_tests")
        stack.callback(init_qactions.cache_clear)
        stack.callback(_initialize_plugins.cache_clear)
        stack.enter_context(patch.object(NapariApplication, "get_app_model", return_value=own))
        stack.enter_context(
            patch("napari._qt.threads.status_checker.StatusChecker.start", lambda *_: None)
        )
        # a full collection for each layer that is removed: a quarter of a second
        stack.enter_context(patch("napari._vispy.canvas.gc.collect", lambda *_: 0))
        yield


@cache
def _loaded(name: str) -> Any:
    from napari_gpcis.model.checkpoint import load_model

    return load_model(name)


@pytest.fixture(scope="module")
def shared_window(qapp: Any) -> Iterator[Window]:
    """One window for all tests of a file."""
    import napari_gpcis.model

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(napari_gpcis.model, "load_model", _loaded)
        with open_window() as opened:
            yield opened
    del opened
    gc.collect()  # napari's own fixture counts the windows that are left


@pytest.fixture
def window(shared_window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Window:
    """The window, in which a test opens an image of its own; with journals of its own, too."""
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "user")
    return shared_window


@pytest.fixture(scope="session")
def coins() -> tuple[Any, Any]:
    """24 Greek coins, and where each of them is."""
    from scipy import ndimage
    from skimage import data, filters, segmentation

    image = data.coins()
    markers = np.where(image < 30, 1, np.where(image > 150, 2, 0))
    regions = segmentation.watershed(filters.sobel(image), markers) == 2
    truth, _ = ndimage.label(ndimage.binary_fill_holes(regions))
    return image, truth


@pytest.fixture
def on_coins(window: Window, coins: tuple[Any, Any]) -> Window:
    """The window with the coins open."""
    window.open(coins[0], "coins")
    return window
