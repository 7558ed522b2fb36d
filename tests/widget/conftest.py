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


@pytest.fixture(scope="module")
def shared_window(qapp: Any) -> Iterator[Any]:
    """One window for all tests of a file."""
    import napari_gpcis.model
    from tests.widget.window import open_window

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(napari_gpcis.model, "load_model", _loaded)
        with open_window() as window:
            yield window
    del window
    gc.collect()  # napari's own fixture counts the windows that are left


@pytest.fixture
def window(shared_window: Any, journals: Path) -> Any:
    """A window with the panel docked, in which another image can be opened."""
    return shared_window
