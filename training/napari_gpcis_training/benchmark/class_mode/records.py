"""An image of class mode's benchmark, and how one method did on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_gpcis_training.benchmark.class_mode.clicks import ClassClick

    Classes = NDArray[np.integer]
    ClassImage = tuple[str, NDArray[np.uint8], Classes]
    Way = Literal["shared", "corrected"]

Row: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class ClassRecord:
    """One image, clicked at with one method.

    Attributes
    ----------
    data, image, model : str
        Names of the data set, the image and the method.
    way : {"shared", "corrected"}
        Whether the clicks were the same for all methods, or put each one's own errors right.
    clicks : list of ClassClick
        In order.
    accuracies, dices : list of float
        After each click, 0–1.
    seconds : list of float
        Of each answer.
    start_seconds : float
        Of what is done before the first click.
    contradicted : int
        Clicked pixels that the last map contradicts.
    maps : dict of int to (Y, X) int array
        Class maps after the numbers of clicks that were asked for.
    """

    data: str
    image: str
    model: str
    way: Way
    clicks: list[ClassClick] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    dices: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    start_seconds: float = 0.0
    contradicted: int = 0
    maps: dict[int, Classes] = field(default_factory=dict)
