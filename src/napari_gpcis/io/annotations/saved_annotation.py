"""The content of a saved annotation, and the part of it in a labels layer's metadata."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_gpcis.engine.click import Click, Prompt
from napari_gpcis.engine.document.history import Committed
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.options import Mode
from napari_gpcis.io.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from napari_gpcis.engine.types import Array, ArrayLike

__all__ = [
    "AnnotationFileError",
    "Head",
    "NamedClass",
    "SavedAnnotation",
    "check",
    "first_complaint",
    "put_together",
    "to_metadata",
    "with_metadata",
]

_REMEDY = "give labels and clicks of the same image"
_Whole = Annotated[int, Field(ge=0, lt=1 << 62)]
_Number = Annotated[int, Field(ge=1, lt=1 << 32)]


class AnnotationFileError(UserError):
    """A saved annotation that is missing, damaged, or not one at all."""


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True)


class NamedClass(_Model):
    """A class of class mode: its number in the labels, its name and its colour (#rrggbb)."""

    number: _Number
    name: str = ""
    color: Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]


class _CommittedObject(_Model):
    label: _Number
    clicks: list[
        tuple[_Whole, _Whole, _Whole, bool] | tuple[_Whole, _Whole, _Whole, bool, Prompt, _Number]
    ] = []
    places: list[tuple[_Whole, _Whole, _Whole, _Whole, _Whole]] = []

    def committed(self) -> Committed:
        """The engine's form of it; its clicks have the label as their object."""
        clicks = tuple(
            Click(z, row, col, positive, self.label, *drawn)
            for z, row, col, positive, *drawn in self.clicks
        )
        return Committed(self.label, clicks, tuple((z, Box(*box)) for z, *box in self.places))


class _Work(_Model):
    """The part that `metadata["gpcis"]` holds, too."""

    mode: Mode = "object"
    object_diameter: Annotated[float, Field(gt=0)] | None = None
    classes: list[NamedClass] = []
    committed: list[_CommittedObject] = []
    image: str = ""
    image_identity: str = ""
    plane_axes: tuple[_Whole, _Whole] | None = None


class Head(_Work):
    """Content of `annotation.json`."""

    shape: Annotated[list[_Number], Field(min_length=2, max_length=16)]
    placement: dict[str, list[Any]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class SavedAnnotation:
    """The saved work on one image.

    Attributes
    ----------
    labels : int array
        Labels in the shape of their layer, two axes or more.
    clicks : tuple of Click
        Clicks of all objects that are not committed, oldest first.
    committed : tuple of Committed
        Objects in `labels`, with their clicks.
    mode : {"object", "class"}
        Meaning of clicks.
    classes : tuple of NamedClass
        Classes of class mode.
    object_diameter : float or None
        Diameter in pixels.
    image, image_identity : str
        Name of the image layer, and its identity (`io.journal.locations`).
    plane_axes : tuple of int or None
        Axes of `labels` along which rows and columns run; the last two when None. A click's slice
        counts the positions on all other axes, the last of them fastest.
    placement : dict
        napari's scale, translate, rotate, shear, affine, units and axis_labels, as lists.
    """

    labels: ArrayLike
    clicks: tuple[Click, ...] = ()
    committed: tuple[Committed, ...] = ()
    mode: Mode = "object"
    classes: tuple[NamedClass, ...] = ()
    object_diameter: float | None = None
    image: str = ""
    image_identity: str = ""
    plane_axes: tuple[int, int] | None = None
    placement: Mapping[str, list[Any]] = field(default_factory=dict)

    @property
    def other_axes(self) -> tuple[int, ...]:
        """Axes along which slices are counted."""
        return tuple(axis for axis in range(len(self.labels.shape)) if axis not in self._plane)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        sizes, (row, col) = self.labels.shape, self._plane
        return math.prod(sizes[axis] for axis in self.other_axes), sizes[row], sizes[col]

    @property
    def _plane(self) -> tuple[int, int]:
        ndim = len(self.labels.shape)
        return self.plane_axes or (ndim - 2, ndim - 1)

    def positions(self, clicks: Iterable[Click]) -> Array:
        """Positions of clicks in the labels' data, (n, ndim) int."""
        places = np.array([click.place for click in clicks], np.int64).reshape(-1, 3)
        found = np.zeros((len(places), len(self.labels.shape)), np.int64)
        found[:, list(self._plane)] = places[:, 1:]
        if others := self.other_axes:
            sizes = [self.labels.shape[axis] for axis in others]
            found[:, list(others)] = np.transpose(np.unravel_index(places[:, 0], sizes))
        return found

    def place(self, position: Sequence[float]) -> tuple[float, float, float]:
        """Slice, row and column of a position in the labels' data.

        Raises
        ------
        ValueError
            If it lies in no slice.
        """
        z = 0
        for axis in self.other_axes:
            size, at = self.labels.shape[axis], math.floor(position[axis] + 0.5)
            if not 0 <= at < size:
                raise ValueError(
                    f"expected a click on axis {axis} between 0 and {size - 1}, got {at}; remove it"
                )
            z = z * size + at
        row, col = self._plane
        return z, position[row], position[col]


def to_metadata(saved: SavedAnnotation) -> dict[str, Any]:
    """Content of a labels layer's ``metadata["gpcis"]``: plain lists, dicts and numbers.

    Returns
    -------
    dict
        ``committed``: for each object ``{"label": int, "clicks": [[z, row, col, positive], …],
        "places": [[z, r0, c0, r1, c1], …]}``, places being the boxes that were written. Pixels of
        a stroke are ``[z, row, col, positive, prompt, stroke]``. ``mode``,
        ``object_diameter``, ``classes`` (``{"number", "name", "color"}`` each), ``image``,
        ``image_identity`` and ``plane_axes`` as in `SavedAnnotation`.
    """
    return {
        "mode": saved.mode,
        "object_diameter": saved.object_diameter,
        "classes": [item.model_dump() for item in saved.classes],
        "committed": [
            {
                "label": int(done.label),
                "clicks": [_pixel(click) for click in done.clicks],
                "places": [[int(z), *map(int, box)] for z, box in done.places],
            }
            for done in saved.committed
        ],
        "image": saved.image,
        "image_identity": saved.image_identity,
        "plane_axes": list(saved.plane_axes) if saved.plane_axes else None,
    }


def with_metadata(
    labels: ArrayLike, metadata: object, placement: Mapping[str, list[Any]]
) -> SavedAnnotation:
    """Join labels and their layer's ``metadata["gpcis"]``; anything may be missing.

    Raises
    ------
    AnnotationFileError
        If something in there is not as `to_metadata` makes it.
    """
    try:
        work = _Work.model_validate_json(json.dumps(metadata or {}, default=_plain))
    except (TypeError, ValueError) as error:
        raise AnnotationFileError(
            f'the layer\'s metadata["gpcis"] is not as the tool writes it '
            f"({first_complaint(error)}); take it out, or put back what the tool wrote"
        ) from error
    saved = put_together(labels, work, (), placement)
    check(saved, "the labels layer")
    return saved


def put_together(
    labels: ArrayLike,
    work: _Work,
    clicks: tuple[Click, ...],
    placement: Mapping[str, list[Any]],
) -> SavedAnnotation:
    """Join labels, clicks and the metadata that were read."""
    return SavedAnnotation(
        labels,
        clicks,
        tuple(item.committed() for item in work.committed),
        work.mode,
        tuple(work.classes),
        work.object_diameter,
        work.image,
        work.image_identity,
        work.plane_axes,
        placement,
    )


def check(saved: SavedAnnotation, where: object) -> None:
    """Raise AnnotationFileError unless everything fits the labels; errors begin with `where`."""
    _check_placement(saved.placement, len(saved.labels.shape), where)
    axes = saved.plane_axes
    if axes and (axes[0] == axes[1] or max(axes) >= len(saved.labels.shape)):
        raise AnnotationFileError(f"{where}: plane_axes are {list(axes)}; {_REMEDY}")
    corners = [(0, 0, 0), *(click.place for click in _all_clicks(saved))]
    for done in saved.committed:
        corners += [(z, box.r0, box.c0) for z, box in done.places]
        corners += [(z, box.r1 - 1, box.c1 - 1) for z, box in done.places]
    places = np.array(corners)
    outside = ((places < 0) | (places >= np.array(saved.shape))).any(1)
    if outside.any():
        z, row, col = places[outside][0]
        raise AnnotationFileError(
            f"{where}: slice {z}, row {row}, column {col} is outside the labels {saved.shape}; "
            f"{_REMEDY}"
        )


def first_complaint(error: Exception) -> str:
    """First finding of a validation, in a line."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"


def _pixel(click: Click) -> list[Any]:
    """One click of a committed object."""
    drawn = [click.prompt, int(click.stroke)] if click.stroke else []
    return [*map(int, click.place), bool(click.positive), *drawn]


def _plain(value: Any) -> Any:
    """Python number in place of a numpy scalar."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be saved")


def _all_clicks(saved: SavedAnnotation) -> Iterator[Click]:
    yield from saved.clicks
    for done in saved.committed:
        yield from done.clicks


_LENGTHS: dict[str, Any] = {
    "scale": lambda n: (n,),
    "translate": lambda n: (n,),
    "rotate": lambda n: (n, n),
    "shear": lambda n: (n * (n - 1) // 2,),
    "affine": lambda n: (n + 1, n + 1),
}


def _check_placement(placement: Mapping[str, list[Any]], ndim: int, where: object) -> None:
    for name, values in placement.items():
        if name in ("units", "axis_labels"):
            good = len(values) == ndim and all(isinstance(value, str) for value in values)
        else:
            try:
                array = np.array(values, float)
            except (TypeError, ValueError):
                array = np.array(math.nan)
            good = name in _LENGTHS and array.shape == _LENGTHS[name](ndim)
            good = good and bool(np.isfinite(array).all())
        if not good:
            raise AnnotationFileError(
                f"{where}: {name} is {str(values)[:80]}, which does not fit {ndim} axes; {_REMEDY}"
            )
