"""Keys: one table for the bindings and for the help sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["SHORTCUTS", "Shortcut", "bind", "unbind"]


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One line of the help sheet.

    Attributes
    ----------
    keys : str
        As people read it.
    text : str
        What it does.
    group : str
        Heading that it stands under.
    action : str
        Method of the tool; empty for what the mouse does.
    binding : str
        As napari reads it.
    """

    keys: str
    text: str
    group: str
    action: str = ""
    binding: str = ""


SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut("Left click", "This pixel belongs to the object (class)", "Click"),
    Shortcut("Ctrl-click, middle click", "This pixel does not (Cmd-click on a Mac)", "Click"),
    Shortcut("Double-click", "Take up an object again: a draft, or one that is committed", "Click"),
    Shortcut(
        "T", "Swap the sign of the selected clicks, or of the last one", "Click", "swap_sign", "T"
    ),
    Shortcut("J", "Go to where a click would help most", "Click", "jump_to_next", "J"),
    Shortcut(
        "Delete", "Remove the selected clicks (select them with S in the clicks layer)", "Click"
    ),
    Shortcut(
        "Shift-S",
        "Scribble: drag over pixels of the object; with Ctrl, over what is not",
        "Draw",
        "draw_scribbles",
        "Shift-S",
    ),
    Shortcut(
        "Shift-B",
        "Box: drag around the object, close to its sides",
        "Draw",
        "draw_boxes",
        "Shift-B",
    ),
    Shortcut(
        "Shift-L",
        "Lasso: drag around pixels that all belong to it",
        "Draw",
        "draw_lassos",
        "Shift-L",
    ),
    Shortcut("Shift-C", "Clicks only: a drag pans again", "Draw", "draw_nothing", "Shift-C"),
    Shortcut("Shift-drag", "A box, whatever is chosen", "Draw"),
    Shortcut("Space-drag", "Pan, whatever is chosen", "Draw"),
    Shortcut("Esc", "During a drag: forget it", "Draw"),
    Shortcut(
        "Enter",
        "Commit the object under its label; classes: commit this slice",
        "Object",
        "commit",
        "Enter",
    ),
    Shortcut(
        "Shift-Enter",
        "Commit all drafts, and this object",
        "Object",
        "commit_all",
        "Shift-Enter",
    ),
    Shortcut("N", "Leave this object as a draft and begin another", "Object", "new_object", "N"),
    Shortcut(
        "Esc",
        "Clear the object; one that was taken up goes back as it was",
        "Object",
        "clear",
        "Escape",
    ),
    Shortcut(
        "Ctrl-Z",
        "Undo: clicks, moves, commits, propagation, in any slice",
        "Object",
        "undo",
        "Control-Z",
    ),
    Shortcut("Ctrl-Shift-Z", "Redo", "Object", "redo", "Control-Shift-Z"),
    Shortcut(
        "G",
        "Propose the rest: objects like the committed ones; Enter accepts, Esc dismisses them",
        "Proposals",
        "propose",
        "G",
    ),
    Shortcut("Click, Ctrl-click", "On a proposal: accept it, reject it", "Proposals"),
    Shortcut("U", "Propagate to later slices", "Stack", "propagate_up", "U"),
    Shortcut("D", "Propagate to earlier slices", "Stack", "propagate_down", "D"),
    Shortcut(
        "R", "Propagate both ways; classes: apply to all slices", "Stack", "propagate_both", "R"
    ),
    Shortcut("Ctrl-Period", "Stop propagating or proposing", "Stack", "cancel", "Control-."),
    Shortcut("H", "Hide the masks, or show them again", "View", "toggle_masks", "H"),
    Shortcut("Ctrl-1 … Ctrl-9", "Class 1 to 9", "Classes"),
    Shortcut("F1", "This sheet", "View", "show_help", "F1"),
)


PAN = "Space"


def bind(target: Any, tool: Any) -> None:
    """Bind all keys on a viewer or a layer; a layer's own go before the viewer's."""
    for shortcut in SHORTCUTS:
        if shortcut.action:
            target.bind_key(shortcut.binding, _caller(tool, shortcut.action), overwrite=True)
    for number in range(1, 10):
        target.bind_key(f"Control-{number}", _class_chooser(tool, number), overwrite=True)
    target.bind_key(PAN, _pan_holder(tool), overwrite=True)


def unbind(target: Any) -> None:
    """Give back all keys."""
    bindings = [shortcut.binding for shortcut in SHORTCUTS if shortcut.action]
    for binding in (*bindings, *(f"Control-{number}" for number in range(1, 10)), PAN):
        target.bind_key(binding, None, overwrite=True)


def _caller(tool: Any, action: str) -> Callable[[Any], None]:
    def call(_: Any) -> None:
        tool.reporter.attempt(getattr(tool, action))

    return call


def _class_chooser(tool: Any, number: int) -> Callable[[Any], None]:
    def choose(_: Any) -> None:
        if tool.mode == "class" and number in [item.number for item in tool.classes.all]:
            tool.reporter.attempt(lambda: tool.classes.choose(number))

    return choose


def _pan_holder(tool: Any) -> Callable[[Any], Iterator[None]]:
    """As napari's own key does, which knows nothing of what our drags draw."""

    def hold(_: Any) -> Iterator[None]:
        active = tool.viewer.layers.selection.active
        mode = None if active is None else active.mode
        tool.events.pans = True
        if active is not None:
            active.mode = "pan_zoom"
        yield
        tool.events.pans = False
        if active is not None:
            active.mode = mode

    return hold
