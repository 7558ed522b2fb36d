"""Objects on their way through a stack, as bytes: what a killed run goes on from."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box, Scale
from napari_gpcis.engine.propagation.slice_mask import SliceMask
from napari_gpcis.engine.propagation.step import Appearance
from napari_gpcis.engine.propagation.sweep import ClickedSlice

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["pack_anchors", "pack_held", "unpack_anchors", "unpack_held"]

_LENGTH = struct.Struct("<Q")


def pack_held(objects: Mapping[int, SliceMask]) -> bytes:
    """Objects of one slice; the same from `unpack_held`, to the last bit."""
    arrays: dict[str, np.ndarray] = {}
    for object_id, held in objects.items():
        arrays |= {
            f"{object_id} place": np.array([held.z, *held.box], np.int64),
            f"{object_id} mask": np.packbits(held.mask),
            f"{object_id} logits": held.logits,
            f"{object_id} touched": np.array(held.places, np.int64).reshape(-1, 2),
            f"{object_id} sureness": np.array(held.confidence, np.float64),
        }
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return zlib.compress(content.getvalue(), 1)


def unpack_held(content: bytes) -> dict[int, SliceMask]:
    """Objects of one slice."""
    objects = {}
    with np.load(io.BytesIO(zlib.decompress(content)), allow_pickle=False) as arrays:
        for name in arrays.files:
            if name.endswith(" place"):
                number = name.removesuffix(" place")
                z, *edges = (int(value) for value in arrays[name])
                box = Box(*edges)
                size = box.shape[0] * box.shape[1]
                mask = np.unpackbits(arrays[f"{number} mask"], count=size).view(np.bool_)
                objects[int(number)] = SliceMask(
                    z,
                    box,
                    mask.reshape(box.shape),
                    arrays[f"{number} logits"],
                    tuple((int(row), int(col)) for row, col in arrays[f"{number} touched"]),
                    float(arrays[f"{number} sureness"]),
                )
    return objects


def pack_anchors(anchors: Mapping[int, ClickedSlice]) -> bytes:
    """Objects of a clicked slice, with what they look like."""
    seen = {
        object_id: {
            "scale": [anchor.appearance.scale.cell, anchor.appearance.scale.pixels],
            "level": anchor.appearance.level,
            "threshold": anchor.appearance.threshold,
            "examples": [
                [click.z, click.row, click.col, click.positive]
                for click in anchor.appearance.examples
            ],
        }
        for object_id, anchor in anchors.items()
    }
    head = json.dumps(seen).encode()
    held = pack_held({object_id: anchor.mask for object_id, anchor in anchors.items()})
    return _LENGTH.pack(len(head)) + head + held


def unpack_anchors(content: bytes) -> dict[int, ClickedSlice]:
    """Objects of a clicked slice."""
    (length,) = _LENGTH.unpack_from(content)
    held = unpack_held(content[_LENGTH.size + length :])
    anchors = {}
    for name, seen in json.loads(content[_LENGTH.size : _LENGTH.size + length]).items():
        object_id = int(name)
        examples = tuple(
            Click(z, row, col, positive, object_id) for z, row, col, positive in seen["examples"]
        )
        appearance = Appearance(
            object_id, Scale(*seen["scale"]), seen["level"], seen["threshold"], examples
        )
        anchors[object_id] = ClickedSlice(held[object_id], appearance)
    return anchors
