from __future__ import annotations

import numpy as np
import pytest

from napari_gpcis.engine import Session
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.history import StoredMask
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.pseudo_clicks import seed_click, trim_by_negative_clicks
from tests.engine.conftest import disk

BOX = Box(10, 20, 70, 120)


def seed_of(*disks):
    masks = [disk(BOX.shape, centre, diameter) for centre, diameter in disks]
    return StoredMask(BOX, np.logical_or.reduce(masks))


def click(row, col, positive=False):
    return Click(0, row + BOX.r0, col + BOX.c0, positive, 1)


def test_without_a_negative_click_all_of_a_mask_is_trim_by_negative_clicks():
    seed = seed_of(((30, 40), 30))
    for clicks in ((), (click(30, 40, True),), (click(2, 2),)):
        np.testing.assert_array_equal(trim_by_negative_clicks(seed, clicks).mask, seed.mask)
    stands_for = seed_click(seed, 3, 7)
    assert stands_for == Click(3, 30 + BOX.r0, 40 + BOX.c0, True, 7)


def test_a_negative_click_in_the_middle_takes_the_whole_mask():
    seed = seed_of(((30, 40), 30))
    assert not trim_by_negative_clicks(seed, (click(30, 40),)).mask.any()
    assert not trim_by_negative_clicks(seed, (click(32, 42),)).mask.any()


def test_a_negative_click_takes_the_part_that_it_is_in_the_middle_of():
    seed = seed_of(((30, 30), 30), ((30, 74), 36), ((30, 50), 12))
    left = trim_by_negative_clicks(seed, (click(30, 74),)).mask
    assert left[disk(BOX.shape, (30, 30), 30)].all()
    assert not left[30, 60:89].any()
    stands_for = seed_click(StoredMask(BOX, left), 0, 1)
    assert (stands_for.row - BOX.r0, stands_for.col - BOX.c0) == (30, 30)


def test_a_rim_is_trim_by_negative_clicks_where_a_positive_click_holds_it():
    seed = seed_of(((30, 40), 30))
    left = trim_by_negative_clicks(seed, (click(30, 48), click(30, 28, True))).mask
    assert left[30, 28]
    assert not left[30, 48]


@pytest.mark.parametrize("place", [(48, 48), (46, 51)])
def test_an_object_is_gone_from_a_slice_after_a_negative_click_in_its_middle(seeing, place):
    stack = np.where(disk((96, 96), (48, 48), 40), 220, 30).astype(np.uint8)[None].repeat(3, 0)
    session = Session(seeing, device="cpu", object_diameter=40)
    session.set_image(stack)
    session.add_click(48, 48, z=0)
    session.propagate()
    assert session.annotation.state.mask_of(1, 1) is not None
    assert not session.add_click(*place, positive=False, z=1).mask.any()
    session.propagate()
    assert session.annotation.state.mask_of(1, 2) is None
