"""Request → Result: features of the window, decoder and GP, with less when memory runs out."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_gpcis.engine.box_search import BoxSearch
from napari_gpcis.engine.cache import EmbeddingCache
from napari_gpcis.engine.class_features import ClassFeatures
from napari_gpcis.engine.device import (
    CPU_BYTES,
    GPU_BYTES,
    HOST_BYTES,
    empty_device_cache,
    find_device,
    is_out_of_memory,
)
from napari_gpcis.engine.embedding import LARGEST_TILE, SMALLEST_TILE, Embedder
from napari_gpcis.engine.prompts import thinned, worst_of_each_run
from napari_gpcis.engine.request import Request, clicks_in_window
from napari_gpcis.engine.result import Result, within_limits
from napari_gpcis.engine.scale_search import ScaleSearch
from napari_gpcis.gp.raster import flatten, raster_taps, read
from napari_gpcis.model.inference import inference_copy, memory_format

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from napari_gpcis.engine.box_search import Guess
    from napari_gpcis.engine.class_gp import ConditionedGP
    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.geometry import Box, Scale
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.scale_search import Candidate
    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis.model.heads import Prediction

T = TypeVar("T")

AGREEING_ROUNDS = 4
"""Most times that a stroke's pixels are looked at again; the last time all wrong ones are added."""
DOUBT = 0.05
"""Logit by which a pixel has to be on its side, as interpolation rounds."""


class Predictor:
    """A network on a device, with its cache; continues with less when memory runs out.

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
        Called with a sentence on each thing given up when memory ran out; a `RuntimeWarning` when
        not given.

    Attributes
    ----------
    network : SegmentationNetwork
        The copy.
    embedder : Embedder
        Encodes the slices.
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
        self.network = inference_copy(network, self.device)
        if device_bytes is None:
            device_bytes = CPU_BYTES if self.device.type == "cpu" else GPU_BYTES
        cache = EmbeddingCache(
            self.device, device_bytes, HOST_BYTES if host_bytes is None else host_bytes
        )
        self.embedder = Embedder(self.network, cache, tile)
        self._class_features = ClassFeatures(self.embedder)
        self._window: tuple[Hashable, tuple[Tensor, ...]] | None = None
        self._search = ScaleSearch(self.embedder)
        self._box_search = BoxSearch(self.embedder)

    @property
    def cache(self) -> EmbeddingCache:
        """The embeddings."""
        return self.embedder.cache

    @property
    def trained_diameter(self) -> float:
        """Diameter of the objects of the training, in network pixels."""
        return float(self.network.config.object_diameter)

    def predict(self, request: Request, conditioned: ConditionedGP | None = None) -> Result:
        """Answer a request, if need be with smaller tiles or on the CPU.

        Parameters
        ----------
        request : Request
            Clicks, window and scale.
        conditioned : ConditionedGP, optional
            Class mode: the GP after the request's clicks, instead of conditioning it anew.

        Returns
        -------
        Result
            Its mask is there; probability, variance and the rest are made on first access.
        """
        return self._with_less_memory(lambda: self._answer(request, conditioned))

    def find_scale(self, requests: Sequence[Request], *, expected: bool) -> Candidate:
        """Choose among requests that differ in scale alone; see `ScaleSearch.find`."""
        return self._with_less_memory(lambda: self._search.find(requests, expected=expected))

    def find_in_box(self, request: Request) -> Guess:
        """Choose the place in a box that the object lies on; see `BoxSearch.find`."""
        return self._with_less_memory(lambda: self._box_search.find(request))

    def encode_slice(
        self,
        source: ImageSource,
        z: int,
        scale: Scale,
        place: tuple[int, int] = (0, 0),
        is_stale: Callable[[], bool] = lambda: False,
    ) -> None:
        """Encode a slice ahead of need, from a pixel outwards; see `Embedder.encode_slice`."""
        self._with_less_memory(
            lambda: self.embedder.encode_slice(source, z, scale, place, is_stale)
        )

    def forget(self) -> None:
        """Drop the features of the last window and of clicks elsewhere; the cache stays."""
        self._class_features.forget()
        self._window = None

    @torch.inference_mode()
    def _answer(self, request: Request, conditioned: ConditionedGP | None) -> Result:
        temperature = self.network.config.temperature
        if request.window.empty:
            return Result(request, torch.zeros(1, 1, 0, 0), None, self._parts, {}, temperature)
        watch = Stopwatch(self.cache.device)
        parts: Prediction | None = None
        if conditioned is not None:
            latent = conditioned.latent(self._class_features, request.z, request.window)
        else:
            parts = self._classify(request, watch)
            latent = parts.logits.float().contiguous()
        watch.lap("gp")
        if request.limits is not None:
            latent = within_limits(latent, request, temperature)
        result = Result(request, latent, parts, self._parts, {}, temperature)
        result.fill()
        watch.lap("resample")
        result.timings = watch.laps
        return result

    @torch.inference_mode()
    def _parts(self, request: Request) -> Prediction:
        """Prediction for a request, with prior, update and variance."""
        return self._classify(request, Stopwatch(self.cache.device))

    def _classify(self, request: Request, watch: Stopwatch) -> Prediction:
        if request.class_mode:
            deep, colour, clicks = self._class_features.gather(request)
            watch.lap("decode")
            inner = request.window.within(request.decoded).times(request.scale.cell)
            return CroppedPrediction(self.network.classify(deep, colour, [clicks]), inner)
        colour, *pyramid = self._features(request)
        watch.lap("encode")
        chosen = thinned(request.clicks)
        places = clicks_in_window(request, chosen)
        clicks = torch.tensor(places, device=self.cache.device)
        previous = previous_probability(request, self.cache.device)
        deep = self.network.decode(tuple(pyramid), [clicks], previous)
        watch.lap("decode")
        parts = self.network.classify(deep, colour, [clicks])
        if len(chosen) == len(request.clicks) or self.network.config.head != "gp":
            return parts
        return self._agreeing(request, chosen, deep, colour, parts)

    def _agreeing(
        self,
        request: Request,
        chosen: tuple[Click, ...],
        deep: Tensor,
        colour: Tensor,
        parts: Prediction,
    ) -> Prediction:
        """Condition the GP on more pixels of strokes until it contradicts none of them.

        The decoder is shown the pixels that were `chosen` first, as in training; the features that
        it made of them stay.
        """
        device = self.cache.device
        cut = request.latent_cut(self.network.config.temperature)
        everywhere = torch.tensor(clicks_in_window(request), device=device)
        inducing = {*chosen}
        places = raster_taps(everywhere[None, :, :2], *colour.shape[-2:])
        for turn in range(AGREEING_ROUNDS):
            values = read(flatten(parts.logits.float()), places)[0, :, 0]
            short = (DOUBT - (values - cut) * everywhere[:, 2]).tolist()
            wrong = [
                lack > 0 and click not in inducing
                for click, lack in zip(request.clicks, short, strict=True)
            ]
            if not any(wrong):
                break
            is_last = turn == AGREEING_ROUNDS - 1
            added = (
                [index for index, is_wrong in enumerate(wrong) if is_wrong]
                if is_last
                else worst_of_each_run(request.clicks, wrong, short)
            )
            inducing |= {request.clicks[index] for index in added}
            own = [click for click in request.clicks if click in inducing]
            clicks = torch.tensor(clicks_in_window(request, own), device=device)
            parts = self.network.classify(deep, colour, [clicks])
        return parts

    def _features(self, request: Request) -> tuple[Tensor, ...]:
        """Colour and pyramid of the window; kept, as most clicks fall into the last one."""
        source, z, scale, window = request.source, request.z, request.scale, request.window
        key = (source.identity, z, scale, window, request.alone)
        kept = self._window
        if kept is None or kept[0] != key:
            cut = self.embedder.cut_alone if request.alone else self.embedder.cut
            features = cut(source, z, scale, window)
            colour = self.network.colour(features.image)
            kept = self._window = (key, (colour, *features.pyramid))
        return kept[1]

    def _with_less_memory(self, work: Callable[[], T]) -> T:
        """Do some work, again with less each time that memory runs out."""
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
            yield self._drop(f"falls back from {lost} to the CPU")

    def _drop(self, message: str) -> str:
        self.cache.clear()
        self.forget()
        empty_device_cache(self.device)
        self._notify(f"out of memory: napari-gpcis {message}")
        return message


class CroppedPrediction:
    """Prediction of a window of class mode, cut to the part that is answered.

    Parameters
    ----------
    prediction : Prediction
        Prediction of the window with its halo, and with the patches of clicks elsewhere below it.
    inner : Box
        The part that is answered, in network pixels.
    """

    def __init__(self, prediction: Prediction, inner: Box) -> None:
        self.prediction = prediction
        self.inner = inner

    @property
    def logits(self) -> Tensor:
        """The latent."""
        return self._cut(self.prediction.logits)

    @property
    def prior(self) -> Tensor:
        """Prior path, from the image alone."""
        return self._cut(self.prediction.prior)

    @property
    def update(self) -> Tensor:
        """Function-space update by the clicks."""
        return self._cut(self.prediction.update)

    def variance(self) -> Tensor:
        """Variance of the latent."""
        return self._cut(self.prediction.variance())

    def _cut(self, raster: Tensor) -> Tensor:
        rows, cols = self.inner.slices
        return raster[..., rows, cols]


class Stopwatch:
    """Seconds between laps.

    Parameters
    ----------
    device : torch.device
        A GPU is waited for at each lap, without which its work would be counted too late.
    """

    def __init__(self, device: torch.device) -> None:
        self.laps: dict[str, float] = {}
        self._wait = device.type == "cuda"
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to a stage."""
        if self._wait:
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.laps[stage] = self.laps.get(stage, 0.0) + now - self._last
        self._last = now


def previous_probability(request: Request, device: torch.device) -> Tensor | None:
    """Probability of the last round in the window of this one, (1, 1, H, W)."""
    previous = request.previous
    if previous is None:
        return None
    probability = previous.values.to(device).sigmoid()
    if (previous.scale, previous.window) == (request.scale, request.window):
        return probability
    old = previous.window.times(previous.scale.pixels)
    new = request.window.times(request.scale.pixels)
    rows, cols = (
        # where the new window's axis, −1 to 1, lies on the old one's
        [(high - low) / (top - bottom), (low + high - bottom - top) / (top - bottom)]
        for low, high, bottom, top in (
            (new.r0, new.r1, old.r0, old.r1),
            (new.c0, new.c1, old.c0, old.c1),
        )
    )
    affine = probability.new_tensor([[[cols[0], 0.0, cols[1]], [0.0, rows[0], rows[1]]]])
    size = [1, 1, *request.window.times(request.scale.cell).shape]
    grid = F.affine_grid(affine, size, align_corners=False)
    return F.grid_sample(probability, grid, mode="bilinear", align_corners=False)


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=7)
