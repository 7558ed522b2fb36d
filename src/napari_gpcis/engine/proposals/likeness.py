"""How much every place of a slice looks like the inside of the examples.

The learned prior path is the same for inside and outside, and so does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from napari_gpcis.engine.class_gp import ColourTerm, condition

if TYPE_CHECKING:
    from napari_gpcis.engine.class_features import ClassFeatures
    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.proposals.examples import Examples
    from napari_gpcis.engine.types import Array
    from napari_gpcis.model import SegmentationNetwork

OUTSIDE, INSIDE = 0, 1


class Likeness:
    """The GP of class mode, conditioned on the examples' pixels; for windows of any image.

    Parameters
    ----------
    network : SegmentationNetwork
        A network with a GP head.
    examples : Examples
        Examples to condition on.
    """

    def __init__(self, network: SegmentationNetwork, examples: Examples) -> None:
        self.scale = examples.scale
        self._network = network
        patches = (*examples.inside, *examples.around)
        classes = [INSIDE] * len(examples.inside) + [OUTSIDE] * len(examples.around)
        with torch.inference_mode():
            self._update = condition(network, patches, classes, (OUTSIDE, INSIDE)).contrasts()
        self._colour: dict[bool, ColourTerm] = {}

    @torch.inference_mode()
    def on_grid(self, features: ClassFeatures, source: ImageSource, z: int, window: Box) -> Array:
        """Probability of the inside at the grid points of a window of cells, (h, w) float32."""
        deep, colour = features.cut(source, z, self.scale, window)
        pooled = F.avg_pool2d(colour, self._network.grid_stride)
        is_grey = len(source.channels) == 1
        if is_grey not in self._colour:
            self._colour[is_grey] = ColourTerm(self._network, self._update, is_grey=is_grey)
        contrast = self._update.on_grid(deep) + self._colour[is_grey].of_colour(pooled)
        probability: Array = (0.5 * contrast[0, 0]).sigmoid().cpu().numpy()
        return probability
