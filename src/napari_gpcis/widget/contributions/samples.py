"""Sample images: three that scikit-image brings along, and two made here; none needs a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["cell", "coins", "immunohistochemistry", "moving_cells", "nuclei"]

LayerData = tuple[Any, dict[str, Any], str]


def cell() -> list[LayerData]:
    """A single cell, quantitative phase image (660, 550)."""
    from skimage import data

    return [(data.cell(), {"name": "cell"}, "image")]


def coins() -> list[LayerData]:
    """Greek coins from Pompeii (303, 384): 24 objects to click through."""
    from skimage import data

    return [(data.coins(), {"name": "coins"}, "image")]


def immunohistochemistry() -> list[LayerData]:
    """Colonic glands, RGB (512, 512, 3)."""
    from skimage import data

    image = data.immunohistochemistry()
    return [(image, {"name": "immunohistochemistry", "rgb": True}, "image")]


def nuclei() -> list[LayerData]:
    """Synthetic stack of nuclei (24, 256, 256), slices 1 µm and pixels 0.25 µm apart."""
    generator = np.random.default_rng(7)
    shape = (24, 256, 256)
    light = np.zeros(shape, np.float32)
    for centre in _apart(generator, shape, count=55, distance=(7, 25, 25)):
        radii = generator.uniform((3.0, 10, 10), (4.5, 15, 15))
        _add_ellipsoid(light, generator, centre, radii)
    image = _seen(generator, light, blur=(0.9, 1.2, 1.2))
    return [(image, {"name": "nuclei", "scale": (1, 0.25, 0.25), "units": ["µm"] * 3}, "image")]


def moving_cells() -> list[LayerData]:
    """Synthetic film of crawling cells (20, 256, 256), pixels 0.5 µm apart, a frame a minute."""
    generator = np.random.default_rng(11)
    frames, shape = 20, (256, 256)
    centres = _apart(generator, shape, count=22, distance=(34, 34))
    steps = generator.normal(0, 0.8, centres.shape)
    radii = generator.uniform(8, 15, centres.shape)
    film = np.zeros((frames, *shape), np.uint16)
    for frame in range(frames):
        light = np.zeros(shape, np.float32)
        breath = 1 + 0.12 * np.sin(frame / 3 + np.arange(len(centres)))
        for index, centre in enumerate(centres + frame * steps):
            stretched = radii[index] * (breath[index], 1 / breath[index])
            # The same texture in each frame: it is the same cell.
            _add_ellipsoid(light, np.random.default_rng(index), centre, stretched)
        film[frame] = _seen(generator, light, blur=(1.2, 1.2))
    placement = {"scale": (60, 0.5, 0.5), "units": ["s", "µm", "µm"]}
    return [(film, {"name": "moving cells", **placement}, "image")]


def _apart(
    generator: np.random.Generator, shape: Sequence[int], count: int, distance: Sequence[float]
) -> NDArray[np.float64]:
    """Up to `count` random places that keep an ellipsoidal distance from each other."""
    places: list[NDArray[np.float64]] = []
    for place in generator.uniform(0, shape, (40 * count, len(shape))):
        if len(places) < count and all(
            np.square((place - other) / distance).sum() > 1 for other in places
        ):
            places.append(place)
    return np.array(places)


def _add_ellipsoid(
    light: NDArray[np.float32],
    generator: np.random.Generator,
    centre: NDArray[np.float64],
    radii: NDArray[np.float64],
) -> None:
    """Add an ellipsoid, turned in the plane, with an uneven outline and a chromatin-like texture.

    Only the box around it is touched.
    """
    from scipy import ndimage

    angle, brightness = generator.uniform(0, np.pi), generator.uniform(0.45, 1.0)
    radii = np.array(radii)
    reach = np.ceil(1.5 * np.maximum(radii, [*radii[:-2], *[radii[-2:].max()] * 2])).astype(int)
    middle = np.round(centre).astype(int)
    # Drawn before the box is cut at the image's edge, so that a cell that leaves stays itself.
    noise = generator.normal(0, 1, 2 * reach + 1)
    grid = np.stack(np.meshgrid(*(np.arange(-r, r + 1.0) for r in reach), indexing="ij"))
    grid -= (centre - middle).reshape(-1, *[1] * len(radii))
    y, x = grid[-2].copy(), grid[-1].copy()
    grid[-2], grid[-1] = (
        np.cos(angle) * y - np.sin(angle) * x,
        np.sin(angle) * y + np.cos(angle) * x,
    )
    distance = np.sqrt(np.square(grid / radii.reshape(-1, *[1] * len(radii))).sum(0))
    coarse, fine = (ndimage.gaussian_filter(noise, radii / part) for part in (2.0, 6.0))
    outline = distance + 0.08 * coarse / coarse.std()
    texture = np.clip(1 + 0.22 * fine / fine.std(), 0.3, None)
    body = brightness * texture / (1 + np.exp((outline - 1) * 18))
    low = np.maximum(middle - reach, 0)
    high = np.clip(middle + reach + 1, 0, light.shape)
    if (high > low).all():
        inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        part = tuple(
            slice(a, b) for a, b in zip(low - middle + reach, high - middle + reach, strict=True)
        )
        light[inside] = np.maximum(light[inside], body[part])


def _seen(
    generator: np.random.Generator, light: NDArray[np.float32], blur: Sequence[float]
) -> NDArray[np.uint16]:
    """Image of a camera: blur, uneven background, shot noise and read noise, 12 bit."""
    from scipy import ndimage

    haze = ndimage.gaussian_filter(light, [12 * sigma for sigma in blur])
    photons = 180 * ndimage.gaussian_filter(light, blur) + 90 * haze + 14
    counts = 6 * generator.poisson(photons) + generator.normal(100, 12, light.shape)
    seen: NDArray[np.uint16] = np.clip(counts, 0, 4095).astype(np.uint16)
    return seen
