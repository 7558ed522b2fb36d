"""What every control of the panel owes its user: a name, a tooltip, the keyboard, no surprises."""

from __future__ import annotations

from typing import Any

import pytest

from tests.widget import silent

pytestmark = [
    pytest.mark.gui,
    pytest.mark.parametrize("tool", ["channels"], indirect=True),
    pytest.mark.usefixtures("able"),
]
tool, able, offering, working = silent.tool, silent.able, silent.offering, silent.working


@pytest.fixture
def panel(tool: Any, qtbot: Any) -> Any:
    from tests.widget.panels import open_panel

    with open_panel(tool, qtbot) as opened:
        opened.resize(340, 900)
        yield opened


def controls(parent: Any) -> list[Any]:
    """What can be used; not the inner workings of Qt's own widgets."""
    from qtpy.QtWidgets import (
        QAbstractButton,
        QAbstractItemView,
        QAbstractSlider,
        QAbstractSpinBox,
        QComboBox,
        QHeaderView,
        QScrollBar,
        QTabBar,
        QWidget,
    )
    from superqt import QLabeledDoubleSlider

    kinds = (QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox)
    whole = (QComboBox, QAbstractSpinBox, QLabeledDoubleSlider, QAbstractItemView, QTabBar)
    found = []
    for widget in parent.findChildren(QWidget):
        if not isinstance(widget, (*kinds, QLabeledDoubleSlider)):
            continue
        if isinstance(widget, (QScrollBar, QHeaderView)):
            continue
        above = widget.parentWidget()
        while above is not None and not isinstance(above, whole):
            above = above.parentWidget()
        if above is None:
            found.append(widget)
    return found


def test_every_control_has_a_name_and_a_tooltip(panel: Any) -> None:
    found = controls(panel.click)
    assert len(found) > 30
    lacking = [w for w in found if not (w.accessibleName() and w.toolTip())]
    assert lacking == []


def test_tooltips_name_the_keys_of_the_help_sheet(panel: Any) -> None:
    from napari_gpcis.widget.tool.keys import SHORTCUTS

    click = panel.click
    buttons = {
        "commit": click.objects.commit,
        "new_object": click.objects.new_object,
        "clear": click.steps.clear,
        "undo": click.steps.undo,
        "redo": click.steps.redo,
        "jump_to_next": click.steps.next,
        "swap_sign": click.counts.swap,
        "propagate_up": click.propagate.up,
        "propagate_down": click.propagate.down,
        "propagate_both": click.propagate.both,
        "cancel": click.status.cancel,
        "show_help": click.help,
    }
    keys = {shortcut.action: shortcut.keys for shortcut in SHORTCUTS}
    for action, button in buttons.items():
        assert button.toolTip().endswith(f"({keys[action]})")


def tab_chain(panel: Any, qapp: Any) -> list[Any]:
    """The widgets that Tab reaches, from the first of the Click tab to the last."""
    from qtpy.QtCore import Qt

    chain, widget = [], panel.click
    for _ in range(500):
        widget = widget.nextInFocusChain()
        if widget is panel.click:
            break
        reached = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        if reached and widget.isVisible() and widget.isEnabled():
            if panel.click.isAncestorOf(widget) and widget.focusProxy() is None:
                chain.append(widget)
    return chain


def test_tab_goes_from_top_to_bottom(
    offering: None, working: None, panel: Any, tool: Any, qapp: Any
) -> None:
    panel.click.options_section.expand()
    panel.click.model_section.expand()
    tool.show("…", "busy", 1, 2)
    for _ in range(3):
        qapp.processEvents()
    chain = tab_chain(panel, qapp)
    bottoms = [w.mapTo(panel.click, w.rect().bottomLeft()).y() for w in chain]
    tops = [w.mapTo(panel.click, w.rect().topLeft()).y() for w in chain]
    assert len(chain) > 25
    # A row's widgets may differ in height; none begins below the end of the one after it.
    assert all(top < bottom for top, bottom in zip(tops, bottoms[1:], strict=False))


def test_tab_does_not_reach_into_a_folded_group(panel: Any, qapp: Any) -> None:
    qapp.processEvents()
    assert panel.click.options.diameter.native not in tab_chain(panel, qapp)
    panel.click.options_section.toggleButton().click()
    qapp.processEvents()
    assert panel.click.options.diameter.native in tab_chain(panel, qapp)
    panel.click.options_section.toggleButton().click()
    qapp.processEvents()
    assert panel.click.options.diameter.native not in tab_chain(panel, qapp)


def test_a_fold_says_whether_it_is_open(panel: Any) -> None:
    section = panel.click.model_section
    assert section.text() == "▸  Model: default on cpu"
    section.toggleButton().click()
    assert section.text().startswith("▾")
    panel.tool.describe_model(device="cuda:0")
    assert section.text() == "▾  Model: default on cuda:0"


def test_a_mouse_click_leaves_the_keyboard_to_the_canvas(panel: Any, qtbot: Any) -> None:
    from qtpy.QtCore import Qt

    for widget in (
        panel.click.steps.undo,
        panel.click.mode.active,
        panel.click.image.channel_boxes[0],
    ):
        qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)
        assert not widget.hasFocus()


def test_a_passing_wheel_changes_nothing(panel: Any, tool: Any, qapp: Any) -> None:
    from qtpy.QtCore import QPoint, QPointF, Qt
    from qtpy.QtGui import QWheelEvent

    panel.click.options_section.expand()
    options = panel.click.options
    for widget in (
        panel.click.image.image,
        options.diameter.native,
        options.threshold._widget._qwidget,
    ):
        wheel = QWheelEvent(
            QPointF(3, 3),
            QPointF(widget.mapToGlobal(QPoint(3, 3))),
            QPoint(0, 0),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        qapp.sendEvent(widget, wheel)
    assert tool.calls == []


def test_a_long_name_is_whole_in_the_tooltip(panel: Any, tool: Any) -> None:
    width = panel.minimumSizeHint().width()
    tool.viewer.layers["embryo"].name = "a very long name " * 20
    assert tool.switcher.image_name in panel.click.image.image.toolTip()
    assert panel.minimumSizeHint().width() == width
