"""napari's theme, where a style sheet alone does not say what we need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from napari.utils.theme import decrease, get_theme, increase

if TYPE_CHECKING:
    from napari_gpcis.widget.tool.types import Level

__all__ = ["Palette", "contrast", "palette_of", "readable", "style_sheet"]

Rgb: TypeAlias = tuple[int, int, int]

# What the Web Content Accessibility Guidelines ask for text (2.1, criterion 1.4.3).
_ENOUGH = 4.5


@dataclass(frozen=True)
class Palette:
    """The theme's colours as style sheets write them, and its sizes of text."""

    surface: str
    button: str
    text: str
    link: str
    levels: dict[Level, str]
    large: str
    normal: str
    small: str


def palette_of(theme_id: str) -> Palette:
    """Colours and text sizes of a napari theme; every level can be read on its surface.

    Parameters
    ----------
    theme_id : str
        As in `viewer.theme`.
    """
    theme = get_theme(theme_id)
    surface, text = _rgb(theme.foreground), _rgb(theme.text)

    def name(color: Any) -> str:
        return _name(readable(_rgb(color), surface, text))

    levels: dict[Level, str] = {
        "info": _name(text),
        "busy": name(theme.current),
        "warning": name(theme.warning),
        "error": name(theme.error),
    }
    large, small = increase(theme.font_size, "2"), decrease(theme.font_size, "2")
    button = _name(_rgb(theme.primary))
    return Palette(
        _name(surface),
        button,
        _name(text),
        name(theme.current),
        levels,
        large,
        theme.font_size,
        small,
    )


def style_sheet(palette: Palette) -> str:
    """Folds as quiet headings, and a frame around what has the keyboard: napari draws none.

    The frame takes the place of some padding, so that nothing moves when it comes.
    """
    frame = f"border: 1px solid {palette.link};"
    return f"""
        QPushButton#gpcisFold {{ text-align: left; font-weight: bold; background: transparent; }}
        QPushButton#gpcisFold:hover {{ background: {palette.button}; }}
        QPushButton:focus {{ {frame} padding: 3px; }}
        QComboBox:focus {{ {frame} padding: 2px 9px 2px 7px; }}
        QCheckBox:focus {{ color: {palette.link}; }}
        QTableWidget:focus, QDoubleSpinBox:focus {{ {frame} padding: 0px; }}
        QSlider:focus {{ {frame} }}
    """


def readable(color: Rgb, surface: Rgb, text: Rgb) -> Rgb:
    """The colour, moved towards that of text as far as it must be to be read on the surface."""
    for tenths in range(11):
        mixed = [(c * (10 - tenths) + t * tenths) / 10 for c, t in zip(color, text, strict=True)]
        found = (round(mixed[0]), round(mixed[1]), round(mixed[2]))
        if contrast(found, surface) >= _ENOUGH:
            return found
    return text


def contrast(one: Rgb, other: Rgb) -> float:
    """How well two colours stand out from each other: from 1, not at all, to 21, black on white.

    References
    ----------
    Web Content Accessibility Guidelines 2.1, "contrast ratio".
    """
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Rgb) -> float:
    linear = [c / 3294 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _rgb(color: Any) -> Rgb:
    red, green, blue = color.as_rgb_tuple()[:3]
    return red, green, blue


def _name(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
