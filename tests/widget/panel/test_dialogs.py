from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest

from tests.widget import silent

pytestmark = pytest.mark.gui
tool = silent.tool

Key = namedtuple("Key", "keys text group")
KEYS = [
    Key("Left click", "a < b & c", "Click"),
    Key("N", "Begin another object", "Object"),
    Key("T", "Swap", "Click"),
]


@pytest.fixture
def panel(tool: Any, qtbot: Any) -> Any:
    from tests.widget.panels import open_panel

    with open_panel(tool, qtbot, shortcuts=KEYS) as opened:
        yield opened


def test_the_help_sheet_has_all_keys_in_their_groups(panel: Any) -> None:
    panel.click.help.click()
    lines = panel.help_sheet.browser.toPlainText().split("\n")
    expected = ["Click", "Left click", "a < b & c", "T", "Swap"]
    expected += ["Object", "N", "Begin another object"]
    assert [line for line in lines if line] == expected


def test_the_help_sheet_opens_once(panel: Any, tool: Any) -> None:
    tool.help_wanted.emit()
    first = panel.help_sheet
    first.close()
    panel.show_help()
    assert panel.help_sheet is first
    assert first.isVisible()


def test_the_help_sheet_is_the_table_of_keys_by_default(tool: Any, qtbot: Any) -> None:
    from napari_gpcis.widget.tool.keys import SHORTCUTS
    from tests.widget.panels import open_panel

    with open_panel(tool, qtbot) as panel:
        panel.show_help()
        text = panel.help_sheet.browser.toPlainText()
    assert all(shortcut.text in text for shortcut in SHORTCUTS)


def test_a_card_that_is_loading_appears_by_itself(panel: Any, tool: Any) -> None:
    tool.describe_model(card="")
    panel.click.model.card.click()
    browser = panel.click.model.dialog.browser
    assert "loading" in browser.toPlainText()
    tool.describe_model(card="# The card\n\nSee [the data](https://example.org).")
    assert browser.toPlainText().startswith("The card")
    tool.options.model = "paper"
    tool.describe_model(card="# Another")
    assert browser.toPlainText().startswith("Another")
    assert "paper" in panel.click.model.dialog.windowTitle()


def test_links_of_the_card_have_the_colour_of_the_theme(panel: Any) -> None:
    from napari_gpcis.widget.theme import palette_of

    panel.click.model.card.click()
    browser = panel.click.model.dialog.browser
    for theme in ("light", "dark"):
        panel.click.set_palette(palette_of(theme))
        cursor = browser.document().find("DSB2018")
        assert cursor.charFormat().isAnchor()
        assert cursor.charFormat().foreground().color().name() == palette_of(theme).link
