from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from imageio.v3 import imread
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from napari_gpcis_training.benchmark.charts import (
    draw_curve_panels,
    draw_curves,
    draw_reached,
    shares_reached,
)
from napari_gpcis_training.benchmark.records import Record
from napari_gpcis_training.plotting import draw_lines, draw_reliability, shorten, styles

from napari_gpcis.io.errors import OutputFileError

CLICKS = np.arange(1, 21)
GOOD, POOR = 0.97 - 0.4 / CLICKS, 0.8 - 0.5 / CLICKS
X = np.arange(6.0)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that the test draws, to be looked into."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **options: Any) -> None:
        figures.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def _has_color(picture: np.ndarray, color: str) -> bool:
    wanted = np.round(255 * np.array(to_rgb(color)))
    return bool((np.abs(picture[..., :3] - wanted).max(axis=-1) <= 2).sum() > 50)


def _texts(figure: Figure) -> set[str]:
    texts = figure.findobj(Text)
    return {text.get_text() for text in texts if text.get_text()}


def test_each_curve_is_drawn_in_its_own_colour_on_900_by_560_px(tmp_path: Path) -> None:
    draw_curves(tmp_path / "new" / "curves.png", {"ours": GOOD, "peer": POOR}, "cells")
    picture = imread(tmp_path / "new" / "curves.png")
    assert picture.shape[:2] == (560, 900)
    looks = styles(["ours", "peer", "third"])
    assert _has_color(picture, looks["ours"].color) and _has_color(picture, looks["peer"].color)
    assert not _has_color(picture, looks["third"].color)


def test_curves_are_in_percent_against_clicks_from_one(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_curves(tmp_path / "a.png", {"ours": GOOD}, "cells")
    axes = drawn[0].axes[0]
    line = next(line for line in axes.lines if len(line.get_xdata()) == 20)
    assert np.array_equal(line.get_xdata(), CLICKS)
    assert np.allclose(line.get_ydata(), 100 * GOOD)
    levels = [line.get_ydata()[0] for line in axes.lines if len(line.get_xdata()) == 2]
    assert levels == [85, 90]
    assert {"cells", "clicks", "mean IoU, %", "85 %", "90 %", "ours"} <= _texts(drawn[0])


def test_every_line_is_named_beside_the_diagram_on_the_picture(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    names = [f"model {k} with a name that goes on and on" for k in range(10)]
    draw_curves(tmp_path / "a.png", dict.fromkeys(names, GOOD), "cells")
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == [shorten(name, 32) for name in names]
    beside, axes = legend.get_window_extent(), drawn[0].axes[0].get_window_extent()
    assert axes.x1 <= beside.x0 and beside.x1 <= 900
    assert 0 <= beside.y0 and beside.y1 <= 560


def test_panels_share_colours_and_leave_no_empty_frame(tmp_path: Path, drawn: list[Figure]) -> None:
    panels = {
        "cells": {"ours": GOOD, "peer": POOR},
        "dogs": {"peer": POOR},
        "cats": {"ours": GOOD},
        "SBD": {"ours": POOR},
    }
    draw_curve_panels(tmp_path / "a.png", panels, "all")
    figure = drawn[0]
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(panels)
    colors = [
        {line.get_color() for line in a.lines if len(line.get_xdata()) == 20} for a in figure.axes
    ]
    assert colors[1] < colors[0] and colors[0] - colors[1] == colors[2] == colors[3]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["ours", "peer", "85 % and 90 %"]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    height, width = imread(tmp_path / "a.png").shape[:2]
    below = legend.get_window_extent()
    assert 0 <= below.y0 and below.x1 <= width and height > 500
    labels = [axes.xaxis.label.get_window_extent() for axes in figure.axes]
    assert not any(below.overlaps(label) for label in labels if label.width > 1)


def test_shares_count_objects_that_have_been_there() -> None:
    dips = Record("d", "a", 1, "m", 9.0, ious=[0.5, 0.92, 0.7])
    late = Record("d", "b", 1, "m", 9.0, ious=[0.1, 0.2, 0.3, 0.9])
    never = Record("d", "c", 1, "m", 9.0, ious=[0.89])
    shares = shares_reached([dips, late, never], 0.90, most=5)
    assert np.allclose(shares, [0, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert np.allclose(shares_reached([dips, late], 0.5, most=2), [0.5, 0.5])


def test_objects_done_are_drawn_from_0_to_100_percent(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_reached(tmp_path / "a.png", {"ours": np.linspace(0, 1, 20)}, "cells", wanted=0.85)
    axes = drawn[0].axes[0]
    assert axes.get_ylabel() == "objects with IoU ≥ 0.85, %"
    assert np.array_equal(axes.lines[0].get_xdata(), CLICKS)
    assert np.allclose(axes.lines[0].get_ydata(), np.linspace(0, 100, 20))
    low, high = axes.get_ylim()
    assert low == 0 and high > 100


def test_lines_have_a_band_of_one_standard_error(tmp_path: Path, drawn: list[Figure]) -> None:
    lines = {"guided": (X, 10 - X, np.full(6, 0.5)), "random": (X, 10 - X / 2, None)}
    draw_lines(tmp_path / "a.png", lines, "clicks", "error, %", "cells")
    axes = drawn[0].axes[0]
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == 10.5 and band[:, 1].min() == 4.5
    assert axes.get_xlabel() == "clicks" and axes.get_ylabel() == "error, %"
    assert {"guided", "random"} <= _texts(drawn[0])
    assert all(tick == round(tick) for tick in axes.get_xticks())


def test_reliability_leaves_out_empty_bins_and_says_the_error(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    bins = SimpleNamespace(
        confidence=[0.1, np.nan, 0.9], accuracy=[0.2, np.nan, 0.8], count=[100, 0, 300]
    )
    draw_reliability(tmp_path / "a.png", {"raw": bins}, "cells")
    assert imread(tmp_path / "a.png").shape[:2] == (760, 700)
    upper, lower = drawn[0].axes
    assert np.allclose(upper.lines[1].get_xydata(), [[10, 20], [90, 80]])
    assert np.allclose(lower.lines[0].get_xydata(), [[10, 25], [90, 75]])
    assert "raw: calibration error 10.00 %" in _texts(drawn[0])


def test_reliability_of_a_winning_class_begins_at_half(tmp_path: Path, drawn: list[Figure]) -> None:
    bins = SimpleNamespace(confidence=[0.6, 0.9], accuracy=[0.6, 0.9], count=[1, 3])
    draw_reliability(tmp_path / "a.png", {"raw": bins}, "cells")
    assert drawn[0].axes[0].get_xlim()[0] == 49


@pytest.mark.parametrize("suffix", [".svg", ".pdf"])
def test_pictures_may_be_vectors(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    draw_curves(path, {"ours": GOOD}, "cells")
    assert path.read_bytes()[:5] in (b"<?xml", b"%PDF-")


def test_dollars_in_names_are_no_formula(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_curves(tmp_path / "a.png", {r"$\nope$": GOOD, "_hidden": POOR}, r"$\title$")
    names = [text.get_text().strip() for text in drawn[0].legends[0].get_texts()]
    assert names == [r"\$\nope\$", "_hidden"]


@pytest.mark.parametrize("draw", [draw_curves, draw_curve_panels, draw_reached, draw_reliability])
def test_nothing_to_draw_is_refused(tmp_path: Path, draw: Any) -> None:
    with pytest.raises(ValueError, match=r"expected .* got none; "):
        draw(tmp_path / "a.png", {}, "cells")
    assert not list(tmp_path.iterdir())


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match=r"value per click for 'ours', got shape \(0,\)"):
        draw_curves(path, {"ours": []}, "cells")
    with pytest.raises(ValueError, match="of one length for 'ours'"):
        draw_lines(path, {"ours": (X, X[:3], None)}, "x", "y", "cells")
    empty = SimpleNamespace(confidence=[0.5], accuracy=[0.5], count=[0])
    with pytest.raises(ValueError, match=r"'raw', .* 0 pixels; compute"):
        draw_reliability(path, {"raw": empty}, "cells")
    with pytest.raises(ValueError, match="at least one record"):
        shares_reached([])
    assert not list(tmp_path.iterdir())


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError, match=r"ends in \.png"):
        draw_curves(tmp_path / "a.txt", {"ours": GOOD}, "cells")


def test_the_users_settings_of_matplotlib_stay(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    draw_curves(tmp_path / "a.png", {"ours": GOOD}, "cells")
    assert dict(matplotlib.rcParams) == before


def test_no_two_lines_of_two_dozen_look_alike() -> None:
    looks = styles(str(k) for k in range(24))
    assert len({(look.color, look.linestyle) for look in looks.values()}) == 24


def test_long_names_lose_their_middle() -> None:
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghijk", 10) == "abcde…hijk"
