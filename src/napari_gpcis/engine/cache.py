"""Embeddings, the newest at hand: a byte budget on the device and one in host memory."""

from __future__ import annotations

from collections import OrderedDict
from threading import RLock
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Entry: TypeAlias = tuple[Tensor, ...]


class EmbeddingCache:
    """Least recently used first out: from the device to the host in half precision, then gone.

    Parameters
    ----------
    device : torch.device
        Device on which entries are computed and handed out. On a GPU they are kept in half
        precision, too.
    device_bytes, host_bytes : int
        Budgets; entries that are in use elsewhere may outlive them.
    """

    def __init__(self, device: torch.device, device_bytes: int, host_bytes: int) -> None:
        self.device = device
        self.device_bytes = device_bytes
        self.host_bytes = host_bytes
        self._near: OrderedDict[Hashable, Entry] = OrderedDict()
        self._far: OrderedDict[Hashable, Entry] = OrderedDict()
        self._making: dict[Hashable, RLock] = {}
        self._lock = RLock()

    @property
    def used_device_bytes(self) -> int:
        """Bytes held on the device."""
        with self._lock:
            return _total(self._near)

    @property
    def used_host_bytes(self) -> int:
        """Bytes held in host memory."""
        with self._lock:
            return _total(self._far)

    def __contains__(self, key: Hashable) -> bool:
        """Tell whether an entry is held anywhere."""
        return key in self._near or key in self._far

    def get(self, key: Hashable, make: Callable[[], Entry]) -> Entry:
        """Find an entry, or make it; of several threads one makes it and the others wait.

        Parameters
        ----------
        key : hashable
            All that the entry depends on.
        make : callable
            Function that returns the tensors, on the device.

        Returns
        -------
        tuple of Tensor
            On the device; float16 if that is how they were kept.
        """
        found = self._find(key)
        if found is not None:
            return found
        with self._lock:
            making = self._making.setdefault(key, RLock())
        try:
            with making:
                found = self._find(key)
                return found if found is not None else self._put(key, make())
        finally:
            with self._lock:
                self._making.pop(key, None)

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._near.clear()
            self._far.clear()

    def _find(self, key: Hashable) -> Entry | None:
        with self._lock:
            if key in self._near:
                self._near.move_to_end(key)
                return self._near[key]
            if key not in self._far:
                return None
            entry = self._far.pop(key)
        kept = torch.float32 if self.device.type == "cpu" else torch.float16
        return self._put(key, tuple(item.to(self.device, kept) for item in entry))

    def _put(self, key: Hashable, entry: Entry) -> Entry:
        if self.device.type != "cpu":
            entry = tuple(item.half() for item in entry)
        with self._lock:
            evicted = _insert(self._near, key, entry, self.device_bytes)
            if self.host_bytes > 0:
                for old_key, old in evicted:
                    lowered = tuple(item.to("cpu", torch.float16) for item in old)
                    _insert(self._far, old_key, lowered, self.host_bytes)
        return entry


def size_of(entry: Entry) -> int:
    """Bytes of an entry."""
    return sum(item.numel() * item.element_size() for item in entry)


def _total(shelf: OrderedDict[Hashable, Entry]) -> int:
    return sum(size_of(entry) for entry in shelf.values())


def _insert(
    shelf: OrderedDict[Hashable, Entry], key: Hashable, entry: Entry, budget: int
) -> list[tuple[Hashable, Entry]]:
    """Add an entry and return the oldest ones, itself in the end, that no longer fit."""
    shelf.pop(key, None)
    shelf[key] = entry
    evicted = []
    total = _total(shelf)
    while total > budget and shelf:
        oldest = shelf.popitem(last=False)
        total -= size_of(oldest[1])
        evicted.append(oldest)
    return evicted
