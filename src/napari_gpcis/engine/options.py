"""Options of a session, checked once at its start."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Mode: TypeAlias = Literal["object", "class"]
Overlap: TypeAlias = Literal["protect", "overwrite"]
Direction: TypeAlias = Literal["both", "up", "down"]


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a session.

    Attributes
    ----------
    mode : {"object", "class"}
        Whether clicks outline objects or name classes.
    object_diameter : float or None
        Diameter of the objects, in image pixels.
    overlap : {"protect", "overwrite"}
        Policy for pixels that have a label already.
    threshold : float
        Probability above which a pixel is in the mask.
    """

    mode: Mode = "object"
    object_diameter: float | None = None
    overlap: Overlap = "protect"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        """Check each option."""
        for name, value, known in (
            ("mode", self.mode, get_args(Mode)),
            ("overlap", self.overlap, get_args(Overlap)),
        ):
            if value not in known:
                raise ValueError(f"expected {name} to be one of {known}, got {value!r}")
        if not 0 < self.threshold < 1:
            raise ValueError(
                f"expected a threshold between 0 and 1, got {self.threshold}; 0.5 is the usual one"
            )
        check_diameter(self.object_diameter)


def check_diameter(diameter: float | None) -> None:
    """Raise ValueError unless a diameter is None or a length in pixels."""
    if diameter is not None and not (math.isfinite(diameter) and diameter > 0):
        raise ValueError(
            f"expected an object diameter above 0 px, got {diameter}; "
            "leave it out to have it estimated"
        )
