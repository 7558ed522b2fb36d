"""Classical peers that need no weights: the random walker, and GrabCut.

Neither was made for a single click; what each takes for background is said in its docstring. Clicks
are drawn as small disks, the newest on top, but a clicked pixel stays its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from skimage.segmentation import random_walker

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

_BACKGROUND, _OBJECT = 1, 2
_SEED_RADIUS = 3


class _Peer:
    """Clicks as seeds on an image that was made small."""

    parameters: int | None = None

    def __init__(self, name: str, longest_side: int) -> None:
        self.name = name
        self.longest_side = longest_side
        self._image: Array | None = None

    def start(self, image: Array, diameter: float | None) -> None:
        """Begin an object; its diameter is not looked at."""
        if image is not self._image:
            self._image = image
            self._small = self._shrunk(image)
        self._shape = (image.shape[0], image.shape[1])
        self._clicks: list[tuple[int, int, bool]] = []

    def _shrunk(self, image: Array) -> Array:
        factor = min(1.0, self.longest_side / max(image.shape[:2]))
        size = [max(1, round(side * factor)) for side in image.shape[1::-1]]
        small: Array = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return small if small.ndim == 3 else np.repeat(small[..., None], 3, -1)

    def _seeds(self) -> Array:
        """0, or `_BACKGROUND` and `_OBJECT` in the disks around clicks: uint8, (y, x)."""
        seeds = np.zeros(self._small.shape[:2], np.uint8)
        places = []
        for row, col, positive in self._clicks:
            y, x = self._place(row, col)
            places.append((y, x, _OBJECT if positive else _BACKGROUND))
            cv2.circle(seeds, (x, y), _SEED_RADIUS, places[-1][2], cv2.FILLED)
        for y, x, label in places:
            seeds[y, x] = label
        return seeds

    def _place(self, row: int, col: int) -> tuple[int, int]:
        """Pixel of the small image that shows a pixel of the image."""
        (height, width), (rows, cols) = self._shape, self._small.shape[:2]
        return (2 * row + 1) * rows // (2 * height), (2 * col + 1) * cols // (2 * width)

    @property
    def _only_positive(self) -> bool:
        return all(positive for *_, positive in self._clicks)

    def _grown(self, probability: Array) -> Array:
        """From the small image to the image: bool, (Y, X)."""
        size = self._shape[::-1]
        full = cv2.resize(probability.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        mask: Array = full > 0.5
        return mask


class RandomWalker(_Peer):
    """Random walker on colour: a pixel belongs to the seeds that a walk from it reaches first.

    The border of the image, where no seed is, counts as background, whatever the clicks: so it
    did better on photographs than with the border dropped at the first negative click.

    Parameters
    ----------
    name : str
    longest_side : int
        Longest side of the image on which it walks, px; larger ones are shrunk.
    beta : float
        Aversion to a step between two colours. Of 30, 130 (scikit-image's own), 1000
        and 3000, 1000 did best on eight photographs.

    References
    ----------
    Grady, Random Walks for Image Segmentation, 2006; scikit-image's implementation.
    """

    def __init__(
        self, name: str = "random walker", longest_side: int = 256, beta: float = 1000.0
    ) -> None:
        super().__init__(name, longest_side)
        self.beta = beta

    def click(self, row: int, col: int, positive: bool) -> Array:
        """Answer one more click: bool, shape (Y, X)."""
        self._clicks.append((row, col, positive))
        seeds = self._seeds()
        seeds[_border(seeds.shape) & (seeds == 0)] = _BACKGROUND
        if not (seeds == _OBJECT).any():
            return np.zeros(self._shape, np.bool_)
        image = self._small.astype(np.float64) / 255
        probabilities = random_walker(
            image,
            seeds.astype(np.int32),
            self.beta,
            mode="cg_j",
            return_full_prob=True,
            prob_tol=np.inf,  # a little beyond 0 or 1 is as good as that
            channel_axis=-1,
        )
        return self._grown(probabilities[-1])


class GrabCut(_Peer):
    """Graph cut between two colour mixtures that are fitted in turn with it.

    The first click makes a disk around it, of a quarter of the image's shorter side as its radius,
    probably object, and the rest probably background; later ones start from the last mask. While
    all clicks are positive, the border of the image is background.

    Parameters
    ----------
    name : str
    longest_side : int
        Longest side of the image that is cut, px; larger ones are shrunk.
    rounds : int
        Rounds of fitting and cutting per click.

    References
    ----------
    Rother et al., GrabCut, 2004; OpenCV's implementation.
    """

    def __init__(self, name: str = "GrabCut", longest_side: int = 512, rounds: int = 3) -> None:
        super().__init__(name, longest_side)
        self.rounds = rounds

    def start(self, image: Array, diameter: float | None) -> None:
        """Begin an object; its diameter is not looked at."""
        super().start(image, diameter)
        self._guess = np.zeros(self._small.shape[:2], np.bool_)

    def click(self, row: int, col: int, positive: bool) -> Array:
        """Answer one more click: bool, shape (Y, X)."""
        self._clicks.append((row, col, positive))
        if positive and not self._guess.any():
            y, x = self._place(row, col)
            disk = np.zeros(self._guess.shape, np.uint8)
            cv2.circle(disk, (x, y), min(disk.shape) // 4, 1, cv2.FILLED)
            self._guess = disk.astype(np.bool_)
        codes = self._codes()
        is_object = (codes == cv2.GC_FGD) | (codes == cv2.GC_PR_FGD)
        if is_object.any() and not is_object.all():
            codes = self._cut(codes)
        self._guess = (codes == cv2.GC_FGD) | (codes == cv2.GC_PR_FGD)
        return self._grown(self._guess)

    def _codes(self) -> Array:
        codes = np.where(self._guess, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        if self._only_positive:
            codes[_border(codes.shape)] = cv2.GC_BGD
        seeds = self._seeds()
        codes[seeds == _BACKGROUND] = cv2.GC_BGD
        codes[seeds == _OBJECT] = cv2.GC_FGD
        return codes

    def _cut(self, codes: Array) -> Array:
        cv2.setRNGSeed(0)  # its mixtures begin with k-means from random centres
        image = np.ascontiguousarray(self._small)
        outside, inside = np.zeros((1, 65)), np.zeros((1, 65))
        nowhere = (0, 0, 1, 1)  # not looked at when there is a mask
        try:
            cut, *_ = cv2.grabCut(
                image, codes, nowhere, outside, inside, self.rounds, cv2.GC_INIT_WITH_MASK
            )
        except cv2.error:  # fewer pixels than a mixture has components
            return codes
        return np.asarray(cut)


def _border(shape: tuple[int, ...]) -> Array:
    border = np.ones(shape, np.bool_)
    border[1:-1, 1:-1] = False
    return border
