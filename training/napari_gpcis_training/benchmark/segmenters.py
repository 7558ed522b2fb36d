"""Segmenters of the benchmark: networks by the papers' protocol, and sessions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from napari_gpcis import Session
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.model import import_official, load_model
from napari_gpcis.model.inference import inference_copy
from napari_gpcis_training.benchmark.zoom import Zoom, ZoomedView

if TYPE_CHECKING:
    from napari_gpcis.engine import Result
    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis.model.heads import Prediction

    Array = np.ndarray[Any, np.dtype[Any]]

PAPER_SIZE = 384
_OFFICIAL_SUFFIXES = (".pth", ".pt")
_BEYOND = -20.0
"""Logit of pixels that the network was not shown."""


class Segmenter(Protocol):
    """Something that turns clicks into a mask.

    Attributes
    ----------
    name : str
        Name in the tables.
    parameters : int or None
        Numbers that were trained; None for a method without any.
    """

    name: str
    parameters: int | None

    def start(self, image: Array, diameter: float | None) -> None:
        """Begin an object; the same array again keeps what was computed of the image.

        Parameters
        ----------
        image : uint8, shape (Y, X) or (Y, X, 3)
            Grey or RGB.
        diameter : float or None
            Size of the image's objects as a user would state it, px.
        """
        ...

    def click(self, row: int, col: int, positive: bool) -> Array:
        """Answer one more click: bool, shape (Y, X)."""
        ...


def load_network(name_or_path: str) -> SegmentationNetwork:
    """Load a model by name or path, or a checkpoint of the reference implementation (.pth).

    Raises
    ------
    ModelFileError
        If there is no such model, or its file cannot be read.
    """
    if Path(name_or_path).suffix.lower() in _OFFICIAL_SUFFIXES:
        return import_official(name_or_path)
    return load_model(name_or_path)


def count_parameters(network: SegmentationNetwork) -> int:
    """Numbers that training changes."""
    return sum(parameter.numel() for parameter in network.parameters())


class PaperSegmenter:
    """A network alone, by the papers' protocol: zoom to the object, threshold 0.5, no flips.

    Intensities are stretched between their 0.1st and 99.9th percentile, as a session does; that
    leaves photographs nearly as they are. Both fusions see the same square; the encoder of the
    `cached` one runs when the box changes.

    Parameters
    ----------
    name : str
    network : SegmentationNetwork
        The network, which is copied.
    size : int
        Side of the square that the network sees, px; a multiple of its size divisor.
    device : str or torch.device

    Attributes
    ----------
    logits : float32, shape (Y, X)
        Logits of the last answer; −20 outside the last box.
    prediction : Prediction or None
        The head's answer in the last view.
    view : ZoomedView or None
        The last one.
    """

    def __init__(
        self,
        name: str,
        network: SegmentationNetwork,
        size: int = PAPER_SIZE,
        device: str | torch.device = "cpu",
    ) -> None:
        if size % network.size_divisor:
            raise ValueError(
                f"expected a multiple of {network.size_divisor} px, got {size}; round it"
            )
        self.name = name
        self.parameters: int | None = count_parameters(network)
        self.network = inference_copy(network, torch.device(device))
        self.size = size
        self.prediction: Prediction | None = None
        self.view: ZoomedView | None = None
        self._image: Array | None = None

    def start(self, image: Array, diameter: float | None) -> None:
        """Begin an object; its diameter is not looked at."""
        shape = (image.shape[0], image.shape[1])
        if image is not self._image:
            self._image = image
            source = ImageSource(image)
            pixels = torch.from_numpy(source.read(0, Box(0, 0, *shape)))[None]
            self._pixels = pixels.to(self.network.mean.device)
            self._encoded: dict[ZoomedView, tuple[Tensor, ...]] = {}
        self._zoom = Zoom(shape)
        self._clicks: list[tuple[int, int, bool]] = []
        self.logits: Array = np.full(shape, _BEYOND, np.float32)
        self._previous = torch.zeros_like(self._pixels[:, :1])
        self.view = self.prediction = None

    @torch.inference_mode()
    def click(self, row: int, col: int, positive: bool) -> Array:
        """Answer one more click: bool, shape (Y, X)."""
        self._clicks.append((row, col, positive))
        view = ZoomedView(self._zoom.follow(self.logits > 0, self._clicks), self.size)
        colour, *pyramid = self._features(view)
        clicks = [view.place(self._clicks, colour.device)]
        deep = self.network.decode(tuple(pyramid), clicks, view.cut(self._previous))
        self.prediction = self.network.classify(deep, colour, clicks)
        self.logits = np.full_like(self.logits, _BEYOND)
        self.logits[view.box.slices] = view.to_image(self.prediction.logits)
        self._previous = torch.from_numpy(self.logits)[None, None].to(colour.device).sigmoid()
        self.view = view
        mask: Array = self.logits > 0
        return mask

    def _features(self, view: ZoomedView) -> tuple[Tensor, ...]:
        """Colour and pyramid of a view; those of the whole image and of the last one are kept."""
        if view not in self._encoded:
            whole = ZoomedView(Box(0, 0, *self.logits.shape), self.size)
            self._encoded = {key: kept for key, kept in self._encoded.items() if key == whole}
            image = view.cut(self._pixels)
            self._encoded[view] = (self.network.colour(image), *self.network.encode(image))
        return self._encoded[view]


class SessionSegmenter:
    """A session, as its user has it: native resolution, window around the object, cache.

    Parameters
    ----------
    name : str
    network : SegmentationNetwork
    device : str
        Device, as `Session` takes it.
    with_diameter : bool
        True if the session is told the object diameter.

    Attributes
    ----------
    result : Result or None
        The last answer.
    """

    def __init__(
        self,
        name: str,
        network: SegmentationNetwork,
        device: str = "cpu",
        *,
        with_diameter: bool = True,
    ) -> None:
        self.name = name
        self.parameters: int | None = count_parameters(network)
        self.session = Session(network, device=device)
        self.result: Result | None = None
        self._with_diameter = with_diameter
        self._image: Array | None = None

    def start(self, image: Array, diameter: float | None) -> None:
        """Begin an object."""
        self.session.object_diameter = diameter if self._with_diameter else None
        if image is self._image:
            self.session.clear()
        else:
            self._image = image
            self.session.set_image(image)
        self.result = None

    def click(self, row: int, col: int, positive: bool) -> Array:
        """Answer one more click: bool, shape (Y, X)."""
        self.result = self.session.add_click(row, col, positive)
        return self.result.mask
