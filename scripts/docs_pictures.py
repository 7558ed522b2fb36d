"""The picture of docs/how-it-works.md: prior path, update, latent, probability and variance.

    python scripts/docs_pictures.py

Two clicks on scikit-image's coins, answered by the default model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import skimage.data

from napari_gpcis import Session, load_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_gpcis import Result

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "how_it_works.png"
POSITIVE, NEGATIVE = (193, 212), (160, 245)
BLUE, VERMILLION = "#0072B2", "#D55E00"


def main() -> None:
    """Draw and write the picture."""
    image = skimage.data.coins()
    session = Session(load_model("default"), device="cpu")
    session.set_image(image)
    session.add_click(*POSITIVE)
    result = session.add_click(*NEGATIVE, positive=False)
    draw(image, result)
    print(f"{OUTPUT}: a mask of {int(result.mask.sum())} px")


def draw(image: NDArray[Any], result: Result) -> None:
    """Draw the image with its outline, and the parts of the answer, in one row of two lines."""
    mpl.use("agg")
    from matplotlib import pyplot as plt

    crop = result.box.slices
    latent = result.prior + result.update
    reach = float(np.abs(latent[crop]).max())
    panels: list[tuple[str, NDArray[Any], dict[str, Any]]] = [
        ("image, clicks, mask", image, {"cmap": "gray"}),
        ("prior path", result.prior, {"cmap": "RdBu", "vmin": -reach, "vmax": reach}),
        ("update by the clicks", result.update, {"cmap": "RdBu", "vmin": -reach, "vmax": reach}),
        ("latent: their sum", latent, {"cmap": "RdBu", "vmin": -reach, "vmax": reach}),
        ("probability", result.probability, {"cmap": "viridis", "vmin": 0, "vmax": 1}),
        ("posterior variance", result.variance, {"cmap": "magma", "vmin": 0}),
    ]
    figure, axes = plt.subplots(2, 3, figsize=(9, 5.6), layout="constrained")
    for axis, (title, values, style) in zip(axes.flat, panels, strict=True):
        shown = axis.imshow(values[crop], **style)
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
        if "vmin" in style:
            figure.colorbar(shown, ax=axis, shrink=0.8)
        top, left = result.box[:2]
        axis.plot(POSITIVE[1] - left, POSITIVE[0] - top, "o", color=BLUE, mec="white")
        axis.plot(NEGATIVE[1] - left, NEGATIVE[0] - top, "X", color=VERMILLION, mec="white")
    axes.flat[0].contour(result.mask[crop], [0.5], colors=BLUE)
    figure.savefig(OUTPUT, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
