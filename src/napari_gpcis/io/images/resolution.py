"""Pixel size, origin and time interval: read from one file, written to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import tifffile

__all__ = ["PixelSize", "Resolution", "seconds_of", "unit_of_length"]

# Signs of the units that are known.
_LENGTHS_IN_MICROMETRES = {
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "µm": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "inch": 25_400.0,
    "m": 1e6,
}
_NAMES = {
    "pm": "picometer",
    "Å": "angstrom",
    "nm": "nanometer",
    "µm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "inch": "inch",
    "m": "meter",
}
# Both micro signs, the Greek letter too, ImageJ's way to write them in ASCII, and half of a wrong
# encoding that is met often.
_SPELLINGS = {
    "um": "µm",
    "μm": "µm",
    "âµm": "µm",
    "\\u00b5m": "µm",
    "\\xb5m": "µm",
    "\\u03bcm": "µm",
    "µ": "µm",
    "u": "µm",
    "micron": "µm",
    "angstrom": "Å",
    "å": "Å",
    "a": "Å",
    "in": "inch",
    "inches": "inch",
    '"': "inch",
}
_SPELLINGS |= {name: sign for sign, name in _NAMES.items()}
_SPELLINGS |= {sign.lower(): sign for sign in _NAMES}
_NO_LENGTHS = {"", "pixel", "px", "none", "unknown", "null", "reference_frame", "reference frame"}
_SECONDS = {
    "as": 1e-18,
    "fs": 1e-15,
    "ps": 1e-12,
    "ns": 1e-9,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
    "week": 604_800.0,
}
_TIME_SPELLINGS = {
    "attosecond": "as",
    "femtosecond": "fs",
    "picosecond": "ps",
    "nanosecond": "ns",
    "nsec": "ns",
    "microsecond": "µs",
    "us": "µs",
    "usec": "µs",
    "μs": "µs",
    "\\u00b5s": "µs",
    "millisecond": "ms",
    "msec": "ms",
    "millisec": "ms",
    "second": "s",
    "sec": "s",
    "minute": "min",
    "mn": "min",
    "hour": "h",
    "hr": "h",
    "day": "d",
}
# Symbols of OME-XML that mean something else in small letters.
_LARGE_TIMES = {"Ms": 1e6, "Gs": 1e9, "Ts": 1e12, "Ps": 1e15}

_INCH = 2
_TAG_UNITS = {_INCH: "inch", 3: "cm"}
# Of a microscope, pixels are finer than this; printers and screens are what go up to 1,200 dpi.
_PRINTED_MICROMETRES = 20.0
# Numerators and denominators in TIFF.
_LARGEST = (1 << 32) - 1
_DENOMINATOR = 1_000_000
_PRECISION = 1e-6


class PixelSize(NamedTuple):
    """Size of a pixel.

    Attributes
    ----------
    spacing : float or None
        Distance between slices, in `unit`.
    y, x : float
        Along rows and columns, in `unit`.
    unit : str
        Sign such as µm, or the file's own word for it.
    """

    spacing: float | None
    y: float
    x: float
    unit: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """Pixel size, origin and time interval of an image, in terms of TIFF tags and ImageJ.

    Attributes
    ----------
    x, y : tuple of int or None
        Pixels per unit along columns and rows, as numerator and denominator of at most 32 bits.
    tag_unit : int
        TIFF's ResolutionUnit: 1 none, 2 inch, 3 centimetre.
    unit : str
        ImageJ's unit of length ("um", "micron", …), empty when the file names none.
    spacing : float or None
        Distance between slices, in `unit`.
    interval : float or None
        Time between the frames of a time series, in seconds where `has_time_unit`.
    has_time_unit : bool
        False where the file names no unit of time.
    origin : tuple of (str, float)
        Position of the first pixel along axes, by letter, in `unit` or as `interval`; 0 along
        all other axes.
    """

    x: tuple[int, int] | None = None
    y: tuple[int, int] | None = None
    tag_unit: int = 1
    unit: str = ""
    spacing: float | None = None
    interval: float | None = None
    has_time_unit: bool = True
    origin: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of_tiff(
        cls,
        tiff: tifffile.TiffFile,
        page: tifffile.TiffPage | None = None,
        series: int = 0,
        name: str = "",
    ) -> Resolution:
        """Read the tags of a page, the first by default, and the ImageJ or OME header if any.

        Parameters
        ----------
        tiff : TiffFile
            Open.
        page : TiffPage, optional
            First page of the series.
        series : int
            Index of the image in an OME header.
        name : str
            Name of the image there; counts more than the index if one image has it.
        """
        tags = (page or tiff.pages.first).tags
        if tiff.is_ome and tiff.ome_metadata:
            ome = _of_ome(tiff.ome_metadata, series, name)
            if ome is not None:
                return ome
        header: dict[str, Any] = tiff.imagej_metadata or {}
        unit = str(header.get("unit", ""))
        x, y = (_rational(tags.valueof(f"{axis}Resolution")) for axis in "XY")
        # Rows and slices have a unit of their own where it is not that of the columns.
        if y is not None and header.get("yunit"):
            y = _as_rational(y[0] / y[1] / _conversion(str(header["yunit"]), unit))
        spacing = _number(header.get("spacing"))
        if spacing is not None and header.get("zunit"):
            spacing *= _conversion(str(header["zunit"]), unit)
        interval, has_time_unit = _number(header.get("finterval")), True
        if interval is not None:
            interval, has_time_unit = _in_seconds(interval, str(header.get("tunit") or "sec"))
        return cls(
            x=x,
            y=y,
            tag_unit=int(tags.valueof("ResolutionUnit", 1 if header else _INCH)),
            unit=unit,
            spacing=spacing,
            interval=interval,
            has_time_unit=has_time_unit,
            origin=_imagej_origin(header, x, y, spacing),
        )

    @classmethod
    def of_ome_zarr(
        cls,
        axes: Sequence[Mapping[str, Any]],
        scale: Sequence[float] | None,
        translation: Sequence[float] | None = None,
    ) -> Resolution:
        """Take over the axes, scale and translation of an OME-Zarr image.

        Parameters
        ----------
        axes : sequence of dict
            Axes with the keys ``name`` and, where it is known, ``unit``.
        scale : sequence of float or None
            Size of an element along each axis.
        translation : sequence of float or None
            Position of the first element along each axis.
        """
        names = [str(axis.get("name", ""))[:1].upper() for axis in axes]
        units = {name: str(axis.get("unit") or "") for name, axis in zip(names, axes, strict=True)}
        unit = next((units[name] for name in "XYZ" if units.get(name)), "")
        seconds, has_time_unit = _in_seconds(1.0, units.get("T", ""))
        factors = {name: _conversion(units.get(name) or unit, unit) for name in "ZYX"}
        factors["T"] = seconds
        sizes, places = (
            {
                name: float(value) * factors[name]
                for name, value in zip(names, values or (), strict=False)
                if name in factors
            }
            for values in (scale, translation)
        )
        return _of_lengths(unit, sizes, places, has_time_unit=has_time_unit)

    @classmethod
    def of_dpi(cls, dpi: tuple[float, float]) -> Resolution:
        """Take over dots per inch, columns first, as PNG and JPEG state them."""
        x, y = (_as_rational(float(value)) for value in dpi)
        return cls(x=x, y=y, tag_unit=_INCH) if x and y else cls()

    def tags(self) -> dict[str, Any]:
        """Keyword arguments of `tifffile.TiffWriter.write` that write the tags again."""
        if self.x is None or self.y is None:
            return {}
        return {"resolution": (self.x, self.y), "resolutionunit": self.tag_unit}

    def imagej_lines(self) -> list[str]:
        """Lines of an ImageJ header that hold what the tags cannot."""
        unit = "".join(sign if sign.isascii() else f"\\u{ord(sign):04X}" for sign in self.unit)
        lines = [f"unit={unit}"] if unit else []
        if self.spacing is not None:
            lines.append(f"spacing={self.spacing}")
        # ImageJ takes an interval without a unit for seconds.
        if self.interval is not None and self.has_time_unit:
            lines.append(f"finterval={self.interval}")
        steps = {"X": _step(self.x), "Y": _step(self.y), "Z": self.spacing}
        for name, place in self.origin:
            # In pixels, from the first one to where the position is 0.
            if place and steps.get(name):
                lines.append(f"{name.lower()}origin={-place / steps[name]}")  # type: ignore[operator]
        return lines

    def pixel_size(self) -> PixelSize | None:
        """Size of a pixel, if the image states one.

        A number of pixels per inch or centimetre that printers and screens have is none.
        """
        if self.x is None or self.y is None:
            return None
        x, y = self.x[1] / self.x[0], self.y[1] / self.y[0]
        spacing = abs(self.spacing) if self.spacing else None
        unit = unit_of_length(self.unit)
        if unit or self.unit or self.tag_unit not in _TAG_UNITS:
            return PixelSize(spacing, y, x, unit) if unit else None
        # The header has no unit, so the tags' own counts, for the spacing too.
        factor = _LENGTHS_IN_MICROMETRES[_TAG_UNITS[self.tag_unit]]
        if max(x, y) * factor >= _PRINTED_MICROMETRES:
            return None
        return PixelSize(spacing and spacing * factor, y * factor, x * factor, "µm")

    def ome_zarr(self, slice_axes: str) -> tuple[list[dict[str, str]], list[float], list[float]]:
        """Axes of an OME-Zarr image, the size of a step along each, and where each begins.

        Sizes are 1 where they are unknown.

        Parameters
        ----------
        slice_axes : str
            Axes before Y and X, outermost first.

        Returns
        -------
        axes : list of dict
        scale, translation : list of float
        """
        size = self.pixel_size()
        known: dict[str, tuple[str | None, float]] = {}
        if size is not None:
            unit = _ome_unit(size.unit)
            known = {"Y": (unit, size.y), "X": (unit, size.x)}
            if size.spacing is not None:
                known["Z"] = (unit, size.spacing)
        elif self.tag_unit not in _TAG_UNITS:
            steps = {
                "Z": self.spacing and abs(self.spacing),
                "Y": _step(self.y),
                "X": _step(self.x),
            }
            known = {name: (None, step) for name, step in steps.items() if step}
        if self.interval:
            known["T"] = ("second" if self.has_time_unit else None, self.interval)
        places = dict(self.origin)
        axes, scale, translation = [], [], []
        for letter in f"{slice_axes}YX":
            kind = {"T": "time", **dict.fromkeys("ZYX", "space")}.get(letter)
            unit, step = known.get(letter, (None, 1.0))
            axis = {"name": letter.lower(), "type": kind, "unit": unit}
            axes.append({key: word for key, word in axis.items() if word})
            scale.append(step)
            translation.append(places.get(letter, 0.0))
        return axes, scale, translation


def _of_ome(xml: str, series: int, name: str) -> Resolution | None:
    import tifffile

    images = tifffile.xml2dict(xml).get("OME", {}).get("Image", {})
    if isinstance(images, list):
        named = [image for image in images if image.get("Name") == name]
        images = named[0] if len(named) == 1 else images[min(series, len(images) - 1)]
    pixels = images.get("Pixels", {})
    unit = str(pixels.get("PhysicalSizeXUnit", "um"))
    sizes = {}
    for name in "XYZ":
        size = _number(pixels.get(f"PhysicalSize{name}"))
        if size is not None:
            own = str(pixels.get(f"PhysicalSize{name}Unit", unit))
            sizes[name] = size * _conversion(own, unit)
    if sizes.get("X", 0) <= 0 or sizes.get("Y", 0) <= 0:
        return None
    interval, has_time_unit = _number(pixels.get("TimeIncrement")), True
    if interval is not None:
        sizes["T"], has_time_unit = _in_seconds(interval, str(pixels.get("TimeIncrementUnit", "s")))
    return _of_lengths(unit, sizes, {}, has_time_unit=has_time_unit)


def _of_lengths(
    unit: str, sizes: Mapping[str, float], places: Mapping[str, float], *, has_time_unit: bool
) -> Resolution:
    """Resolution in the given unit, or in the first other one in which TIFF can hold it.

    Parameters
    ----------
    unit : str
        Unit of lengths; empty if it is not known.
    sizes, places : dict
        Size of a pixel, and position of the first one, by axis.
    has_time_unit : bool
        True if the values along T are seconds.
    """
    x, y, sign, factor = _in_fitting_unit(unit, sizes.get("X", 0.0), sizes.get("Y", 0.0))
    return Resolution(
        x=x,
        y=y,
        unit=sign,
        spacing=sizes["Z"] * factor if "Z" in sizes else None,
        interval=sizes.get("T"),
        has_time_unit=has_time_unit or "T" not in {*sizes, *places},
        origin=tuple(
            (name, place * (1.0 if name == "T" else factor))
            for name, place in places.items()
            if place
        ),
    )


def _in_fitting_unit(
    unit: str, width: float, height: float
) -> tuple[tuple[int, int] | None, tuple[int, int] | None, str, float]:
    """Pixels per unit along columns and rows, the unit, and the factor of conversion into it."""
    if _is_length(width) and _is_length(height):
        for sign, factor in _units_beside(unit):
            x, y = _as_rational(1 / (width * factor)), _as_rational(1 / (height * factor))
            if x and y:
                return x, y, sign, factor
    return None, None, _short(unit), 1.0


def _units_beside(unit: str) -> Iterator[tuple[str, float]]:
    """A unit, and those into which it can be converted, with the factors, the nearest first."""
    yield _short(unit), 1.0
    own = _LENGTHS_IN_MICROMETRES.get(unit_of_length(unit))
    if own is not None:
        metric = {sign: size for sign, size in _LENGTHS_IN_MICROMETRES.items() if sign != "inch"}
        factors = {sign: own / size for sign, size in metric.items()}
        for sign in sorted(factors, key=lambda sign: abs(math.log(factors[sign]))):
            yield _short(sign), factors[sign]


def _imagej_origin(
    header: Mapping[str, Any],
    x: tuple[int, int] | None,
    y: tuple[int, int] | None,
    spacing: float | None,
) -> tuple[tuple[str, float], ...]:
    """Position of the first pixel; ImageJ counts pixels from there to where it is 0."""
    steps = {"Z": spacing, "Y": _step(y), "X": _step(x)}
    places = {name: _number(header.get(f"{name.lower()}origin")) for name in steps}
    return tuple(
        (name, -place * step) for name, step in steps.items() if (place := places[name]) and step
    )


def _step(per_unit: tuple[int, int] | None) -> float | None:
    return None if per_unit is None else per_unit[1] / per_unit[0]


def _in_seconds(interval: float, unit: str) -> tuple[float, bool]:
    """Interval in seconds, and whether it is; as it was given if the unit is not known."""
    seconds = seconds_of(unit)
    return (interval, False) if seconds is None else (interval * seconds, True)


def _conversion(unit: str, other: str) -> float:
    """Factor from one unit to another; 1 for unknown units."""
    known = [_LENGTHS_IN_MICROMETRES.get(unit_of_length(name)) for name in (unit, other)]
    return known[0] / known[1] if known[0] and known[1] else 1.0


def _short(unit: str) -> str:
    """A unit of length as ImageJ writes it, such as um for micrometer and µm."""
    return unit_of_length(unit).replace("µ", "u")


def _is_length(value: float) -> bool:
    """True for sizes that are positive, and finite the other way round, too."""
    return 0 < value < math.inf and 1 / value < math.inf


def _rational(value: object) -> tuple[int, int] | None:
    """Pass on a TIFF rational, unless it is the 0/0 or n/0 that some writers leave."""
    if isinstance(value, tuple) and len(value) == 2 and value[0] and value[1]:
        return int(value[0]), int(value[1])
    return None


def _as_rational(value: float) -> tuple[int, int] | None:
    """Fraction of two numbers of 32 bits, as TIFF stores them; None if there is none nearby."""
    if not _is_length(value):
        return None
    found = [Fraction(value).limit_denominator(_DENOMINATOR)]
    if value <= _LARGEST:
        found.append(Fraction(value).limit_denominator(max(1, int(_LARGEST / max(value, 1.0)) - 1)))
    if 1 / value <= _LARGEST:
        inverse = Fraction(1 / value).limit_denominator(max(1, int(_LARGEST * min(value, 1.0)) - 1))
        found += [1 / inverse] if inverse else []
    for fraction in found:
        if 0 < fraction.numerator <= _LARGEST and fraction.denominator <= _LARGEST:
            if abs(float(fraction) / value - 1) < _PRECISION:
                return fraction.numerator, fraction.denominator
    return None


def _number(value: object) -> float | None:
    """A finite number; None for anything else."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def seconds_of(text: str) -> float | None:
    """Seconds of a unit of time, whatever its spelling; None for an unknown unit and for none.

    Parameters
    ----------
    text : str
        Such as ``min``, ``minute``, ``minutes`` or ``msec``.
    """
    word = text.strip()
    if word in _LARGE_TIMES:
        return _LARGE_TIMES[word]
    for spelling in (word.lower(), word.lower().removesuffix("s")):
        sign = _TIME_SPELLINGS.get(spelling, spelling)
        if sign in _SECONDS:
            return _SECONDS[sign]
    return None


def unit_of_length(text: str) -> str:
    """Sign of a unit, whatever its spelling; an unknown unit as it is, empty for pixels and none.

    Parameters
    ----------
    text : str
        Such as ``um``, ``microns``, ``micrometre`` or ``µm``, all of which are µm.
    """
    word = text.strip().lower()
    for spelling in (
        word,
        word.removesuffix("s"),
        word.removesuffix("s").replace("metre", "meter"),
    ):
        if spelling in _NO_LENGTHS:
            return ""
        if spelling in _SPELLINGS:
            return _SPELLINGS[spelling]
    return text.strip()


def _ome_unit(sign: str) -> str | None:
    """Name of a unit in OME-Zarr's list, from `unit_of_length`; None if it is not there."""
    return _NAMES.get(sign)
