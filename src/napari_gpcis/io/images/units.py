"""Units of length, as microscopes and programs spell them."""

from __future__ import annotations

__all__ = ["LENGTHS_IN_MICROMETRES", "ome_unit", "unit_of_length"]

LENGTHS_IN_MICROMETRES = {
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "µm": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "inch": 25_400.0,
    "m": 1e6,
}
"""Signs of the units that are known, and their lengths."""

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


def ome_unit(sign: str) -> str | None:
    """Name of a unit in OME-Zarr's list, from `unit_of_length`; None if it is not there."""
    return _NAMES.get(sign)
