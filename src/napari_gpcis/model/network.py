"""The segmentation network: one class, two fusions, two heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch import Tensor, nn

from napari_gpcis.gp import GPClassifier
from napari_gpcis.model.cached import CachedFusion
from napari_gpcis.model.click_maps import click_maps
from napari_gpcis.model.colour import smooth_colour
from napari_gpcis.model.config import IMAGENET_MEAN, IMAGENET_STD
from napari_gpcis.model.heads import ConvHead, GPHead, Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.model.config import NetworkConfig


class Fusion(Protocol):
    """The fusion of image and clicks; see `CachedFusion` and `PaperFusion`."""

    grid_stride: int
    size_divisor: int
    pyramid_strides: tuple[int, ...]

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Click-independent features of a normalised image."""
        ...

    def decode(self, pyramid: tuple[Tensor, ...], maps: Tensor, previous: Tensor) -> Tensor:
        """Deep features on the grid."""
        ...


class SegmentationNetwork(nn.Module):
    """Image and clicks → logits, in the steps that the engine calls one by one.

    `encode` once a slice, then `decode` and `classify` per click; `forward` is all of them.

    Parameters
    ----------
    config : NetworkConfig
    """

    mean: Tensor
    std: Tensor
    input_mean: Tensor
    input_std: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.fusion = _build_fusion(config)
        self.head = _build_head(config)
        for name, values in (
            ("mean", IMAGENET_MEAN),
            ("std", IMAGENET_STD),
            ("input_mean", config.image_mean),
            ("input_std", config.image_std),
        ):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    @property
    def _fusion(self) -> Fusion:
        return cast("Fusion", self.fusion)

    @property
    def grid_stride(self) -> int:
        """Raster pixels between the GP's grid points."""
        return self._fusion.grid_stride

    @property
    def size_divisor(self) -> int:
        """Height and width given to `encode`, and windows, are multiples of this, in pixels."""
        return self._fusion.size_divisor

    @property
    def pyramid_strides(self) -> tuple[int, ...]:
        """Stride of each level that `encode` returns."""
        return self._fusion.pyramid_strides

    def colour(self, image: Tensor) -> Tensor:
        """ImageNet-normalised colour, (B, 3, H, W): the GP's colour features.

        The same whatever the encoder's input is normalised by, so that the kernel's unit length
        scale means the same for all models.
        """
        return self.standardise(self.smooth(image))

    def standardise(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in 0–1 → the same by ImageNet's mean and standard deviation."""
        return (image - self.mean) / self.std

    def smooth(self, image: Tensor) -> Tensor:
        """Colour without noise, (B, 3, H, W) in 0–1, as the configuration's filter makes it."""
        return smooth_colour(image, self.config.colour_filter)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features that do not depend on clicks.

        Parameters
        ----------
        image : Tensor, shape (B, 3, H, W)
            Values in 0–1; H and W multiples of `size_divisor`.

        Returns
        -------
        tuple of Tensor, each of shape (B, C, H / s, W / s)
            One per stride of `pyramid_strides`.

        Raises
        ------
        ValueError
            If the size is not a multiple of `size_divisor`.
        """
        height, width = image.shape[-2:]
        divisor = self.size_divisor
        if height % divisor or width % divisor:
            wanted = (-(-height // divisor) * divisor, -(-width // divisor) * divisor)
            raise ValueError(
                f"expected height and width as multiples of {divisor} px, got {height}×{width}; "
                f"pad to {wanted[0]}×{wanted[1]}"
            )
        return self._fusion.encode((image - self.input_mean) / self.input_std)

    def decode(
        self,
        pyramid: tuple[Tensor, ...],
        clicks: Sequence[Tensor],
        previous: Tensor | None = None,
    ) -> Tensor:
        """Deep features of a window.

        Parameters
        ----------
        pyramid : tuple of Tensor
            Features from `encode`, each level cut to the window.
        clicks : sequence of B Tensors, each of shape (n_i, 3)
            Row, column in window pixels, label ±1. Empty ones give click-independent features,
            as class mode wants them.
        previous : Tensor, shape (B, 1, H, W), optional
            Probability of the last round; zeros when not given, or not to be seen by
            the configuration.

        Returns
        -------
        Tensor, shape (B, D, H / grid_stride, W / grid_stride)
        """
        finest, stride = pyramid[0], self.pyramid_strides[0]
        size = (finest.shape[-2] * stride, finest.shape[-1] * stride)
        maps = click_maps(clicks, size, self.config.click_radius, finest.device)
        if previous is None or not self.config.previous_mask:
            previous = maps.new_zeros(len(clicks), 1, *size)
        return self._fusion.decode(pyramid, maps, previous)

    def classify(
        self,
        deep: Tensor,
        colour: Tensor,
        clicks: Sequence[Tensor],
        noise_variance: float | None = None,
    ) -> Prediction:
        """Classify every pixel of a window.

        Parameters
        ----------
        deep : Tensor, shape (B, D, h, w)
            Features from `decode`.
        colour : Tensor, shape (B, 3, H, W)
            Colours from `colour`, cut to the window.
        clicks : sequence of B Tensors, each of shape (n_i, 3)
            Row, column in window pixels (fractions interpolate), label ±1.
        noise_variance : float, optional
            ε²; that of the configuration when not given.

        Returns
        -------
        Prediction
        """
        prediction: Prediction = self.head(deep, colour, clicks, noise_variance)
        return prediction

    def forward(
        self, image: Tensor, clicks: Sequence[Tensor], previous: Tensor | None = None
    ) -> Tensor:
        """Logits of every pixel.

        Parameters
        ----------
        image : Tensor, shape (B, 3, H, W)
            Values in 0–1; H and W multiples of `size_divisor`.
        clicks : sequence of B Tensors, each of shape (n_i, 3)
            Row, column, label ±1. As in the reference implementation, disks are drawn at
            fractional positions and the GP takes the pixel that a position falls into.
        previous : Tensor, shape (B, 1, H, W), optional
            Probability of the last round.

        Returns
        -------
        Tensor, shape (B, 1, H, W)
        """
        on_pixels = [torch.cat([item[:, :2].floor(), item[:, 2:]], 1) for item in clicks]
        deep = self.decode(self.encode(image), clicks, previous)
        return self.classify(deep, self.colour(image), on_pixels).logits


def build_network(config: NetworkConfig) -> SegmentationNetwork:
    """Network with random weights.

    Parameters
    ----------
    config : NetworkConfig
        Configuration of the network.

    Returns
    -------
    SegmentationNetwork
        Network in evaluation mode.
    """
    return SegmentationNetwork(config).eval()


def _build_fusion(config: NetworkConfig) -> nn.Module:
    if config.fusion == "cached":
        return CachedFusion(config.encoder, config.channels, config.feature_dim, config.stride)
    from napari_gpcis.model.paper import PaperFusion

    return PaperFusion(config.encoder, config.feature_dim)


def _build_head(config: NetworkConfig) -> nn.Module:
    if config.head == "conv":
        return ConvHead(config.feature_dim)
    classifier = GPClassifier(
        config.feature_dim,
        fourier_features=config.fourier_features,
        prior_path=config.prior_path,
        colour_kernel=config.colour_kernel,
    )
    return GPHead(classifier, config.noise_variance)
