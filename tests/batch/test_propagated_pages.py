from __future__ import annotations

import numpy as np

from napari_gpcis.batch.propagated_pages import pack_held, unpack_held
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.propagation.slice_mask import Residual, SliceMask


def held(residual: Residual | None) -> SliceMask:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 7)).astype(np.float32)
    return SliceMask(3, Box(2, 4, 7, 11), logits > 0, logits, 0.75, residual)


def test_carried_objects_are_read_as_they_were_written() -> None:
    values = np.random.default_rng(1).normal(size=(9, 9)).astype(np.float16)
    written = {1: held(Residual(Box(1, 2, 10, 11), values)), 12: held(None)}
    read = unpack_held(pack_held(written))
    assert list(read) == [1, 12]
    for object_id, before in written.items():
        after = read[object_id]
        assert (after.z, after.box, after.confidence) == (before.z, before.box, before.confidence)
        np.testing.assert_array_equal(after.mask, before.mask)
        np.testing.assert_array_equal(after.logits, before.logits)
    assert read[12].residual is None
    assert read[1].residual is not None
    assert read[1].residual.box == Box(1, 2, 10, 11)
    np.testing.assert_array_equal(read[1].residual.values, values)
