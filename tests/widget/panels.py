"""A panel that is shown alone, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_gpcis.widget.panel import GPCISPanel


@contextmanager
def open_panel(tool: Any, qtbot: Any, **kwargs: Any) -> Iterator[GPCISPanel]:
    """Open a panel; when it is closed, no window may be left, and it may not listen any more."""
    before = set(QApplication.topLevelWidgets())
    panel = GPCISPanel(SimpleNamespace(theme="dark"), tool, **kwargs)
    with qtbot.waitExposed(panel):
        panel.show()
    yield panel
    panel.close()
    panel.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    left = set(QApplication.topLevelWidgets()) - before
    assert not left
    tool.changed.emit()
