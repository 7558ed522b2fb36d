"""Requests of a segmenter to the predictor."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.geometry import Box, Scale
    from napari_gpcis.engine.image import ImageSource


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """The latent of a window, from which the next round starts.

    Attributes
    ----------
    values : Tensor, shape (1, K, H, W)
        Logits at network scale.
    scale : Scale
        Scale of the window.
    window : Box
        Where the values lie, in cells.
    """

    values: Tensor
    scale: Scale
    window: Box


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One question: which pixels of a window belong to the object, or to each class.

    Attributes
    ----------
    source : ImageSource
        The image.
    z : int
        Slice index.
    object_id : int
        The object; in class mode, the class that `Result.mask` shows.
    clicks : tuple of Click
        In object mode those of the object in this slice, in class mode all.
    scale : Scale
        Scale at which the network sees the slice.
    level : int
        Level of the scale, relative to that of the object diameter.
    window : Box
        The part of the slice that is answered, in cells; empty when there are no clicks.
    halo : int
        Class mode: cells around the window that are decoded with it.
    previous : Latent or None
        Latent of the last round.
    alone : bool
        Whether the window is encoded by itself, and not cut out of the slice's tiles.
    class_mode : bool
        Whether the clicks name classes.
    threshold : float
        Probability above which a pixel is in the mask.
    anchors : tuple of Click
        Those of `clicks` that stand for the mask that the first round started from.
    limits : Box or None
        Image pixels outside of which nothing belongs to the object, as a box says.
    """

    source: ImageSource = field(repr=False)
    z: int
    object_id: int
    clicks: tuple[Click, ...]
    scale: Scale
    level: int
    window: Box
    halo: int = 0
    previous: Latent | None = field(default=None, repr=False)
    alone: bool = False
    class_mode: bool = False
    threshold: float = 0.5
    anchors: tuple[Click, ...] = ()
    limits: Box | None = None

    @property
    def decoded(self) -> Box:
        """The window with its halo, in cells."""
        return self.window.grow(self.halo).clip(self.scale.canvas(self.source.shape[1:]))

    def latent_cut(self, temperature: float) -> float:
        """Latent at which the probability of a model of this temperature is the threshold."""
        return temperature * math.log(self.threshold / (1 - self.threshold))

    @property
    def class_ids(self) -> tuple[int, ...]:
        """The object or class of each latent; in class mode negative clicks make a class 0."""
        if not self.class_mode:
            return (self.object_id,)
        return tuple(sorted({class_of(click) for click in self.clicks}))


def class_of(click: Click) -> int:
    """Class that a click of class mode stands for; 0, the background, if it is negative."""
    return click.object_id if click.positive else 0


def places_in(clicks: Sequence[Click], scale: Scale, window: Box) -> list[tuple[float, float]]:
    """Rows and columns of clicks in network pixels of a window of cells."""
    corner = window.times(scale.cell)
    return [
        (scale.to_network(click.row) - corner.r0, scale.to_network(click.col) - corner.c0)
        for click in clicks
    ]


def place_in(click: Click, scale: Scale, window: Box) -> tuple[float, float]:
    """Row and column of a click in network pixels of a window of cells."""
    return places_in((click,), scale, window)[0]


def clicks_in_window(
    request: Request, clicks: Sequence[Click] | None = None
) -> list[tuple[float, float, float]]:
    """Clicks of a request (or some of them) as the network takes them: row, column, ±1."""
    meant = request.clicks if clicks is None else clicks
    places = places_in(meant, request.scale, request.window)
    return [
        (row, col, 1.0 if click.positive else -1.0)
        for click, (row, col) in zip(meant, places, strict=True)
    ]
