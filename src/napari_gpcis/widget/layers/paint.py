"""Strokes of the user's brush in a labels layer, as patches of the annotation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis.engine.document.label_store import Patch
from napari_gpcis.engine.geometry import Box, bounding_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.document.label_store import LabelStore
    from napari_gpcis.engine.types import Array
    from napari_gpcis.widget.layers.frame import Frame


def patches(atoms: Sequence[Any], frame: Frame, data: Array) -> list[Patch]:
    """Changes of labels, one per slice, of one stroke of the brush.

    Parameters
    ----------
    atoms : sequence
        Of napari's history: masked boxes, or triples of indices, old and new values; what is new
        is in the layer already.
    frame : Frame
        Slices of the layer.
    data : int array
        The layer's.
    """
    if not atoms:
        return []
    places, old = zip(*(_changed(atom, frame) for atom in atoms), strict=True)
    voxels, before = np.concatenate(places), np.concatenate(old)
    # of a voxel that was painted twice, the first old value is the one to go back to
    flat = np.ravel_multi_index(tuple(voxels.T), frame.data_shape)
    _, first = np.unique(flat, return_index=True)
    voxels, before = voxels[first], before[first]
    clicks = frame.to_clicks(voxels)
    z, pixels = clicks[:, 0], clicks[:, 1:]
    return [_patch(int(at), pixels[z == at], before[z == at], frame, data) for at in np.unique(z)]


def differences(old: LabelStore, new: LabelStore) -> list[Patch]:
    """Changes that lead from one store of labels to another of the same shape."""
    found = []
    for z in range(new.shape[0]):
        before, after = old.of_slice(z), new.of_slice(z)
        box = bounding_box(before != after)
        if box is not None:
            found.append(Patch(z, box, before[box.slices], after[box.slices]))
    return found


def _changed(atom: Any, frame: Frame) -> tuple[Array, Array]:
    """Voxels that changed, (n, ndim), and their old values, (n,)."""
    if hasattr(atom, "slice_key"):
        corner = [part.start for part in atom.slice_key]
        shape = [part.stop - part.start for part in atom.slice_key]
        mask = np.ones(shape, np.bool_) if atom.mask is None else np.asarray(atom.mask)
        voxels = np.argwhere(mask.reshape(shape)) + corner
        return voxels, np.asarray(atom.old_values).reshape(-1)
    indices, old, _ = atom
    voxels = np.stack(np.broadcast_arrays(*indices), -1).reshape(-1, len(frame.data_shape))
    return voxels, np.asarray(old).reshape(-1)


def _patch(z: int, pixels: Array, old: Array, frame: Frame, data: Array) -> Patch:
    low, high = pixels.min(0), pixels.max(0) + 1
    box = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    after = np.array(data[frame.index(z, box)], np.int32)
    before = after.copy()
    before[pixels[:, 0] - box.r0, pixels[:, 1] - box.c0] = old
    return Patch(z, box, before, after)
