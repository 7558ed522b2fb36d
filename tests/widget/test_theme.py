from __future__ import annotations

import pytest

from napari_gpcis.widget.theme import contrast, palette_of, readable


def parse(color: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((7, 8, 9), (7, 8, 9)) == pytest.approx(1)
    # Worked example of WebAIM: #777777 on white.
    assert contrast((0x77, 0x77, 0x77), (255, 255, 255)) == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_level_can_be_read(theme: str) -> None:
    palette = palette_of(theme)
    for color in (*palette.levels.values(), palette.link, palette.text):
        assert contrast(parse(color), parse(palette.surface)) >= 4.5


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_levels_differ(theme: str) -> None:
    assert len(set(palette_of(theme).levels.values())) == 4


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    assert readable((255, 255, 0), (0, 0, 0), (255, 255, 255)) == (255, 255, 0)
