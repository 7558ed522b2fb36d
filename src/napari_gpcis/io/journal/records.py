"""The lines of a journal: records as JSON with a checksum, states as differences, labels packed.

A line's checksum covers its record and the checksum of the line before it, so that a line that was
torn, damaged, lost or moved is known by it.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.history import Committed, State, StoredMask
from napari_gpcis.engine.document.label_store import LabelStore, Patch
from napari_gpcis.engine.geometry import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_gpcis.engine.types import Array

__all__ = ["apply_difference", "difference", "pack_patch", "parse_line", "to_line", "unpack_patch"]

Record: TypeAlias = dict[str, Any]
T = TypeVar("T")
K = TypeVar("K")

_SEAL = b',"crc":"%08x"}\n'
_SEAL_LENGTH = len(_SEAL % 0)


def to_line(record: Record, previous: int) -> tuple[bytes, int]:
    """Write a record as a line; return the line and its checksum.

    Parameters
    ----------
    record : dict
        Values that JSON can hold, numpy's numbers included; not empty.
    previous : int
        Checksum of the previous line; 0 for the first.
    """
    body = json.dumps(record, separators=(",", ":"), default=_plain).encode()[:-1]
    checksum = zlib.crc32(body, previous)
    return body + _SEAL % checksum, checksum


def parse_line(line: bytes, previous: int) -> tuple[Record, int] | None:
    """Record and checksum of a line; None if the line is damaged."""
    body, seal = line[:-_SEAL_LENGTH], line[-_SEAL_LENGTH:]
    checksum = zlib.crc32(body, previous)
    if seal != _SEAL % checksum:
        return None
    record: Record = json.loads(body + b"}")
    return record, checksum


def difference(old: State, new: State) -> Record:
    """Difference between two states, answers left out; empty if they are equal."""
    found: Record = {}
    for name, pack in _SEQUENCES.items():
        splice = _splice(getattr(old, name), getattr(new, name), pack)
        if splice is not None:
            found[name] = splice
    for name in _VALUES:
        if getattr(old, name) != getattr(new, name):
            found[name] = getattr(new, name)
    taken = _changes(old.taken_up, new.taken_up, lambda key: [key], _pack_committed, _same)
    if taken is not None:
        found["taken_up"] = taken
    carried = _changes(old.carried, new.carried, list, _pack_carried, _same_mask)
    if carried is not None:
        found["carried"] = carried
    return found


def apply_difference(old: State, found: Record) -> State:
    """State that results from a `difference`."""
    new: Record = {name: found[name] for name in _VALUES if name in found}
    if "clicks" in found:
        new["clicks"] = _spliced(old.clicks, found["clicks"], _unpack_click)
    if "committed" in found:
        new["committed"] = _spliced(old.committed, found["committed"], _unpack_committed)
    if "taken_up" in found:
        gone, come = found["taken_up"]
        new["taken_up"] = _changed(
            old.taken_up, [key for (key,) in gone], [(k, _unpack_committed(v)) for (k,), v in come]
        )
    if "carried" in found:
        gone, come = found["carried"]
        new["carried"] = _changed(
            old.carried,
            [(owner, z) for owner, z in gone],
            [((owner, z), _unpack_carried(packed)) for (owner, z), packed in come],
        )
    return replace(old, **new, answers={})


def pack_patch(patch: Patch) -> Record:
    """Changed pixels of a patch: their places, old values and new values."""
    before, after = patch.before, patch.after
    changed = before != after
    return {
        "z": patch.z,
        "box": patch.box,
        "mask": _pack_mask(changed),
        "from": _pack_values(before[changed]),
        "to": _pack_values(after[changed]),
    }


def unpack_patch(packed: Record, labels: LabelStore) -> Patch:
    """Patch that changes the same pixels and leaves all others as they are in `labels`."""
    z, box = int(packed["z"]), Box(*packed["box"])
    changed = _unpack_mask(packed["mask"], box.shape)
    before = labels.of_box(z, box)
    after = before.copy()
    before[changed] = _unpack_values(packed["from"])
    after[changed] = _unpack_values(packed["to"])
    return Patch(z, box, before, after)


def _plain(value: np.generic) -> Any:
    """Python number in place of a numpy scalar."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"expected what JSON can hold, got {type(value).__name__}; give plain values")


def _splice(
    old: tuple[T, ...], new: tuple[T, ...], pack: Callable[[T], Any]
) -> tuple[int, int, list[Any]] | None:
    """Number of unchanged items in front and at the back, and the new items between them."""
    front = _alike(old, new)
    if front == len(old) == len(new):
        return None
    back = _alike(old[front:][::-1], new[front:][::-1])
    return front, back, [pack(item) for item in new[front : len(new) - back]]


def _alike(one: tuple[T, ...], other: tuple[T, ...]) -> int:
    """Number of equal items in front, found by bisection, which is fast for thousands."""
    alike, shorter = 0, min(len(one), len(other))
    step = 1 << shorter.bit_length()
    while step := step >> 1:
        end = alike + step
        if end <= shorter and one[alike:end] == other[alike:end]:
            alike = end
    return alike


def _spliced(old: tuple[T, ...], splice: Any, unpack: Callable[[Any], T]) -> tuple[T, ...]:
    front, back, items = splice
    return (*old[:front], *map(unpack, items), *old[len(old) - back :])


def _changes(
    old: Mapping[K, T],
    new: Mapping[K, T],
    pack_key: Callable[[K], list[int]],
    pack: Callable[[T], Any],
    same: Callable[[T, T], bool],
) -> tuple[list[Any], list[Any]] | None:
    """Keys that were removed, and items that were added or changed."""
    if old is new:
        return None
    gone = [pack_key(key) for key in old if key not in new]
    come = [
        (pack_key(key), pack(value))
        for key, value in new.items()
        if key not in old or not same(old[key], value)
    ]
    return (gone, come) if gone or come else None


def _changed(old: Mapping[K, T], gone: list[K], come: list[tuple[K, T]]) -> dict[K, T]:
    return {**{key: value for key, value in old.items() if key not in gone}, **dict(come)}


def _same(one: object, other: object) -> bool:
    return one == other


def _same_mask(one: StoredMask, other: StoredMask) -> bool:
    return one is other or (
        one.box == other.box and one.clicks == other.clicks and np.array_equal(one.mask, other.mask)
    )


def _pack_click(click: Click) -> list[Any]:
    """Five numbers; of a stroke's pixel, its prompt and its stroke as well."""
    packed = [click.z, click.row, click.col, int(click.positive), click.object_id]
    return [*packed, click.prompt, click.stroke] if click.stroke else packed


def _unpack_click(packed: list[Any]) -> Click:
    z, row, col, positive, object_id, *drawn = packed
    return Click(z, row, col, bool(positive), object_id, *drawn)


def _pack_committed(item: Committed) -> list[Any]:
    places = [[z, *box] for z, box in item.places]
    return [item.label, [_pack_click(click) for click in item.clicks], places]


def _unpack_committed(packed: list[Any]) -> Committed:
    label, clicks, places = packed
    return Committed(
        label, tuple(map(_unpack_click, clicks)), tuple((z, Box(*box)) for z, *box in places)
    )


def _pack_carried(item: StoredMask) -> list[Any]:
    clicks = [_pack_click(click) for click in item.clicks]
    return [item.box, _pack_mask(item.mask), clicks]


def _unpack_carried(packed: list[Any]) -> StoredMask:
    box, mask, clicks = packed
    place = Box(*box)
    return StoredMask(place, _unpack_mask(mask, place.shape), tuple(map(_unpack_click, clicks)))


def _pack_mask(mask: Array) -> str:
    """Empty where all is true."""
    return "" if mask.all() else _pack_bytes(np.packbits(mask).tobytes())


def _unpack_mask(packed: str, shape: tuple[int, int]) -> Array:
    if not packed:
        return np.ones(shape, np.bool_)
    bits = np.frombuffer(_unpack_bytes(packed), np.uint8)
    return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(np.bool_)


def _pack_values(values: Array) -> int | list[str]:
    """One number where all are the same, else the smallest type that holds them all."""
    if not values.size:
        return 0
    low, high = int(values.min()), int(values.max())
    if low == high:
        return low
    kind = np.promote_types(np.min_scalar_type(low), np.min_scalar_type(high))
    return [kind.str, _pack_bytes(values.astype(kind).tobytes())]


def _unpack_values(packed: int | list[str]) -> int | Array:
    if isinstance(packed, int):
        return packed
    kind, values = packed
    return np.frombuffer(_unpack_bytes(values), np.dtype(kind))


def _pack_bytes(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 1)).decode()


def _unpack_bytes(packed: str) -> bytes:
    return zlib.decompress(base64.b64decode(packed, validate=True))


_SEQUENCES: dict[str, Callable[[Any], Any]] = {"clicks": _pack_click, "committed": _pack_committed}
_VALUES = ("active", "z", "diameter")
