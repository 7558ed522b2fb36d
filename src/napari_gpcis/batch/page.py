"""A finished page: its labels, compressed, and what the table says of it."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from napari_gpcis.io.labels.encode import EncodedPage
from napari_gpcis.io.labels.object_table import ObjectInSlice

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Page"]

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """What a run makes of one slice.

    Attributes
    ----------
    z : int
        Slice index.
    labels : EncodedPage
    objects : tuple of ObjectInSlice
        Empty in class mode.
    """

    z: int
    labels: EncodedPage
    objects: tuple[ObjectInSlice, ...] = ()

    def to_bytes(self) -> bytes:
        """The same page from `from_bytes`, to the last bit."""
        rows = json.dumps([asdict(item) for item in self.objects]).encode()
        return _LENGTH.pack(len(rows)) + rows + self.labels.to_bytes()

    @classmethod
    def from_bytes(cls, z: int, content: bytes) -> Self:
        """Page of a slice from `to_bytes`."""
        (length,) = _LENGTH.unpack_from(content)
        rows = content[_LENGTH.size : _LENGTH.size + length]
        labels = EncodedPage.from_bytes(content[_LENGTH.size + length :])
        return cls(z, labels, tuple(ObjectInSlice(**row) for row in json.loads(rows)))
