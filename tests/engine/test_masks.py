from __future__ import annotations

import numpy as np

from napari_gpcis.engine.masks import keep_clicked_components


def mask_of(*rows: str) -> np.ndarray:
    return np.array([[sign == "#" for sign in row] for row in rows])


TWO_AND_ONE = mask_of("##..#", "##...", "...#.")


def test_pieces_without_a_click_are_left_out() -> None:
    expected = mask_of("##...", "##...", ".....")
    np.testing.assert_array_equal(keep_clicked_components(TWO_AND_ONE, [(1, 0)]), expected)


def test_each_clicked_piece_is_kept() -> None:
    expected = mask_of("##...", "##...", "...#.")
    np.testing.assert_array_equal(keep_clicked_components(TWO_AND_ONE, [(0, 0), (2, 3)]), expected)


def test_a_click_beside_the_mask_keeps_nothing_of_it() -> None:
    assert not keep_clicked_components(TWO_AND_ONE, [(1, 3)]).any()


def test_without_clicks_all_pieces_are_kept() -> None:
    np.testing.assert_array_equal(keep_clicked_components(TWO_AND_ONE, []), TWO_AND_ONE)


def test_an_empty_mask_stays_empty() -> None:
    assert not keep_clicked_components(np.zeros((3, 4), bool), [(1, 1)]).any()
