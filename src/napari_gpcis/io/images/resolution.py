"""Pixel size and time interval: read from one file, written to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import tifffile

__all__ = ["PixelSize", "Resolution", "unit_of_length"]

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

_INCH = 2
_TAG_UNITS = {_INCH: "inch", 3: "cm"}
# Of a microscope, pixels are finer than this; printers and screens are what go up to 1,200 dpi.
_PRINTED_MICROMETRES = 20.0


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


_SECONDS = {"millisecond": 1e-3, "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}


@dataclass(frozen=True, slots=True)
class Resolution:
    """Pixel size of an image, in terms of TIFF tags and ImageJ.

    Attributes
    ----------
    x, y : tuple of int or None
        Pixels per unit along columns and rows, as numerator and denominator.
    tag_unit : int
        TIFF's ResolutionUnit: 1 none, 2 inch, 3 centimetre.
    unit : str
        ImageJ's unit of length ("um", "micron", …), empty when the file names none.
    spacing : float or None
        Distance between slices, in `unit`.
    interval : float or None
        Seconds between the frames of a time series.
    """

    x: tuple[int, int] | None = None
    y: tuple[int, int] | None = None
    tag_unit: int = 1
    unit: str = ""
    spacing: float | None = None
    interval: float | None = None

    @classmethod
    def of_tiff(
        cls, tiff: tifffile.TiffFile, page: tifffile.TiffPage | None = None, series: int = 0
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
        """
        tags = (page or tiff.pages.first).tags
        if tiff.is_ome and tiff.ome_metadata:
            ome = _of_ome(tiff.ome_metadata, series)
            if ome is not None:
                return ome
        header: dict[str, Any] = tiff.imagej_metadata or {}
        return cls(
            x=_rational(tags.valueof("XResolution")),
            y=_rational(tags.valueof("YResolution")),
            tag_unit=int(tags.valueof("ResolutionUnit", 1 if header else _INCH)),
            unit=str(header.get("unit", "")),
            spacing=_number(header.get("spacing")),
            interval=_number(header.get("finterval")),
        )

    @classmethod
    def of_ome_zarr(
        cls, axes: Sequence[Mapping[str, Any]], scale: Sequence[float] | None
    ) -> Resolution:
        """Take over the axes and the scale of an OME-Zarr image.

        Parameters
        ----------
        axes : sequence of dict
            With the keys ``name`` and, if it has one, ``unit``.
        scale : sequence of float or None
            Size of an element along each axis.
        """
        sizes = dict(
            zip((str(axis.get("name", "")).lower() for axis in axes), scale or (), strict=False)
        )
        units = {str(axis.get("name", "")).lower(): str(axis.get("unit") or "") for axis in axes}
        if not (_positive(sizes.get("x")) and _positive(sizes.get("y")) and units.get("x")):
            return cls()
        unit = units["x"]
        rows = sizes["y"] * _conversion(units.get("y") or unit, unit)
        depth, interval = _number(sizes.get("z")), _number(sizes.get("t"))
        if depth is not None:
            depth *= _conversion(units.get("z") or unit, unit)
        seconds = _SECONDS.get(units.get("t", ""))
        return cls(
            x=_as_rational(1 / sizes["x"]),
            y=_as_rational(1 / rows),
            unit=_short(unit),
            spacing=depth,
            interval=interval * seconds if interval is not None and seconds else None,
        )

    @classmethod
    def of_dpi(cls, dpi: tuple[float, float]) -> Resolution:
        """Take over dots per inch, columns first, as PNG and JPEG state them."""
        x, y = (_as_rational(value) for value in dpi)
        return cls(x=x, y=y, tag_unit=_INCH)

    def tags(self) -> dict[str, Any]:
        """Keyword arguments of `tifffile.TiffWriter.write` that write the tags again."""
        if self.x is None or self.y is None:
            return {}
        return {"resolution": (self.x, self.y), "resolutionunit": self.tag_unit}

    def imagej_lines(self) -> list[str]:
        """Lines of an ImageJ header that hold what the tags cannot."""
        unit = self.unit.encode("ascii", "backslashreplace").decode()
        lines = [f"unit={unit}"] if unit else []
        if self.spacing is not None:
            lines.append(f"spacing={self.spacing}")
        if self.interval is not None:
            lines.append(f"finterval={self.interval}")
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

    def ome_zarr(self, slice_axes: str) -> tuple[list[dict[str, str]], list[float]]:
        """Axes of an OME-Zarr image and the size of a step along each, 1 where it is unknown.

        Parameters
        ----------
        slice_axes : str
            Axes before Y and X, outermost first.
        """
        size = self.pixel_size()
        known: dict[str, tuple[str | None, float]] = {}
        if size is not None:
            unit = _ome_unit(size.unit)
            known = {"Y": (unit, size.y), "X": (unit, size.x)}
            if size.spacing is not None:
                known["Z"] = (unit, size.spacing)
        if self.interval:
            known["T"] = ("second", self.interval)
        axes, scale = [], []
        for letter in f"{slice_axes}YX":
            kind = {"T": "time", **dict.fromkeys("ZYX", "space")}.get(letter)
            unit, step = known.get(letter, (None, 1.0))
            axis = {"name": letter.lower(), "type": kind, "unit": unit}
            axes.append({key: word for key, word in axis.items() if word})
            scale.append(step)
        return axes, scale


def _of_ome(xml: str, series: int) -> Resolution | None:
    import tifffile

    images = tifffile.xml2dict(xml).get("OME", {}).get("Image", {})
    if isinstance(images, list):
        images = images[min(series, len(images) - 1)]
    pixels = images.get("Pixels", {})
    x, y = _number(pixels.get("PhysicalSizeX")), _number(pixels.get("PhysicalSizeY"))
    if not _positive(x) or not _positive(y):
        return None
    unit, depth = str(pixels.get("PhysicalSizeXUnit", "um")), _number(pixels.get("PhysicalSizeZ"))
    rows = y * _conversion(str(pixels.get("PhysicalSizeYUnit", unit)), unit)
    if depth is not None:
        depth *= _conversion(str(pixels.get("PhysicalSizeZUnit", unit)), unit)
    return Resolution(
        x=_as_rational(1 / x),
        y=_as_rational(1 / rows),
        unit=_short(unit),
        spacing=depth,
        interval=_number(pixels.get("TimeIncrement")),
    )


def _conversion(unit: str, other: str) -> float:
    """Factor from one unit to another; 1 for unknown units."""
    known = [_LENGTHS_IN_MICROMETRES.get(unit_of_length(name)) for name in (unit, other)]
    return known[0] / known[1] if known[0] and known[1] else 1.0


def _short(unit: str) -> str:
    """A unit of length as ImageJ writes it, such as um for micrometer and µm."""
    return unit_of_length(unit).replace("µ", "u")


def _positive(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and 0 < value < math.inf


def _rational(value: object) -> tuple[int, int] | None:
    """Pass on a TIFF rational, unless it is the 0/0 or n/0 that some writers leave."""
    if isinstance(value, tuple) and len(value) == 2 and value[0] and value[1]:
        return int(value[0]), int(value[1])
    return None


def _as_rational(value: float) -> tuple[int, int]:
    fraction = Fraction(value).limit_denominator(1_000_000)
    return fraction.numerator, fraction.denominator


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
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
