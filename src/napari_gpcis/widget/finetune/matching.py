"""Which labels belong to which image, and whether they look as if they did."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_gpcis.widget.finetune.export import pair_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from napari_gpcis.widget.finetune.export import LayerPair

__all__ = ["follows_edges", "has_objects", "match"]

LARGEST = 50_000_000
"""Pixels of labels that are looked through for an object."""
SLICES = 3
"""Labelled slices of a pair that are compared with the image."""
CLEARLY = 1.1
"""How much more the image changes at the outlines than at outlines put elsewhere."""


def match(images: Sequence[Image], labels: Sequence[Labels]) -> list[tuple[Image, Labels]]:
    """Pairs that fit each other in shape, those whose names are most alike first.

    No layer is in two pairs.
    """
    fitting = [
        (_likeness(image, layer), at, image, layer)
        for at, image in enumerate(images)
        for layer in labels
        if _fits(image, layer)
    ]
    pairs: list[tuple[int, Image, Labels]] = []
    for _, at, image, layer in sorted(fitting, key=lambda item: -item[0]):
        if all(image is not one and layer is not other for _, one, other in pairs):
            pairs.append((at, image, layer))
    return [(image, layer) for _, image, layer in sorted(pairs, key=lambda pair: pair[0])]


def has_objects(layer: Labels) -> bool:
    """True if any pixel is labelled, or if the labels are too large to look through."""
    data: Any = layer.data[0] if layer.multiscale else layer.data
    if not isinstance(data, np.ndarray) or data.size > LARGEST:
        return True
    return bool(data.any())


def follows_edges(pair: LayerPair) -> bool:
    """True if the image changes more at the outlines of its labels than elsewhere.

    The outlines are compared with themselves, moved by parts of the image's size: labels of
    another image, or in another order, are no better than those.
    """
    scores = [_edge_score(*slices) for slices in _labelled_slices(pair)]
    return not scores or float(np.mean(scores)) > CLEARLY


def _edge_score(image: NDArray[Any], labels: NDArray[Any]) -> float:
    smooth = ndimage.gaussian_filter(image.astype(np.float32), 1.0)
    edges = np.hypot(*np.gradient(smooth))
    outline = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        differs = np.diff(labels.astype(np.int64), axis=axis) != 0
        low = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        outline[low] |= differs
    rows, cols = labels.shape[0], labels.shape[1]
    places = [(rows // a, cols // b) for a in (2, 3, 5) for b in (2, 3, 5)]
    moved = [float(edges[np.roll(outline, place, (0, 1))].mean()) for place in places]
    return float(edges[outline].mean()) / max(float(np.mean(moved)), 1e-9)


def _labelled_slices(pair: LayerPair) -> Iterable[tuple[NDArray[Any], NDArray[Any]]]:
    found = 0
    indices = list(np.ndindex(*pair.labels.shape[:-2]))
    for place in indices[:: max(1, len(indices) // 20)]:
        labels = np.asarray(pair.labels[place])
        if not labels.any() or labels.all():
            continue
        yield _slice_of(pair, place), labels
        found += 1
        if found == SLICES:
            return


def _slice_of(pair: LayerPair, place: tuple[int, ...]) -> NDArray[Any]:
    axis = pair.channel_axis
    if axis is None:
        return np.asarray(pair.image[place])
    key: list[Any] = [*place, slice(None), slice(None)]
    key.insert(axis, slice(None))
    pixels = np.asarray(pair.image[tuple(key)])
    mean: NDArray[Any] = pixels.mean(max(0, axis - len(place)))
    return mean


def _fits(image: Image, labels: Labels) -> bool:
    try:
        pair_of(image, labels)
    except ValueError:
        return False
    return True


def _likeness(image: Image, labels: Labels) -> float:
    known = labels.metadata.get("gpcis")
    if isinstance(known, dict) and known.get("image"):
        return 2.0 if known["image"] == image.name else -1.0
    alike = SequenceMatcher(None, str(image.name).lower(), str(labels.name).lower()).ratio()
    # an axis more may be channels, but the same shape says more than a name
    return alike + (tuple(image.data.shape) == tuple(labels.data.shape))
