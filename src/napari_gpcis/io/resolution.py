"""How large a pixel is: read from one file, written to the next."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tifffile

__all__ = ["Resolution"]

_INCH = 2


@dataclass(frozen=True, slots=True)
class Resolution:
    """Pixel size of an image, in the words of its TIFF tags and of ImageJ.

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
    def of_tiff(cls, tiff: tifffile.TiffFile) -> Resolution:
        """Read the tags of the first page and, where there is one, the ImageJ or OME header."""
        tags = tiff.pages.first.tags
        if tiff.is_ome and tiff.ome_metadata:
            ome = _of_ome(tiff.ome_metadata)
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


def _of_ome(xml: str) -> Resolution | None:
    import tifffile

    image = tifffile.xml2dict(xml).get("OME", {}).get("Image", {})
    pixels = (image[0] if isinstance(image, list) else image).get("Pixels", {})
    x, y = _number(pixels.get("PhysicalSizeX")), _number(pixels.get("PhysicalSizeY"))
    if not x or not y:
        return None
    return Resolution(
        x=_as_rational(1 / x),
        y=_as_rational(1 / y),
        unit=str(pixels.get("PhysicalSizeXUnit", "um")).replace("µ", "u"),
        spacing=_number(pixels.get("PhysicalSizeZ")),
        interval=_number(pixels.get("TimeIncrement")),
    )


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
