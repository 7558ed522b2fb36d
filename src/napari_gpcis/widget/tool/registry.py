"""One tool for each viewer, however many panels are opened on it."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["give_back_tool", "tool_of"]

_open: dict[int, tuple[Tool, int]] = {}


def tool_of(viewer: Any) -> Tool:
    """Tool of a viewer, a new one if it has none; each call is to be followed by `give_back_tool`.

    Two tools in one viewer would answer each click twice.

    Parameters
    ----------
    viewer : napari.Viewer
        Itself, or what napari hands to plugins in its place.
    """
    from napari_gpcis.widget.tool.tool import Tool

    # an open tool keeps its viewer, so the number stays that viewer's
    key = id(getattr(viewer, "__wrapped__", viewer))
    tool, users = _open.get(key, (None, 0))
    if tool is None or getattr(tool, "closed", False):
        tool, users = Tool(viewer), 0
    _open[key] = tool, users + 1
    return tool


def give_back_tool(tool: Any) -> None:
    """Close a tool that `tool_of` gave when nobody else has it."""
    for key, (known, users) in list(_open.items()):
        if known is tool:
            _open[key] = known, users - 1
            if users == 1:
                del _open[key]
                tool.close()


@atexit.register
def _close_all() -> None:
    """Before Qt goes: a script may end while its window is still open."""
    while _open:
        _, (tool, _) = _open.popitem()
        tool.close()
