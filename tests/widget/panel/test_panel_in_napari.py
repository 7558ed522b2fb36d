from __future__ import annotations

from typing import Any

import pytest

from napari_gpcis.widget.tool.axes_choice import AxesChoice
from tests.widget import silent

pytestmark = pytest.mark.gui
tool, offering, working = silent.tool, silent.offering, silent.working


def test_the_first_steps_fit_the_window_too(docked: Any, tool: Any, qapp: Any) -> None:
    _, panel = docked
    tool.show("the cache is full: slices are encoded again", "warning", 1, 3)
    for _ in range(3):
        qapp.processEvents()
    assert panel.click.guide.isVisible()
    assert panel.tabs.widget(0).verticalScrollBar().maximum() == 0


@pytest.fixture
def docked(make_napari_viewer: Any, tool: Any, qapp: Any) -> Any:
    """A panel in a window of 1280 × 800; make_napari_viewer fails on what is left over."""
    from napari_gpcis.widget.panel import GPCISPanel

    viewer = make_napari_viewer(show=True)
    panel = GPCISPanel(viewer, tool)
    viewer.window.add_dock_widget(panel, name="GPCIS")
    viewer.window.resize(1280, 800)
    qapp.processEvents()
    return viewer, panel


def test_all_fits_the_window_while_the_groups_are_folded(
    offering: None,
    working: None,
    docked: Any,
    tool: Any,
    qapp: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, panel = docked
    channels = ["DAPI", "GFP", "mCherry", "Brightfield"]
    monkeypatch.setattr(AxesChoice, "channels", channels)
    tool.viewer.layers["embryo"].name = "a name as long as microscopes make them " * 3
    area = panel.tabs.widget(0)
    for mode in ("object", "class"):
        tool.set_mode(mode)
        tool.show("the cache is full: slices are encoded again", "warning", 1, 3)
        for _ in range(3):
            qapp.processEvents()
        assert area.verticalScrollBar().maximum() == 0
        assert panel.click.width() <= area.viewport().width()
    assert panel.width() <= 360


def test_nothing_is_cut_off_sideways_when_a_group_is_unfolded(docked: Any, qapp: Any) -> None:
    _, panel = docked
    panel.click.options_section.expand()
    panel.click.model_section.expand()
    for _ in range(3):
        qapp.processEvents()
    area = panel.tabs.widget(0)
    assert panel.click.width() <= area.viewport().width()
    body = panel.click.options
    assert body.height() >= body.sizeHint().height()


def test_the_panel_follows_the_theme(docked: Any, qapp: Any) -> None:
    from napari_gpcis.widget.theme import palette_of

    viewer, panel = docked
    for theme in ("light", "dark", "light"):
        viewer.theme = theme
        qapp.processEvents()
        assert palette_of(theme).surface in panel.click.status.box.styleSheet()


def test_a_closed_panel_listens_no_more(docked: Any, tool: Any, qapp: Any) -> None:
    from qtpy.QtCore import QEvent

    viewer, panel = docked
    gone = []
    panel.destroyed.connect(lambda: gone.append(True))
    panel.show_help()
    panel.click.model.show_card()
    viewer.window.remove_dock_widget(panel)
    panel.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert gone
    tool.changed.emit()
    viewer.theme = "light"
    qapp.processEvents()


def test_a_panel_closes_the_tool_that_it_made(
    make_napari_viewer: Any, tool: Any, qapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtCore import QEvent

    from napari_gpcis.widget.panel import GPCISPanel

    monkeypatch.setattr("napari_gpcis.widget.tool.tool.Tool", lambda _: tool)
    for given in (tool, None):
        assert not tool.closed
        panel = GPCISPanel(make_napari_viewer(), given)
        panel.deleteLater()
        qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert tool.closed
