from __future__ import annotations

import pytest

from napari_gpcis.engine import Click

SHAPE = (3, 10, 20)


@pytest.mark.parametrize(
    ("position", "pixel"), [((4.4, 6.6), (4, 7)), ((-0.5, 0), (0, 0)), ((9.49, 19.49), (9, 19))]
)
def test_a_position_belongs_to_the_nearest_pixel(position, pixel):
    click = Click.at(*position, z=1.2, shape=SHAPE)
    assert click == Click(1, *pixel)


@pytest.mark.parametrize(
    "place",
    [(0, -0.51, 3), (0, 9.5, 3), (0, 3, 20), (-1, 3, 3), (3, 3, 3), (0, float("nan"), 3)],
)
def test_a_click_outside_says_what_is_inside(place):
    z, row, col = place
    with pytest.raises(
        ValueError, match=r"3 slice.*10 rows and 20 columns, got.*row before column"
    ):
        Click.at(row, col, z=z, shape=SHAPE)


def test_object_numbers_start_at_one():
    with pytest.raises(ValueError, match="1 or more, got 0"):
        Click.at(1, 1, object_id=0, shape=SHAPE)
