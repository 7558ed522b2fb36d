"""Strokes are moved and removed as a whole."""

from __future__ import annotations

from dataclasses import replace

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.prompts import scribble_clicks
from napari_gpcis.widget.tool.whole_strokes import with_whole_strokes

SHAPE = (2, 40, 40)
ONE = scribble_clicks([(5, 5), (5, 9)], SHAPE, stroke=1)
TWO = scribble_clicks([(20, 5), (24, 5)], SHAPE, stroke=2, positive=False)
ALONE = Click(0, 30, 30)
ALL = (*ONE, ALONE, *TWO)


def test_a_stroke_that_has_lost_a_pixel_goes() -> None:
    left = [click for click in ALL if click != ONE[2]]
    assert with_whole_strokes(ALL, left) == [ALONE, *TWO]


def test_a_stroke_moves_with_any_of_its_pixels_and_a_click_alone() -> None:
    moved = [
        replace(click, row=click.row + 3) if click in (TWO[1], ALONE) else click for click in ALL
    ]
    expected = [*ONE, replace(ALONE, row=33), *(replace(one, row=one.row + 3) for one in TWO)]
    assert with_whole_strokes(ALL, moved) == expected


def test_a_click_that_is_added_changes_no_stroke() -> None:
    assert with_whole_strokes(ALL, [*ALL, Click(0, 1, 1)]) == [*ALL, Click(0, 1, 1)]


def test_a_sign_that_is_turned_stays_turned() -> None:
    turned = [replace(click, positive=not click.positive) for click in ALL]
    assert with_whole_strokes(ALL, turned) == turned
