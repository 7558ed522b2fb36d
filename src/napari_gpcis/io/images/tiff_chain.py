"""The chain of pages of a TIFF, checked before the file is parsed."""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Chain", "walk_chain"]

_MOST_TAGS = 4096
# Bytes of a value of each type.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES |= {13: 4, 16: 8, 17: 8, 18: 8}
# Tags that decide on how pixels are stored: size, bits, compression, strips, samples, tiles.
_LAYOUT = {256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 322, 323, 338, 339, 32997, 32998}
# Tags that list a value for each strip, tile or smaller copy; pages that share a list are no more
# than a way to fill memory.
_LISTS = {273, 279, 324, 325, 330}
_STARTS = {273, 324}
# A JPEG may be in one piece in place of strips.
_PIXELS = _STARTS | {513}
# Some writers add a page for their metadata; a file of little else is made to take long.
_MOST_EMPTY = 16
_WORDS = {3: "H", 4: "I", 13: "I", 16: "Q"}
_WIDTH = 256


@dataclass(slots=True)
class Chain:
    """Pages of a TIFF, in their order.

    Attributes
    ----------
    offsets : array of int
        Place of each page's header, in bytes.
    layouts : dict
        A number for each of these offsets; pages of the same number store pixels alike.
    starts : array of int
        Place at which each page's pixels begin; 0 where its header does not say.
    first : bytes
        Layout of the first page, to compare files with each other.
    """

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    layouts: dict[int, int] = field(default_factory=dict)
    starts: array[int] = field(default_factory=lambda: array("Q"))
    first: bytes = b""


@dataclass(frozen=True, slots=True)
class _Format:
    order: str
    big: bool
    ndpi: bool

    @property
    def count(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def tag(self) -> struct.Struct:
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big or self.ndpi else "I"))


def walk_chain(path: Path) -> Chain:
    """Find the pages of a TIFF and check that they can exist.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Chain

    Raises
    ------
    ValueError
        When there is no page, the chain breaks off or loops, or the headers of the pages claim
        more than the file can hold.
    """
    chain = Chain()
    numbers: dict[bytes, int] = {}
    claimed = empty = 0
    with path.open("rb") as file:
        size = file.seek(0, 2)
        form, offset = _header(file, path)
        while offset:
            if offset in chain.layouts:
                raise ValueError(f"its page chain loops after page {len(chain.offsets)}")
            layout, start, taken, following = _page(file, form, offset, size)
            claimed += taken
            empty += start is None
            if empty > _MOST_EMPTY:
                raise ValueError(f"{empty} of its pages hold no image")
            chain.starts.append(start or 0)
            chain.first = chain.first or form.order.encode() + layout
            chain.offsets.append(offset)
            chain.layouts[offset] = numbers.setdefault(layout, len(numbers))
            offset = following
            if claimed > 2 * size + 4096:
                raise ValueError("the headers of its pages claim more than the file holds")
    if not chain.offsets:
        raise ValueError("it has no page")
    return chain


def _header(file: BinaryIO, path: Path) -> tuple[_Format, int]:
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">", b"EP": "<"}.get(head[:2])
    if order is None or len(head) < 8:
        raise ValueError(f"it is not a TIFF: it begins with {head[:4]!r}")
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    form = _Format(order, big, path.suffix.lower() == ".ndpi" and not big and order == "<")
    try:
        return form, int(form.offset.unpack_from(head, 8 if big else 4)[0])
    except struct.error as error:
        raise ValueError("it ends in its header") from error


def _page(
    file: BinaryIO, form: _Format, offset: int, size: int
) -> tuple[bytes, int | None, int, int]:
    """Layout, start of the pixels if any, bytes that the header takes, place of the next page."""
    count, tag, after = form.count, form.tag, form.offset
    where = f"the header of a page at byte {offset}"
    if not 8 <= offset < size - count.size:
        raise ValueError(f"{where} is outside the file")
    file.seek(offset)
    tags = count.unpack(file.read(count.size))[0]
    if not 1 <= tags <= _MOST_TAGS:
        raise ValueError(f"{where} claims {tags} entries")
    data = file.read(tags * tag.size + after.size)
    if len(data) < tags * tag.size + after.size:
        raise ValueError(f"{where} is cut off")
    claimed, start = len(data), 0
    layout = []
    codes = set()
    for code, kind, number, value in tag.iter_unpack(data[: tags * tag.size]):
        codes.add(code)
        extent = _SIZES.get(kind, 1) * number
        if code in _LISTS:
            claimed += extent
        if code in _STARTS and kind in _WORDS and number and not form.ndpi:
            word = struct.Struct(form.order + _WORDS[kind])
            if extent > len(value):
                value = _far_value(file, form, value, word.size, size)
            start = word.unpack_from(value)[0]
        if code in _LAYOUT:
            if extent > len(value):
                value = _far_value(file, form, value, extent, size)
            layout.append(struct.pack("<HHQ", code, kind, number) + value[:extent])
    if _WIDTH not in codes and not codes & _LISTS:
        raise ValueError(f"{where} describes no image")
    first = start if codes & _PIXELS else None
    return b"".join(layout), first, claimed, int(after.unpack_from(data, tags * tag.size)[0])


def _far_value(file: BinaryIO, form: _Format, place: bytes, extent: int, size: int) -> bytes:
    """A value that lies elsewhere in the file, such as the bits of each of three samples."""
    offset = struct.unpack(form.order + ("Q" if form.big else "I"), place)[0]
    if extent > 1024 or offset + extent > size:
        return place
    file.seek(offset)
    return file.read(extent)
