"""Device, memory, and what to do when there is not enough of it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypeVar

import torch

from napari_gpcis.engine.cache import EmbeddingCache
from napari_gpcis.engine.embedding import LARGEST_TILE, SMALLEST_TILE, Embedder
from napari_gpcis.engine.fast import fast_copy, memory_format
from napari_gpcis.engine.predictor import Predictor
from napari_gpcis.engine.scale_search import ScaleSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_gpcis.engine.geometry import Scale
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.request import Request
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.scale_search import Candidate
    from napari_gpcis.model import SegmentationNetwork

HOST_BYTES = 1 << 28
CPU_BYTES = 1 << 28
GPU_BYTES = 1 << 30

T = TypeVar("T")


class Runner:
    """A network on a device, with its cache; goes on with less when memory runs out.

    Parameters
    ----------
    network : SegmentationNetwork
        Not changed: a copy for inference is worked with.
    device : str
        "auto" takes CUDA, then Apple's MPS, then the CPU.
    device_bytes, host_bytes : int, optional
        Budgets of the cache.
    tile : int
        Longest side that is encoded at once, in network pixels.
    notify : callable, optional
        Called with what had to be given up when memory ran out; a warning when not given.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        device: str = "auto",
        device_bytes: int | None = None,
        host_bytes: int | None = None,
        tile: int = LARGEST_TILE,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self._notify = notify or _warn
        self.device = find_device(device)
        self.network = fast_copy(network, self.device)
        if device_bytes is None:
            device_bytes = CPU_BYTES if self.device.type == "cpu" else GPU_BYTES
        cache = EmbeddingCache(
            self.device, device_bytes, HOST_BYTES if host_bytes is None else host_bytes
        )
        self.embedder = Embedder(self.network, cache, tile)
        self.predictor = Predictor(self.embedder)
        self._search = ScaleSearch(self.embedder)

    @property
    def cache(self) -> EmbeddingCache:
        """The embeddings."""
        return self.embedder.cache

    def predict(self, request: Request) -> Result:
        """Answer a request, if need be with smaller tiles or on the CPU."""
        return self._persist(lambda: self.predictor.predict(request))

    def find_scale(self, requests: Sequence[Request], *, expected: bool) -> Candidate:
        """Choose among requests that differ in scale alone; see `ScaleSearch.find`."""
        return self._persist(lambda: self._search.find(requests, expected=expected))

    def encode_slice(
        self,
        source: ImageSource,
        z: int,
        scale: Scale,
        place: tuple[int, int] = (0, 0),
        is_stale: Callable[[], bool] = lambda: False,
    ) -> None:
        """Encode a slice ahead of need, from a pixel outwards."""
        self._persist(lambda: self.embedder.encode_slice(source, z, scale, place, is_stale))

    def forget(self) -> None:
        """Drop what was kept of the last window; embeddings stay in the cache."""
        self.predictor.forget()

    def _persist(self, work: Callable[[], T]) -> T:
        retreats = self._retreats()
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # outside the handler, whose traceback holds on to tensors
            if next(retreats, None) is None:
                raise MemoryError(
                    "expected memory for one window, got none after all else was dropped; "
                    "close other programs or give a larger object_diameter; no click is lost"
                )

    def _retreats(self) -> Iterator[str]:
        """Do with less, one step at a time, and say so."""
        yield self._drop("dropped the cached embeddings")
        while self.embedder.tile > SMALLEST_TILE:
            self.embedder.tile //= 2
            yield self._drop(f"encodes tiles of {self.embedder.tile} px from now on")
        if self.device.type != "cpu":
            lost = self.device
            self.device = torch.device("cpu")
            self.network.to(self.device).to(memory_format=memory_format(self.device))
            self.embedder.cache = EmbeddingCache(self.device, CPU_BYTES, self.cache.host_bytes)
            yield self._drop(f"leaves {lost} and goes on on the CPU")

    def _drop(self, message: str) -> str:
        self.cache.clear()
        self.forget()
        _empty_device_cache(self.device)
        self._notify(f"out of memory: napari-gpcis {message}")
        return message


def find_device(name: str) -> torch.device:
    """Device by name; "auto" is the fastest that is there.

    Raises
    ------
    ValueError
        If torch does not know the name, or the device is not there.
    """
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "mps" if has_mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(
            f"expected a device such as 'auto', 'cpu', 'cuda' or 'mps', got {name!r}; use 'auto'"
        ) from error
    if (device.type == "cuda" and not has_cuda) or (device.type == "mps" and not has_mps):
        raise ValueError(
            f"expected a device that this machine has, got {name!r}; use 'auto' or 'cpu'"
        )
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device or the host has run out of memory."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=7)


def _empty_device_cache(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
