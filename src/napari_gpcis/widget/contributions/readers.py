"""Readers that napari calls: clicks files and saved annotations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_gpcis.io.annotations.clicks import click_axes, read_placed_clicks
from napari_gpcis.io.annotations.gpcis_file import SUFFIX, read_annotation, to_metadata
from napari_gpcis.widget.layers.clicks import (
    BORDER,
    COLORS,
    NAME,
    SIZE,
    SIZE_LIMITS,
    STROKE_SIZE,
    SYMBOLS,
)
from napari_gpcis.widget.tool.image_document import LABEL_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.options import Mode
    from napari_gpcis.engine.types import Array
    from napari_gpcis.io.annotations.clicks import PlacedClick
    from napari_gpcis.io.annotations.gpcis_file import SavedAnnotation

__all__ = ["annotation_layers", "get_annotation_reader", "get_clicks_reader"]

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]
Paths: TypeAlias = "str | Sequence[str]"


def get_clicks_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Reader for clicks files; None unless all have the columns `object` and `positive`."""
    return _read_clicks if all(click_axes(one) for one in _each(path)) else None


def get_annotation_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Reader for saved annotations; None for names that end otherwise."""
    ours = all(Path(one).suffix.lower() == SUFFIX for one in _each(path))
    return _read_annotations if ours else None


def annotation_layers(saved: SavedAnnotation) -> list[LayerData]:
    """Layers of a saved annotation: the labels, and the clicks that are still worked on if any.

    The labels layer's ``metadata["gpcis"]`` is what `io.annotation.to_metadata` makes.
    """
    placement = {name: list(values) for name, values in saved.placement.items()}
    labels: dict[str, Any] = {
        "name": LABEL_NAMES[saved.mode],
        "metadata": {"gpcis": to_metadata(saved)},
        **placement,
    }
    if saved.classes:
        colors = {item.number: item.color for item in saved.classes}
        labels["colormap"] = {None: "#808080", 0: "transparent", **colors}
    layers: list[LayerData] = [(saved.labels, labels, "labels")]
    if saved.clicks:
        positions = saved.positions(saved.clicks)
        layers.append(_points(positions, saved.clicks, NAME, placement, saved.mode))
    return layers


def _read_clicks(path: Paths) -> list[LayerData]:
    layers = []
    for one in _each(path):
        clicks = read_placed_clicks(one)
        positions = np.array([click.place for click in clicks])
        layers.append(_points(positions, clicks, Path(one).stem, {}))
    return layers


def _read_annotations(path: Paths) -> list[LayerData]:
    return [layer for one in _each(path) for layer in annotation_layers(read_annotation(one))]


def _points(
    positions: Array,
    clicks: Sequence[Click | PlacedClick],
    name: str,
    placement: dict[str, Any],
    mode: Mode | None = None,
) -> LayerData:
    """Points that look like the tool's own, and that it takes over."""
    signs = [click.positive for click in clicks]
    look = {
        "features": {
            "object": np.array([click.object_id for click in clicks], np.int64),
            "positive": np.array(signs, bool),
            "prompt": np.array([click.prompt for click in clicks], object),
            "stroke": np.array([click.stroke for click in clicks], np.int64),
        },
        "face_color": [COLORS[sign] for sign in signs],
        "symbol": [SYMBOLS[click.positive or click.stroke > 0] for click in clicks],
        "border_color": [COLORS[click.positive] if click.stroke else "white" for click in clicks]
        or "white",
        "border_width": [0.0 if click.stroke else BORDER for click in clicks] or BORDER,
        "size": [STROKE_SIZE if click.stroke else SIZE for click in clicks] or SIZE,
        "metadata": {"gpcis": {"clicks": True, "mode": mode}},
        # With a larger minimum, vispy draws a border so broad that nothing of the colour is left.
        "canvas_size_limits": SIZE_LIMITS,
    }
    return positions, {"name": name, **look, **placement}, "points"


def _each(path: Paths) -> Sequence[str]:
    return [path] if isinstance(path, str) else path
