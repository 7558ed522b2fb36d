"""What the session asks of the predictor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.geometry import Box, Scale
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.likeness import Likeness


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """The latent of a window, as the next round starts from it.

    Attributes
    ----------
    values : Tensor, shape (1, K, H, W)
        Logits at network scale.
    scale : Scale
    window : Box
        In cells.
    """

    values: Tensor
    scale: Scale
    window: Box


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One question: which pixels of a window belong to the object, or to each class.

    Attributes
    ----------
    generation : int
        Counts the requests of a session; an answer older than the newest request is stale.
    source : ImageSource
    z : int
        Slice index.
    object_id : int
        The object; in class mode, the class that `Result.mask` shows.
    clicks : tuple of Click
        In object mode those of the object in this slice, in class mode all.
    scale : Scale
    level : int
        Of the scale, relative to the object diameter's.
    window : Box
        What is decoded, in cells; empty when there are no clicks.
    core : Box
        The part of it that is answered.
    previous : Latent or None
        Of the last round.
    alone : bool
        Whether the window is encoded by itself, and not cut out of the slice's tiles.
    class_mode : bool
    threshold : float
        Probability above which a pixel is in the mask.
    anchors : tuple of Click
        Those of `clicks` that stand for the mask that the first round started from.
    likeness : Likeness or None
        Class mode: keeps what the clicks teach for further requests with the same ones.
    """

    generation: int
    source: ImageSource = field(repr=False)
    z: int
    object_id: int
    clicks: tuple[Click, ...]
    scale: Scale
    level: int
    window: Box
    core: Box
    previous: Latent | None = field(repr=False)
    alone: bool = False
    class_mode: bool = False
    threshold: float = 0.5
    anchors: tuple[Click, ...] = ()
    likeness: Likeness | None = field(default=None, repr=False)

    @property
    def class_ids(self) -> tuple[int, ...]:
        """What each latent stands for; in class mode negative clicks make a class 0."""
        if not self.class_mode:
            return (self.object_id,)
        return tuple(sorted({class_of(click) for click in self.clicks}))


def class_of(click: Click) -> int:
    """Class that a click of class mode stands for; 0, the background, if it is negative."""
    return click.object_id if click.positive else 0


def place_in(click: Click, scale: Scale, window: Box) -> tuple[float, float]:
    """Row and column of a click in network pixels of a window of cells."""
    corner = window.times(scale.cell)
    return scale.to_network(click.row) - corner.r0, scale.to_network(click.col) - corner.c0
