"""Request → Result: features of the window, decoder, GP, and back to the image's pixels."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_gpcis.engine.classes import ClassFeatures
from napari_gpcis.engine.request import Request, place_in
from napari_gpcis.engine.result import Result

if TYPE_CHECKING:
    from collections.abc import Hashable

    from napari_gpcis.engine.embedding import Embedder
    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.model.heads import Prediction


class Predictor:
    """Answers requests; knows nothing of sessions.

    Parameters
    ----------
    embedder : Embedder
        Brings the network and the device.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.class_features = ClassFeatures(embedder)
        self._window: tuple[Hashable, tuple[Tensor, ...]] | None = None

    @property
    def device(self) -> torch.device:
        """Where tensors are."""
        return self.embedder.cache.device

    def forget(self) -> None:
        """Drop the features of the last window and of clicks elsewhere."""
        self.class_features.forget()
        self._window = None

    @torch.inference_mode()
    def predict(self, request: Request) -> Result:
        """Answer a request.

        Parameters
        ----------
        request : Request
            Clicks, window and scale.

        Returns
        -------
        Result
            Its mask is there; probability, variance and the rest are made on first access.
        """
        temperature = self.embedder.network.config.temperature
        if request.core.empty:
            return Result(request, torch.zeros(1, 1, 0, 0), None, self.parts, {}, temperature)
        watch = Stopwatch(self.device)
        parts: Prediction | None = None
        if request.likeness is not None:
            latent = request.likeness.latent(request, self.class_features)
        else:
            parts = self._predict(request, watch)
            latent = parts.logits.float().contiguous()
        watch.lap("gp")
        result = Result(request, latent, parts, self.parts, {}, temperature)
        result.fill()
        watch.lap("resample")
        result.timings = watch.laps
        return result

    @torch.inference_mode()
    def parts(self, request: Request) -> Prediction:
        """Prediction for a request, without what `predict` makes of it."""
        return self._predict(request, Stopwatch(self.device))

    def _predict(self, request: Request, watch: Stopwatch) -> CorePrediction:
        network = self.embedder.network
        if request.class_mode:
            deep, colour, clicks = self.class_features.gather(request)
        else:
            colour, *pyramid = self._features(request)
            watch.lap("encode")
            clicks = clicks_in_window(request, self.device)
            previous = previous_probability(request, self.device)
            deep = network.decode(tuple(pyramid), [clicks], previous)
        watch.lap("decode")
        core = request.core.within(request.window).times(request.scale.cell)
        return CorePrediction(network.classify(deep, colour, [clicks]), core)

    def _features(self, request: Request) -> tuple[Tensor, ...]:
        """Colour and pyramid of the window; kept, as most clicks fall into the last one."""
        source, z, scale, window = request.source, request.z, request.scale, request.window
        key = (source.identity, z, scale, window, request.alone)
        kept = self._window
        if kept is None or kept[0] != key:
            cut = self.embedder.cut_alone if request.alone else self.embedder.cut
            features = cut(source, z, scale, window)
            colour = self.embedder.network.colour(features.image)
            kept = self._window = (key, (colour, *features.pyramid))
        return kept[1]


class CorePrediction:
    """Prediction of a window, cut to the part that is answered.

    Parameters
    ----------
    prediction : Prediction
    core : Box
        In network pixels of the window.
    """

    def __init__(self, prediction: Prediction, core: Box) -> None:
        self.prediction = prediction
        self.core = core

    @property
    def logits(self) -> Tensor:
        """The latent."""
        return self._cut(self.prediction.logits)

    @property
    def prior(self) -> Tensor:
        """What the image alone suggests."""
        return self._cut(self.prediction.prior)

    @property
    def update(self) -> Tensor:
        """What the clicks add."""
        return self._cut(self.prediction.update)

    def variance(self) -> Tensor:
        """Variance of the latent."""
        return self._cut(self.prediction.variance())

    def _cut(self, raster: Tensor) -> Tensor:
        rows, cols = self.core.slices
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


def clicks_in_window(request: Request, device: torch.device) -> Tensor:
    """Clicks as the network takes them, (n, 3): row, column, ±1."""
    rows = [
        [*place_in(click, request.scale, request.window), 1.0 if click.positive else -1.0]
        for click in request.clicks
    ]
    return torch.tensor(rows, device=device)
