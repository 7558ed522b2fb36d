"""Pixels of held-out objects: a network's answers after some clicks, and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_gpcis.engine.masks import moderate
from napari_gpcis_training.augment import OUTSIDE, TARGET
from napari_gpcis_training.protocol import SimulatedUser
from napari_gpcis_training.simulation import Encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_gpcis.model import SegmentationNetwork
    from napari_gpcis_training.augment import Crop

    Array = np.ndarray[Any, np.dtype[Any]]

__all__ = ["CLICKS", "Pixels", "gather_pixels"]

CLICKS = (1, 2, 3, 5)
"""Clicks after which pixels are looked at."""
MARGIN = 0.25
"""By which the box of an object is grown on each side: what is near it."""
_PIXELS = 4096
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Pixels:
    """A sample of pixels, of all objects and numbers of clicks alike; arrays of shape (n,).

    Attributes
    ----------
    latent, variance : float32
        f and v of the network's answer.
    truth, near : bool
        True for pixels in the object, and in its box, grown by a quarter on each side.
    clicks : int
        Number of clicks that were answered.
    item : int
        Number of the crop.
    """

    latent: Array
    variance: Array
    truth: Array
    near: Array
    clicks: Array
    item: Array

    def __len__(self) -> int:
        """Return the number of pixels."""
        return len(self.latent)

    def where(self, chosen: Array) -> Pixels:
        """Select some of them: bool, shape (n,)."""
        return Pixels(*(getattr(self, name)[chosen] for name in self.__slots__))

    def logits(self, *, with_variance: bool, temperature: float = 1.0) -> Array:
        """Give f / T, or f / (T √(1 + π v / 8)); shape (n,)."""
        latent = moderate(self.latent, self.variance) if with_variance else self.latent
        logits: Array = latent / temperature
        return logits

    @staticmethod
    def join(parts: Sequence[Pixels]) -> Pixels:
        """One after the other; at least one."""
        names = Pixels.__slots__
        return Pixels(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def gather_pixels(
    network: SegmentationNetwork, crops: Sequence[Crop], clicks: Sequence[int] = CLICKS
) -> Pixels:
    """Click at held-out objects as the benchmark does, and sample pixels of the answers.

    Parameters
    ----------
    network : SegmentationNetwork
        A network on any device; it is put into evaluation mode.
    crops : sequence of Crop
        Crops of one size, as of `evaluate.evaluation_crops`: an object in the middle of three times
        its size. 4096 of the pixels that count are drawn of each, the same for all answers.
    clicks : sequence of int
        Numbers of clicks after which to look. An object that has no wrong pixel left by then gives
        the pixels of its last answer.

    Raises
    ------
    ValueError
        If there is no crop.
    """
    if not crops:
        raise ValueError("expected held-out objects to calibrate on, got none; give a data set")
    network.eval()
    parts = [
        part
        for start in range(0, len(crops), _BATCH)
        for part in _gather_batch(network, crops[start : start + _BATCH], clicks, start)
    ]
    return Pixels.join(parts)


@torch.no_grad()
def _gather_batch(
    network: SegmentationNetwork, crops: Sequence[Crop], turns: Sequence[int], first: int
) -> Iterator[Pixels]:
    device = network.mean.device
    images = torch.from_numpy(np.stack([crop.image for crop in crops])).to(device)
    encoded = Encoded.of(network, images)
    samples = [_Sample(crop, seed=first + number) for number, crop in enumerate(crops)]
    users = [sample.user for sample in samples]
    previous = torch.zeros_like(images[:, :1])
    for turn in range(1, max(turns) + 1):
        for user in users:
            user.click()
        clicks = [torch.from_numpy(user.signed_clicks()).to(device) for user in users]
        deep = network.decode(encoded.pyramid, clicks, previous)
        answer = network.classify(deep, encoded.colour, clicks)
        previous = torch.sigmoid(answer.logits)
        latent = answer.logits[:, 0].float().cpu().numpy()
        for user, each in zip(users, latent, strict=True):
            user.mask = each > 0
        if turn in turns:
            variance = answer.variance()[:, 0].float().cpu().numpy()
            for number, sample in enumerate(samples):
                yield sample.pixels(latent[number], variance[number], turn, first + number)


class _Sample:
    """A sample of a crop's pixels, and the user who clicks at it."""

    def __init__(self, crop: Crop, seed: int) -> None:
        self.user = SimulatedUser(crop.codes == TARGET, crop.codes != OUTSIDE)
        places = np.flatnonzero(self.user.valid)
        rng = np.random.default_rng(seed)
        self._places = rng.permutation(places)[:_PIXELS]
        self._near = near_box(self.user.target)

    def pixels(self, latent: Array, variance: Array, turn: int, item: int) -> Pixels:
        """Pixels of an answer."""
        count = len(self._places)
        return Pixels(
            latent=latent.ravel()[self._places],
            variance=variance.ravel()[self._places],
            truth=self.user.target.ravel()[self._places],
            near=self._near.ravel()[self._places],
            clicks=np.full(count, turn, np.int64),
            item=np.full(count, item, np.int64),
        )


def near_box(target: Array) -> Array:
    """Pixels in the box of an object, grown by a quarter of its longer side; bool, (Y, X)."""
    rows, cols = (np.flatnonzero(target.any(axis)) for axis in (1, 0))
    margin = int(np.ceil(MARGIN * max(np.ptp(rows) + 1, np.ptp(cols) + 1)))
    near = np.zeros_like(target)
    near[
        max(0, rows[0] - margin) : rows[-1] + margin + 1,
        max(0, cols[0] - margin) : cols[-1] + margin + 1,
    ] = True
    return near
