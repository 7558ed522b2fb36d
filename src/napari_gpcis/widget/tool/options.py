"""The user's choices: the mode, how masks are made, and what is shown of them; no Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from napari_gpcis.engine.click import Prompt
from napari_gpcis.engine.options import Mode, Options, Overlap
from napari_gpcis.widget.layers import overlays

if TYPE_CHECKING:
    from napari_gpcis.widget.tool.settings import Settings

_CHECKED_BY_ENGINE = frozenset({"mode", "object_diameter", "overlap", "threshold"})


@dataclass
class ToolOptions:
    """Options of the tool; setting one to a bad value raises ValueError and changes nothing.

    Attributes
    ----------
    mode : {"object", "class"}
        Whether clicks outline objects or name classes.
    channels : tuple of int
        Indices of the channels that the model sees; empty for all.
    object_diameter : float or None
        Diameter of an object in px; None: found at the first click.
    threshold : float
        Probability from which a pixel belongs to the object.
    overlap : {"protect", "overwrite"}
        What a commit does with the pixels of other objects.
    overlays : dict of str to bool
        The maps that can be shown over the image, and whether they are.
    model : str
        Name or path of the model in use.
    device : str
        The device asked for.
    takes_clicks : bool
        Whether clicks in the canvas are the tool's; otherwise they are napari's.
    draws : {"click", "scribble", "box", "lasso"}
        What a drag in the canvas draws; "click" for nothing: it pans.
    auto_commit : bool
        Whether a click well outside the object commits it and begins the next.
    """

    mode: Mode = "object"
    channels: tuple[int, ...] = ()
    object_diameter: float | None = None
    threshold: float = 0.5
    overlap: Overlap = "protect"
    overlays: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(overlays.NAMES, False))
    model: str = "default"
    device: str = "auto"
    takes_clicks: bool = True
    draws: Prompt = "click"
    auto_commit: bool = False

    @classmethod
    def from_settings(cls, settings: Settings) -> ToolOptions:
        """Options as the user's preferences have them."""
        options = cls(
            overlap=settings.overlap, device=settings.device, auto_commit=settings.auto_commit
        )
        options.show_overlay(overlays.NEXT, settings.next_click)
        return options

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an option, if its value is a good one."""
        if name in _CHECKED_BY_ENGINE:
            Options(**{name: value})
        if name == "draws" and value not in get_args(Prompt):
            raise ValueError(f"expected one of {', '.join(get_args(Prompt))}, got {value!r}")
        super().__setattr__(name, value)

    def show_overlay(self, name: str, on: bool) -> None:
        """Show or hide a map over the image."""
        if name not in self.overlays:
            raise ValueError(f"expected one of {', '.join(self.overlays)}, got {name!r}")
        self.overlays = {**self.overlays, name: on}

    @property
    def shown_overlays(self) -> tuple[str, ...]:
        """Names of the maps and marks that are shown."""
        return tuple(name for name, on in self.overlays.items() if on)
