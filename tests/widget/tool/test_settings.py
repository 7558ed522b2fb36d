from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import napari_gpcis
from napari_gpcis.widget.tool.settings import (
    PLUGIN,
    Settings,
    keep_setting,
    read_settings,
    settings_from,
)

MANIFEST = Path(napari_gpcis.__file__).with_name("napari.yaml")


@pytest.fixture
def plugin(plugin_settings: None, npe2pm: Any) -> Any:
    with npe2pm.tmp_plugin(manifest=str(MANIFEST)):
        yield npe2pm


def test_without_a_choice_the_defaults_hold(plugin: Any) -> None:
    assert read_settings() == (Settings(), ())


def test_the_manifest_has_the_same_settings_and_defaults() -> None:
    categories = yaml.safe_load(MANIFEST.read_text("utf-8"))["contributions"]["configurations"]
    defaults = {
        name: entry["default"]
        for category in categories.values()
        for name, entry in category["properties"].items()
    }
    assert defaults == {name: getattr(Settings(), name) for name in Settings.__slots__}


def test_choices_are_read(plugin: Any) -> None:
    from napari.settings import get_plugin_settings

    stored: Any = get_plugin_settings(PLUGIN)
    stored.annotation.overlap = "overwrite"
    stored.annotation.journal = "user folder"
    stored.overlays.opacity = 0
    stored.overlays.next_click = False
    stored.computing.device = "cpu"
    stored.computing.encode_ahead = False
    stored.computing.cache_mb = 4096
    stored.annotation.auto_commit = True
    expected = Settings("overwrite", "user folder", True, True, 0, False, "cpu", False, 4096)
    assert read_settings() == (expected, ())


def test_a_guide_that_is_closed_stays_closed(plugin: Any) -> None:
    assert read_settings()[0].guide
    keep_setting("annotation", "guide", False)
    assert not read_settings()[0].guide


def test_what_napari_cannot_keep_stops_nobody() -> None:
    keep_setting("annotation", "guide", False)


def test_values_of_an_edited_file_that_napari_refuses_are_defaults(
    plugin: Any, tmp_path: Path
) -> None:
    (tmp_path / f"{PLUGIN}.yaml").write_text(
        "annotation: {overlap: fight, journal: user folder}\ncomputing: {cache_mb: plenty}\n"
    )
    settings, _ = read_settings()
    assert settings == Settings(journal="user folder")


@pytest.mark.parametrize("content", ["{", "- 1\n- 2\n", "\x00", "annotation: 5\n"])
def test_a_damaged_file_of_settings_stops_nobody(plugin: Any, tmp_path: Path, content: str) -> None:
    (tmp_path / f"{PLUGIN}.yaml").write_text(content)
    settings, warnings = read_settings()
    assert settings == Settings()
    assert all("using defaults" in line for line in warnings)


def test_a_napari_that_does_not_know_the_plugin_gives_defaults(plugin_settings: None) -> None:
    assert read_settings() == (Settings(), ())


@pytest.mark.parametrize(
    ("category", "name", "value"),
    [
        ("annotation", "overlap", "fight"),
        ("annotation", "journal", None),
        ("overlays", "opacity", 1.5),
        ("overlays", "opacity", float("nan")),
        ("overlays", "opacity", True),
        ("overlays", "next_click", "yes"),
        ("computing", "device", "abacus"),
        ("computing", "encode_ahead", 1),
        ("computing", "cache_mb", 1),
        ("computing", "cache_mb", 100.0),
    ],
)
def test_a_value_that_cannot_be_used_is_told_and_replaced(
    category: str, name: str, value: object
) -> None:
    stored = SimpleNamespace(**{category: SimpleNamespace(**{name: value})})
    settings, warnings = settings_from(stored)
    assert settings == Settings()
    (line,) = warnings
    assert f"the setting {name} is {value!r}; using {getattr(Settings(), name)!r}" in line
