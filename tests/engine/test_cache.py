from __future__ import annotations

import threading

import pytest
import torch

from napari_gpcis.engine.cache import EmbeddingCache, size_of

CPU = torch.device("cpu")
KILOBYTE = 1024


def entry(value: float) -> tuple[torch.Tensor, ...]:
    """One kilobyte in float32, half of one in float16."""
    return torch.full((128,), float(value)), torch.full((128,), -float(value))


def test_budgets_are_kept_whatever_comes():
    cache = EmbeddingCache(CPU, 3 * KILOBYTE, 2 * KILOBYTE)
    for number in range(20):
        cache.get(number, lambda number=number: entry(number))
        assert cache.used_device_bytes <= 3 * KILOBYTE
        assert cache.used_host_bytes <= 2 * KILOBYTE
    assert cache.used_device_bytes == 3 * KILOBYTE
    assert cache.used_host_bytes == 2 * KILOBYTE


def test_what_was_used_last_stays_on_the_device():
    cache = EmbeddingCache(CPU, 2 * KILOBYTE, 0)
    for key in ("old", "new", "old", "newest"):
        cache.get(key, lambda: entry(1))
    assert "old" in cache
    assert "new" not in cache


def test_evicted_entries_come_back_from_the_host_without_being_made_again():
    cache = EmbeddingCache(CPU, KILOBYTE, KILOBYTE)
    cache.get("first", lambda: entry(0.1))
    cache.get("second", lambda: entry(0.2))
    assert cache.used_host_bytes == KILOBYTE // 2
    back = cache.get("first", lambda: pytest.fail("made again"))
    assert back[0].dtype == torch.float32
    torch.testing.assert_close(back[0], torch.full((128,), 0.1), rtol=1e-3, atol=0)
    assert "second" in cache


def test_an_entry_beyond_the_budget_is_handed_out_but_not_kept():
    cache = EmbeddingCache(CPU, KILOBYTE - 1, 0)
    assert size_of(cache.get("key", lambda: entry(1))) == KILOBYTE
    assert "key" not in cache


def test_two_threads_that_want_the_same_make_it_once():
    cache = EmbeddingCache(CPU, 10 * KILOBYTE, 0)
    made = []
    started, proceed = threading.Event(), threading.Event()

    def make():
        started.set()
        proceed.wait(5)
        made.append(1)
        return entry(1)

    threads = [threading.Thread(target=cache.get, args=("key", make)) for _ in range(4)]
    threads[0].start()
    started.wait(5)
    for thread in threads[1:]:
        thread.start()
    proceed.set()
    for thread in threads:
        thread.join(5)
    assert made == [1]


def test_a_failed_make_leaves_nothing_behind():
    cache = EmbeddingCache(CPU, 10 * KILOBYTE, 0)
    with pytest.raises(OSError, match="disk"):
        cache.get("key", lambda: (_ for _ in ()).throw(OSError("disk")))
    assert "key" not in cache
    assert cache.get("key", lambda: entry(3))[0][0] == 3


def test_clear_gives_all_memory_back():
    cache = EmbeddingCache(CPU, KILOBYTE, KILOBYTE)
    for key in range(2):
        cache.get(key, lambda: entry(1))
    cache.clear()
    assert cache.used_device_bytes == cache.used_host_bytes == 0
    assert 0 not in cache
