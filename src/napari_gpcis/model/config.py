"""The configuration of a network; stored in each checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FUSIONS = ("cached", "paper")
HEADS = ("gp", "conv")
GRID_STRIDES = (1, 2, 4)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_KNOWN = {"fusion": FUSIONS, "head": HEADS, "stride": GRID_STRIDES}


@dataclass(frozen=True)
class NetworkConfig:
    """Configuration of a network.

    Parameters
    ----------
    fusion : {"cached", "paper"}
        Place at which clicks enter: in the decoder, behind a cached encoder, or after the stem.
    encoder : str
        Name of a timm model with `features_only` support, or ``segformer_b0`` (needs
        transformers). The paper fusion takes ResNets, HRNets and ``segformer_b0``.
    head : {"gp", "conv"}
        Gaussian process classifier, or a 1×1 convolution (the RITM-style baseline).
    image_mean, image_std : tuple of 3 float
        Mean and spread of the encoder's input in its pre-training, in the range 0–1.
    channels : int
        Channels of the cached pyramid.
    feature_dim : int
        D, length of a deep feature.
    fourier_features : int
        L of the learned prior path.
    click_radius : int
        Radius of a click's disk in network pixels.
    object_diameter : float
        Diameter in network pixels that objects had in training.
    image_diameter : float or None
        Diameter, in image pixels, of the objects of a lab's images that the model was fine-tuned
        on: what a session goes by while nobody has given one. None for models of all kinds of
        images, for which images are taken as they are.
    noise_variance : float
        ε² in use.
    stride : {4, 2, 1}
        Pixels between the grid points of the cached fusion's decoder. Below 4, its unit-length
        features are upsampled before the GP; with 1 the deep kernel is evaluated at every pixel,
        as the paper fusion always does, whatever is set here.
    prior_path : bool
        Whether the GP head has the learned prior path; without, its prior is zero.
    colour_kernel : bool
        Whether the GP's kernel has its colour term. Prior path and click values see colour even
        without. Without it, clicks in one grid cell may be too alike to keep opposite labels.
    colour_filter : float
        Contrast, in the range 0–1, below which neighbouring pixels' colours are averaged before
        the GP's kernel compares them; 0 leaves colours as they are. See `colour.smooth_colour`.
    previous_mask : bool
        Whether the decoder is shown the previous mask; without, it is given zeros.
    temperature : float
        T, by which latents are divided where they are shown as probabilities, sigmoid(f / T).
        Neither masks at a threshold of 0.5 nor the previous mask depend on it.
    """

    fusion: str = "cached"
    encoder: str = "mobilenetv2_100"
    head: str = "gp"
    image_mean: tuple[float, float, float] = IMAGENET_MEAN
    image_std: tuple[float, float, float] = IMAGENET_STD
    channels: int = 64
    feature_dim: int = 48
    fourier_features: int = 64
    click_radius: int = 5
    object_diameter: float = 64.0
    image_diameter: float | None = None
    noise_variance: float = 1e-7
    stride: int = 4
    prior_path: bool = True
    colour_kernel: bool = True
    colour_filter: float = 0.0
    previous_mask: bool = True
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Check that the options exist and the sizes are positive."""
        for name in ("image_mean", "image_std"):
            object.__setattr__(self, name, _three_numbers(name, getattr(self, name)))
        if min(self.image_std) <= 0:
            raise ValueError(f"expected image_std above 0, got {self.image_std}")
        if not 0 <= self.colour_filter < math.inf:
            raise ValueError(f"expected a colour_filter of at least 0, got {self.colour_filter}")
        for name, known in _KNOWN.items():
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"expected {name} to be one of {known}, got {value!r}")
        for name in ("channels", "feature_dim", "fourier_features", "click_radius"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, got {getattr(self, name)}")
        for name in ("object_diameter", "noise_variance", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"expected a finite {name} above 0, got {getattr(self, name)}")
        if self.image_diameter is not None and not 0 < self.image_diameter < math.inf:
            raise ValueError(f"expected a finite image_diameter above 0, got {self.image_diameter}")


def _three_numbers(name: str, values: Sequence[float]) -> tuple[float, float, float]:
    """One number per channel; JSON and YAML give a list."""
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"expected {name} as three finite numbers, got {values}")
    return numbers[0], numbers[1], numbers[2]
