"""What a network is made of; stored in each checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

FUSIONS = ("cached", "paper")
HEADS = ("gp", "conv")


@dataclass(frozen=True)
class NetworkConfig:
    """Configuration of a network.

    Parameters
    ----------
    fusion : {"cached", "paper"}
        Where clicks enter: in the decoder, behind a cached encoder, or after the stem.
    encoder : str
        Name of a timm model with `features_only` support.
    head : {"gp", "conv"}
        Gaussian process classifier, or a 1×1 convolution (the RITM-style baseline).
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
    noise_variance : float
        ε² in use.
    """

    fusion: str = "cached"
    encoder: str = "mobilenetv2_100"
    head: str = "gp"
    channels: int = 64
    feature_dim: int = 48
    fourier_features: int = 64
    click_radius: int = 5
    object_diameter: float = 64.0
    noise_variance: float = 1e-7

    def __post_init__(self) -> None:
        """Check that the options exist and the sizes are positive."""
        for name, value, known in (("fusion", self.fusion, FUSIONS), ("head", self.head, HEADS)):
            if value not in known:
                raise ValueError(f"expected {name} to be one of {known}, got {value!r}")
        for name in ("channels", "feature_dim", "fourier_features", "click_radius"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, got {getattr(self, name)}")
        for name in ("object_diameter", "noise_variance"):
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} above 0, got {getattr(self, name)}")
