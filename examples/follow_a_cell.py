"""One click on the middle slice of a stack; propagation carries the object to the others."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_gpcis import Session, load_model


def ball(shape: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A noisy stack with a bright ellipsoid, and its truth."""
    z, row, col = np.indices(shape)
    truth = ((z - 6) / 5) ** 2 + ((row - 64) / 24) ** 2 + ((col - 70) / 20) ** 2 < 1
    light = gaussian_filter(truth.astype(float), (0.7, 1.5, 1.5))
    noise = np.random.default_rng(seed).normal(0, 0.05, shape)
    return light + noise, truth


stack, truth = ball((13, 128, 128))
session = Session(load_model("default"))
session.set_image(stack)
session.add_click(64, 70, z=6)
slices = session.propagate()
session.commit()
found = session.labels == 1
share = (found & truth).sum() / (found | truth).sum()
print(f"carried to slices {slices[0]} to {slices[-1]}; volume IoU {share:.2f}")
