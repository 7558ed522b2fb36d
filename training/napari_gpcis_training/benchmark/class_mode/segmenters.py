"""Methods that learn classes from clicks: ours, and a random forest as ilastik has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

from napari_gpcis.engine import Session
from napari_gpcis.engine.click import Click

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_gpcis.model import SegmentationNetwork

__all__ = ["ClassSegmenter", "ForestClasses", "SessionClasses"]

_SIGMA = (1.0, 16.0)


class ClassSegmenter(Protocol):
    """A method that learns classes from pixels.

    Attributes
    ----------
    name : str
    radius : int
        Radius of the brush, px, around a click; 0 to learn from the clicked pixel alone.
    """

    name: str
    radius: int

    def start(self, image: NDArray[np.uint8]) -> None:
        """Take an image, (Y, X) or (Y, X, 3), and forget the last one and its pixels."""

    def learn(self, pixels: NDArray[np.intp], number: int) -> NDArray[np.integer]:
        """Learn that pixels are of a class.

        Parameters
        ----------
        pixels : int, shape (n, 2)
            Row and column, the clicked pixel first.
        number : int
            Their class, 1…K.

        Returns
        -------
        int, shape (Y, X)
            The class of every pixel, as known now.
        """


class SessionClasses:
    """Class mode as users have it: a Gaussian process on deep features.

    Parameters
    ----------
    network : SegmentationNetwork
        A network with a GP head.
    name : str
    object_diameter : float, optional
        Diameter in pixels, as `Session` takes it.
    """

    radius = 0

    def __init__(
        self,
        network: SegmentationNetwork,
        name: str = "Gaussian process",
        object_diameter: float | None = None,
    ) -> None:
        self.name = name
        self._session = Session(network, mode="class", object_diameter=object_diameter)

    def start(self, image: NDArray[np.uint8]) -> None:
        """Encode the image."""
        self._session.set_image(image)
        self._session.prepare()

    def learn(self, pixels: NDArray[np.intp], number: int) -> NDArray[np.integer]:
        """Add the clicks, then classify the slice."""
        annotation = self._session.annotation
        for row, col in pixels.tolist():
            annotation.add(Click.at(row, col, object_id=number, shape=annotation.shape))
        return self._session.classify()


class ForestClasses:
    """A random forest on intensity, edges and texture at five scales, σ = 1 … 16 px.

    Parameters
    ----------
    radius : int
        Radius of the brush, px.
    trees : int
        100, as ilastik has.
    seed : int
        Seed of the forest.
    threads : int
        Threads on which the trees are grown and asked.

    References
    ----------
    Berg et al., "ilastik: interactive machine learning for (bio)image analysis", Nature Methods
    2019; van der Walt et al., "scikit-image: image processing in Python", PeerJ 2014
    (`skimage.future.trainable_segmentation`).
    """

    def __init__(self, radius: int = 0, trees: int = 100, seed: int = 0, threads: int = 1) -> None:
        self.name = f"random forest, {radius} px brush" if radius else "random forest"
        self.radius = radius
        self.trees = trees
        self.seed = seed
        self.threads = threads

    def start(self, image: NDArray[np.uint8]) -> None:
        """Compute the features of all pixels."""
        if image.ndim == 3 and (image == image[..., :1]).all():
            image = image[..., 0]  # grey, stored as colour
        features = multiscale_basic_features(
            image,
            sigma_min=_SIGMA[0],
            sigma_max=_SIGMA[1],
            channel_axis=-1 if image.ndim == 3 else None,
        )
        self._shape = image.shape[:2]
        self._features = np.asarray(features, np.float32).reshape(-1, features.shape[-1])
        self._known: dict[int, int] = {}

    def learn(self, pixels: NDArray[np.intp], number: int) -> NDArray[np.integer]:
        """Grow the forest anew from all pixels so far; a later class of a pixel counts."""
        for place in np.ravel_multi_index((pixels[:, 0], pixels[:, 1]), self._shape).tolist():
            self._known[place] = number
        forest = RandomForestClassifier(self.trees, random_state=self.seed, n_jobs=self.threads)
        forest.fit(self._features[list(self._known)], list(self._known.values()))
        classes: NDArray[np.integer] = forest.predict(self._features).reshape(self._shape)
        return classes
