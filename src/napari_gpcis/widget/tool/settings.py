"""The user's choices, from Preferences → GPCIS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from napari_gpcis.engine.options import Overlap

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PLUGIN", "JournalPlace", "Settings", "keep_setting", "read_settings"]

PLUGIN = "napari-gpcis"

JournalPlace: TypeAlias = Literal["beside the image", "user folder"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Preferences, chosen once for all images.

    Attributes
    ----------
    overlap : {"protect", "overwrite"}
        What a new object does to pixels of other objects.
    journal : {"beside the image", "user folder"}
        Where the journal of unsaved work goes.
    auto_commit : bool
        Whether a click well outside the object commits it and begins the next.
    guide : bool
        Whether the first steps are shown in the panel.
    opacity : float
        Of the overlays, 0 to 1.
    next_click : bool
        Whether the place where a click would tell most is marked.
    device : str
        "auto", "cpu", "cuda" or "mps".
    encode_ahead : bool
        Whether neighbouring slices are encoded while nothing else is to do.
    cache_mb : int
        Memory for encoded slices, in MB (10⁶ bytes).
    """

    overlap: Overlap = "protect"
    journal: JournalPlace = "beside the image"
    auto_commit: bool = False
    guide: bool = True
    opacity: float = 0.5
    next_click: bool = True
    device: str = "auto"
    encode_ahead: bool = True
    cache_mb: int = 512


def read_settings() -> tuple[Settings, tuple[str, ...]]:
    """Read the settings; never fails.

    Returns
    -------
    Settings
        With the default in place of each value that cannot be used.
    tuple of str
        A line for each such value.
    """
    try:
        from napari.settings import get_plugin_settings

        every = get_plugin_settings()
    # Whatever is wrong with the file of settings, the user can work.
    except Exception as error:
        return Settings(), (f"the settings of {PLUGIN} cannot be read ({error}); using defaults",)
    # Where napari does not know the plugin, there is nothing to read.
    return settings_from(every.get(PLUGIN))


def keep_setting(category: str, name: str, value: Any) -> None:
    """Change a setting for good, where napari knows the plugin and can write its settings."""
    try:
        from napari.settings import get_plugin_settings

        setattr(getattr(get_plugin_settings()[PLUGIN], category), name, value)
    # Whatever is wrong with the file of settings, the user can work.
    except Exception:
        return


def settings_from(stored: Any) -> tuple[Settings, tuple[str, ...]]:
    """Settings of what napari stores, by category and key; see `read_settings`."""
    values, warnings = {}, []
    for category, checks in _CHECKS.items():
        for name, good in checks.items():
            default = getattr(Settings(), name)
            value = getattr(getattr(stored, category, None), name, default)
            if good(value):
                values[name] = value
            else:
                warnings.append(
                    f"the setting {name} is {value!r}; using {default!r} "
                    "(change it in Preferences → GPCIS)"
                )
    return Settings(**values), tuple(warnings)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _one_of(*known: str) -> Callable[[Any], bool]:
    return lambda value: value in known


def _between(low: float, high: float, *kinds: type) -> Callable[[Any], bool]:
    # A comparison with nan is false.
    return lambda value: type(value) in kinds and bool(low <= value <= high)


# Categories and keys as napari.yaml has them.
_CHECKS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "annotation": {
        "overlap": _one_of(*get_args(Overlap)),
        "journal": _one_of(*get_args(JournalPlace)),
        "auto_commit": _is_bool,
        "guide": _is_bool,
    },
    "overlays": {"opacity": _between(0, 1, int, float), "next_click": _is_bool},
    "computing": {
        "device": _one_of("auto", "cpu", "cuda", "mps"),
        "encode_ahead": _is_bool,
        "cache_mb": _between(64, 1 << 20, int),
    },
}
