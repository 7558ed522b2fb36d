"""What can be done now, in a few words: for the strip in the panel and napari's status line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_gpcis.widget.tool.class_list import ClassList
    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.options import ToolOptions


class Hint(NamedTuple):
    """One thing that can be done.

    Attributes
    ----------
    act : str
        A key, or what the mouse does; empty where something is in the way.
    text : str
        What it leads to.
    sign : {"+", "-", ""}
        Whether it labels pixels, and how.
    """

    act: str
    text: str
    sign: Literal["+", "-", ""] = ""


def hints(
    viewer: ViewerModel, options: ToolOptions, document: ImageDocument | None, classes: ClassList
) -> tuple[Hint, ...]:
    """What can be done in the mode and the state that the tool is in."""
    hindrance = _hindrance(viewer, options, document)
    if hindrance or document is None:
        return (Hint("", hindrance),)
    if options.mode == "class":
        return _in_classes(options, document, classes)
    return _in_objects(options, document)


def in_words(shown: tuple[Hint, ...]) -> str:
    """Hints as one line of plain text."""
    return " · ".join(f"{hint.act}: {hint.text}" if hint.act else hint.text for hint in shown)


def _hindrance(viewer: ViewerModel, options: ToolOptions, document: ImageDocument | None) -> str:
    """What has to be done before anything else; empty for nothing."""
    if not options.takes_clicks:
        return "Clicks are napari's. Switch on “Take clicks” to segment"
    if document is None:
        return "Open an image, or a sample: File → Open Sample → GPCIS"
    if viewer.dims.ndisplay != 2:
        return "Clicks are taken in the 2-D view: press the cube below the layers"
    active = viewer.layers.selection.active
    if str(getattr(active, "mode", "pan_zoom")) != "pan_zoom":
        return (
            "A tool of napari has the mouse. To click again, press the button with the four "
            "arrows above the list of layers"
        )
    return ""


def _in_objects(options: ToolOptions, document: ImageDocument) -> tuple[Hint, ...]:
    state, draws = document.annotation.state, options.draws
    drawn = {
        "scribble": Hint("Drag", "scribble on it", "+"),
        "box": Hint("Drag", "box around it", "+"),
        "lasso": Hint("Drag", "outline all of it or a part", "+"),
    }
    pan = () if draws == "click" else (Hint("Space-drag", "pan"),)
    if state.active not in state.objects():
        first = drawn.get(draws, Hint("Shift-drag", "box around it", "+"))
        older = bool(state.objects() or state.committed)
        again = (Hint("Double-click", "take one up again"),) if older else ()
        return (Hint("Click", "on an object", "+"), first, *again, *pan)
    adds = drawn.get(draws, Hint("Click", "add to it", "+"))
    less = "Ctrl-click" if draws in ("click", "box") else "Ctrl-drag"
    then = (
        Hint("Click elsewhere", "commit, next object")
        if options.auto_commit
        else Hint("Enter", "commit")
    )
    return (adds, Hint(less, "take away", "-"), then, Hint("Esc", "clear"), *pan)


def _in_classes(
    options: ToolOptions, document: ImageDocument, classes: ClassList
) -> tuple[Hint, ...]:
    number = document.annotation.state.active
    active = next((item.name for item in classes.all if item.number == number), "the class")
    draws = options.draws
    act = "Click" if draws == "click" else "Click or drag"
    pan = () if draws == "click" else (Hint("Space-drag", "pan"),)
    return (
        Hint(act, f"pixels like this are {active}", "+"),
        Hint("Ctrl-click", "background", "-"),
        Hint("Enter", "commit this slice"),
        *pan,
    )
