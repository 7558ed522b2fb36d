"""The points layer `GPCIS clicks`: the one place where clicks are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from app_model.types import KeyCode, KeyMod
from napari.layers import Points

from napari_gpcis.engine.click import Click, Prompt
from napari_gpcis.widget.layers.transforms import place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_gpcis.widget.layers.frame import Frame

NAME = "GPCIS clicks"
# Blue and vermillion are told apart by everyone (Okabe and Ito); the symbols differ as well.
COLORS = {True: "#56b4e9", False: "#d55e00"}
SYMBOLS = {True: "disc", False: "x"}
SIZE, STROKE_SIZE = 9, 0.8
SIZE_LIMITS = (6, 14)
"""Of a point: in image pixels, a click's and a stroke's, and the least and most on the screen."""
BORDER = 0.12


class ClicksLayer:
    """Clicks as points, both ways.

    Parameters
    ----------
    frame : Frame
        From clicks to the layer's coordinates.
    transform : mapping
        Of the image, for the layer.
    on_change : callable
        Called with the clicks when the user has changed the points.
    on_outside : callable
        Called with the number of points that were removed because they lie outside the image.
    """

    def __init__(
        self,
        frame: Frame,
        transform: dict[str, Any],
        on_change: Callable[[list[Click]], None] = lambda _: None,
        on_outside: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.frame = frame
        self._on_change = on_change
        self._on_outside = on_outside
        self._object_id = 1
        self._taken: list[Any] = []
        self._writing = False
        self._class_colors: dict[int, str] = {}
        self.layer = Points(
            np.zeros((0, frame.ndim)),
            name=NAME,
            features=_features([]),
            size=SIZE,
            border_color="white",
            border_width=BORDER,
            **transform,
        )
        limit_size(self.layer, SIZE_LIMITS)
        self._set_defaults()
        self.layer.events.data.connect(self._changed)
        self.layer.events.features.connect(self._features_changed)
        self.layer.bind_key(KeyMod.CtrlCmd | KeyCode.KeyV, self._paste, overwrite=True)

    def bind(
        self,
        frame: Frame,
        transform: dict[str, Any],
        on_change: Callable[[list[Click]], None],
        on_outside: Callable[[int], None],
    ) -> None:
        """Hold the clicks of another image of as many axes; there are none at first."""
        self._on_change, self._on_outside = on_change, on_outside
        self._class_colors = {}
        self.frame = frame
        self._write([], [])
        place(self.layer, transform)

    def set_colors(self, colors: Mapping[int, str]) -> None:
        """Give the positive clicks of each class its colour; without colours, all have one."""
        self._class_colors = dict(colors)
        self._writing = True
        try:
            self._style(self.read())
        finally:
            self._writing = False

    def close(self) -> None:
        """Listen no more."""
        self.layer.events.data.disconnect(self._changed)
        self.layer.events.features.disconnect(self._features_changed)

    def read(self) -> list[Click]:
        """Clicks in the order of the points; points outside the image are left out."""
        return [click for click in self._read() if click is not None]

    def show(self, clicks: Sequence[Click], object_id: int) -> None:
        """Make the points those of some clicks, unless they are already."""
        if object_id != self._object_id:
            self._object_id = object_id
            self._set_defaults()
        if self._shown_as(clicks):
            return
        self._write([self.frame.to_data(*click.place) for click in clicks], clicks)

    def _shown_as(self, clicks: Sequence[Click]) -> bool:
        """True if the points are those of the clicks already."""
        return len(self.layer.data) == len(clicks) and self._read() == list(clicks)

    def _read(self) -> list[Click | None]:
        features = self.layer.features
        columns = (
            features.get(name, pd.Series(default, features.index)).tolist()
            for name, default in self._defaults.items()
        )
        return [self._click(*row) for row in zip(self.layer.data, *columns, strict=True)]

    def _click(
        self, position: Any, owner: Any, sign: Any, prompt: Any, stroke: Any
    ) -> Click | None:
        place = self.frame.to_click(position)
        if place is None:
            return None
        # a point that was made without features, by a script or a paste, belongs to the object
        number = self._object_id if pd.isna(owner) or int(owner) < 1 else int(owner)
        positive = True if pd.isna(sign) else bool(sign)
        if pd.isna(stroke) or int(stroke) < 1 or prompt not in get_args(Prompt):
            return Click(*place, positive=positive, object_id=number)
        return Click(*place, positive, number, prompt, int(stroke))

    def _write(self, data: Sequence[Any], clicks: Sequence[Click], *, extent: bool = False) -> None:
        """Make the points these; `extent` where some may have been outside the image."""
        layer = self.layer
        self._writing = True
        try:
            # Each of these would draw the points and measure the viewer's extent anew: once will do
            with layer.events.blocker_all():
                layer.selected_data = set()
                layer.data = np.asarray(data, float).reshape(-1, self.frame.ndim)
                layer.features = _features(clicks)
                self._style(clicks)
            layer.refresh(thumbnail=False, extent=extent)
            layer.events.data(
                value=layer.data,
                action="changed",
                data_indices=tuple(range(len(data))),
                vertex_indices=((),),
            )
            layer.events.features()
            self._set_defaults()
            self._taken = self._meanings()
        finally:
            self._writing = False

    def _style(self, clicks: Sequence[Click]) -> None:
        """Colours and symbols by sign and class; a stroke's pixels are dots that make a line."""
        if clicks:
            layer = self.layer
            layer.symbol = [
                SYMBOLS[True] if click.stroke else SYMBOLS[click.positive] for click in clicks
            ]
            colors = [
                self._class_colors.get(click.object_id, COLORS[True])
                if click.positive
                else COLORS[False]
                for click in clicks
            ]
            layer.face_color = colors
            layer.border_color = [
                color if click.stroke else "white"
                for click, color in zip(clicks, colors, strict=True)
            ]
            layer.size = [STROKE_SIZE if click.stroke else SIZE for click in clicks]
            layer.border_width = [0.0 if click.stroke else BORDER for click in clicks]

    @property
    def _defaults(self) -> dict[str, Any]:
        """Features of points that the user adds with napari's own tool."""
        return {"object": self._object_id, "positive": True, "prompt": "click", "stroke": 0}

    def _set_defaults(self) -> None:
        """Set the look and the features of points that the user adds with napari's own tool."""
        layer, defaults = self.layer, self._defaults
        if layer.feature_defaults.to_dict("records") != [defaults]:
            layer.feature_defaults = defaults
        for name, value in _LOOK.items():
            if str(getattr(layer, name)).lower() != str(value):
                setattr(layer, name, value)

    def _changed(self, event: Any) -> None:
        if self._writing or str(getattr(event, "action", "changed")) not in _DONE:
            return
        self._take()

    def _features_changed(self, event: Any = None) -> None:
        # napari says so also while points are dragged: a drag is one change, when it ends
        if self._writing or len(self.layer.features) != len(self.layer.data):
            return
        if self._meanings() != self._taken:
            self._take()

    def _meanings(self) -> list[Any]:
        """Object and sign of each point, without its position."""
        known: list[Any] = self.layer.features.reindex(columns=_MEANINGS).to_numpy().tolist()
        return known

    def _paste(self, layer: Points) -> None:
        """Paste as napari does on Ctrl-V, and take note: napari emits no event."""
        layer._paste_data()
        self._take()

    def _take(self) -> None:
        self._taken = self._meanings()
        clicks = self._read()
        outside = sum(click is None for click in clicks)
        inside = [click for click in clicks if click is not None]
        if outside:
            kept = [at for at, click in zip(self.layer.data, clicks, strict=True) if click]
            self._write(kept, inside, extent=True)
            self._on_outside(outside)
        else:
            self._writing = True
            try:
                self._style(inside)
            finally:
                self._writing = False
        self._on_change(inside)


_DONE = {"added", "removed", "changed"}
_MEANINGS = ["object", "positive", "prompt", "stroke"]
_LOOK = {
    "current_symbol": SYMBOLS[True],
    "current_face_color": COLORS[True],
    "current_size": SIZE,
    "current_border_color": "white",
    "current_border_width": BORDER,
}


def _features(clicks: Sequence[Click]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "object": pd.Series([click.object_id for click in clicks], dtype="int64"),
            "positive": pd.Series([click.positive for click in clicks], dtype="bool"),
            "prompt": pd.Series([click.prompt for click in clicks], dtype="object"),
            "stroke": pd.Series([click.stroke for click in clicks], dtype="int64"),
        }
    )


def limit_size(layer: Points, limits: tuple[int, int]) -> None:
    """Keep points between two sizes on the screen, in pixels, whatever the zoom.

    Where no point is in view napari draws one of size 0, to which the lower limit must not apply.
    """

    def follow(_: Any = None) -> None:
        in_view = len(getattr(layer, "_view_data", layer.data))
        wanted = limits if in_view else (0, limits[1])
        if tuple(layer.canvas_size_limits) != wanted:
            layer.canvas_size_limits = wanted

    layer.events.set_data.connect(follow)
    follow()
