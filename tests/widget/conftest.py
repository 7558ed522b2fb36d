"""One napari window for all tests of a file, with journals in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def window(qapp: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A window with the panel docked; see `Window`."""
    from tests.widget.window import open_window

    folder = tmp_path_factory.mktemp("journals")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("platformdirs.user_data_path", lambda *_, **__: folder)
        with open_window() as opened:
            yield opened
